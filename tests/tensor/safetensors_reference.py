"""safetensors by Python's package: writes every dtype and odd shapes, and reads back what Thaw wrote.

    safetensors_reference.py write FILE      safetensors_reference.py equal FILE OTHER
"""
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
if sys.argv[1] == "write":
    torch.manual_seed(5)
    tensors = {}
    for dtype in DTYPES:
        name = str(dtype).removeprefix("torch.")
        for shape in ((), (0, 3), (1,), (3, 5), (2, 1, 7)):
            tensors[f"{name}{list(shape)}"] = (torch.randn(shape) * 50).to(dtype)
    save_file(tensors, sys.argv[2], metadata={"format": "pt", "ä": "ö"})
else:
    a, b = load_file(sys.argv[2]), load_file(sys.argv[3])
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape and torch.equal(a[name], b[name]), name
    with safe_open(sys.argv[2], "pt") as x, safe_open(sys.argv[3], "pt") as y:
        assert x.metadata() == y.metadata(), (x.metadata(), y.metadata())
