"""torch.save's files for torch_file_test.cpp, and what torch.load makes of them.

    torch_file_reference.py OUT

OUT/CASE.pt, with OUT/CASE.safetensors (every tensor under its path) and OUT/CASE.json (all else); OUT/refused/*.pt with
OUT/refused.json (what the refusal must say); OUT/sharded, a directory with an index.
"""
import collections, json, os, pathlib, pickle, sys, zipfile

import torch
from safetensors.torch import save_file

out = pathlib.Path(sys.argv[1])
(out / "refused").mkdir(parents=True)
torch.manual_seed(11)


def flatten(value, path, tensors):
    """JSON of what is not a tensor; tensors under their path."""
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().clone().contiguous()
        return flatten
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else None
    if children is None:
        return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
    found = {str(k): flatten(v, f"{path}/{k}".lstrip("/"), tensors) for k, v in children}
    found = {k: v for k, v in found.items() if v is not flatten}
    return found if isinstance(value, dict) else list(found.values())


def case(name, value, **options):
    torch.save(value, out / f"{name}.pt", **options)
    tensors = {}
    said = flatten(torch.load(out / f"{name}.pt", weights_only=True), "", tensors)
    save_file(tensors, out / f"{name}.safetensors")
    (out / f"{name}.json").write_text(json.dumps(said))


DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
dtypes = {f"{str(t)[6:]}{list(s)}": (torch.randn(s) * 50).to(t) for t in DTYPES for s in ((), (0, 3), (1,), (3, 5), (2, 1, 7))}
base = torch.randn(6, 10)
half = torch.randn(4, 9).half()
views = {
    "base": base, "transposed": base.t(), "column": base[:, 2], "rows": base[2:4], "steps": base[::2, 1::3], "diagonal": base.diagonal(),
    "last": base[5, 9], "none": base[:, 3:3], "permuted": base.view(2, 3, 10).permute(2, 0, 1), "repeated": base[1].expand(3, 10),
    "odd": half.flatten()[1:8], "half": half[1:, 2:5], "parameter": torch.nn.Parameter(base[1:3]),
    "bools": torch.tensor([True, False, True, True])[1:], "one": base[1:2, 3:4].unsqueeze(0)}
module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ModuleDict({"größe": torch.nn.Linear(4, 2, bias=False)}))
optimizer = torch.optim.AdamW(module.parameters())
module[0](torch.randn(2, 3)).sum().backward()
optimizer.step()
nested = {
    "dims": {"n_mels": 80, "n_vocab": 51864, "big": 2**40, "negative": -70000, "small": -3}, "model_state_dict": module.state_dict(), "optimizer": optimizer.state_dict(),
    "epoch": 3, "loss": 0.1234567891, "note": "größer", "done": True, "nothing": None, "size": base.shape, "dtype": torch.bfloat16, "list": [1, base, (2.5, "x")]}
for name, value in (("dtypes", dtypes), ("views", views), ("nested", nested), ("module", module.state_dict()), ("empty", {})):
    case(name, value)
    case(f"legacy_{name}", value, _use_new_zipfile_serialization=False)

# Shards, as transformers once wrote them.
folder = out / "sharded"
folder.mkdir()
weights = {f"layer.{i}.weight": torch.randn(4, 4) for i in range(4)}
index = {}
for shard in range(2):
    file = f"pytorch_model-{shard + 1:05}-of-00002.bin"
    mine = {k: v for i, (k, v) in enumerate(weights.items()) if i % 2 == shard}
    torch.save(mine, folder / file)
    index |= {k: file for k in mine}
(folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
save_file(weights, out / "sharded.safetensors")


# ---- what must be refused

refused = {}


class Call:
    """What unpickling calls."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refuse(name, value, *phrases, **options):
    torch.save(value, out / "refused" / f"{name}.pt", **options)
    refused[name] = phrases


marker = out / "marker"
touch = Call(os.system, f"touch '{marker}'")
not_data = "not data of a model: refused, nothing was run"
for legacy in (False, True):
    kind, options = ("legacy_" if legacy else ""), {"_use_new_zipfile_serialization": not legacy}
    refuse(f"{kind}system", {"weight": base, "x": touch}, "posix.system", not_data, **options)
    state = module.state_dict()
    state._metadata["x"] = touch
    refuse(f"{kind}metadata", state, "posix.system", not_data, **options)
    refuse(f"{kind}eval", [Call(eval, "1")], "builtin", ".eval", not_data, **options)
    refuse(f"{kind}module", module, "torch.nn.modules.container.Sequential", not_data, **options)
refuse("protocol4", {"weight": base}, "instruction 0x", pickle_protocol=4)
refuse("storage", {"weight": torch.UntypedStorage(4)}, "torch")
refuse("tensor", base, "without a name")
refuse("complex", {"weight": torch.randn(2, dtype=torch.complex64)}, "torch.ComplexFloatStorage", not_data)
refuse("negated", {"weight": torch.complex(base, base).conj().imag}, "negated")
refuse("repeated", {"weight": base[0, :1].expand(1 << 40)}, "more elements")
refuse("not_text", {b"a\xff".decode("utf-8", "surrogateescape"): base}, "UTF-8")
# The control: what is refused here does run in Python.
torch.load(out / "refused/system.pt", weights_only=False)
assert marker.exists()
marker.unlink()


def rewrite(name, source, phrases, compression=zipfile.ZIP_STORED, change=lambda name, data: (name, data), twice=False):
    with zipfile.ZipFile(out / source) as read, zipfile.ZipFile(out / f"refused/{name}.pt", "w", compression) as written:
        for entry in read.infolist():
            changed = change(entry.filename, read.read(entry))
            if changed:
                written.writestr(*changed)
        if twice:
            written.writestr(entry.filename, read.read(entry))
    refused[name] = phrases


rewrite("compressed", "module.pt", ["compressed"], zipfile.ZIP_DEFLATED)
rewrite("twice", "module.pt", ["twice"], twice=True)
rewrite("no_storage", "module.pt", ["'0' is missing"], change=lambda n, d: None if n.endswith("data/0") else (n, d))
rewrite("short_storage", "module.pt", ["should hold 12 elements"], change=lambda n, d: (n, d[:8]) if n.endswith("data/0") else (n, d))
rewrite("no_pickle", "module.pt", ["without data.pkl"], change=lambda n, d: None if n.endswith("data.pkl") else (n, d))
rewrite("big_endian", "module.pt", ["big-endian"], change=lambda n, d: (n, b"big") if n.endswith("byteorder") else (n, d))


class Liar(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Persistent) else None


class Persistent:
    def __init__(self, *id):
        self.id = id


def lie(name, phrase, offset=0, size=(2, 3), strides=(3, 1), storage=torch.FloatStorage, key="0", elements=6, rebuild=torch._utils._rebuild_tensor_v2):
    import io
    text = io.BytesIO()
    kept = Persistent("storage", storage, key, "cpu", elements)
    Liar(text, 2).dump({"fine": Call(torch._utils._rebuild_tensor_v2, Persistent("storage", torch.FloatStorage, "0", "cpu", 6), 0, (6,), (1,), False, collections.OrderedDict()),
                        "weight": Call(rebuild, kept, offset, size, strides, False, collections.OrderedDict())})
    with zipfile.ZipFile(out / f"refused/{name}.pt", "w") as file:
        file.writestr("x/data.pkl", text.getvalue())
        file.writestr("x/data/0", bytes(24))
    refused[name] = [phrase]


lie("offset", "inside its storage", offset=1)
lie("offset_before", "inside its storage", offset=-1)
lie("size", "inside its storage", size=(3, 3))
lie("stride", "inside its storage", strides=(4, 1))
lie("stride_before", "inside its storage", strides=(-3, 1))
lie("wrapped", "inside its storage", size=(2**62, 4), strides=(4, 1))
lie("huge", "inside its storage", size=(2**40, 2**40, 1), strides=(0, 2**40, 1))
lie("repeats", "more elements", size=(2**40, 1), strides=(0, 1))
lie("dimensions", "strides", size=(1, 2, 3))
lie("negative", "inside its storage", size=(-1, 3))
lie("many_dimensions", "dimensions", size=(1,) * 65, strides=(1,) * 65)
lie("elements", "described in two ways", elements=7)
lie("other_type", "described in two ways", storage=torch.HalfStorage)
lie("other_key", "'9' is missing", key="9")
lie("path", "'../../x' is missing", key="../../x")
lie("no_size", "whole number", size=(2.5, 3))
lie("no_tuple", "tuple of whole numbers", size=6)
lie("text", "whole number", offset="0")
lie("odd_rebuild", "nothing was run", rebuild=torch._utils._rebuild_sparse_tensor)

# Values that hold each other, and ones that would be endless on paper.
loop = []
loop.append(loop)
refuse("loop", {"weight": base, "x": loop}, "nested deeper")
deep = []
for _ in range(200):
    deep = [deep]
refuse("deep", {"x": deep}, "nested deeper")
wide = [1, 2]
for _ in range(40):
    wide = [wide, wide]
refuse("wide", {"x": wide}, "more than")
(out / "refused.json").write_text(json.dumps(refused))
