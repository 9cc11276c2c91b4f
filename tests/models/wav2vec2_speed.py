"""The peer of wav2vec2_speed.cpp: transformers' Wav2Vec2ForCTC, the same pass.

    wav2vec2_speed.py fp32|bf16 [THREADS [PASSES]]
"""
import json, sys, time

import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

precision = sys.argv[1] if len(sys.argv) > 1 else "fp32"
threads, passes = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((2, 2), (3, 3)))
torch.set_num_threads(threads)
torch.manual_seed(1)
model = Wav2Vec2ForCTC(Wav2Vec2Config(layerdrop=0.0, ctc_loss_reduction="mean")).train()
model.freeze_feature_encoder()
rows = torch.randn(10, 80000)


def seconds_of_pass():
    start = time.perf_counter()
    labels = torch.randint(1, 32, (10, 60))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = model(rows, labels=labels).loss
    loss.backward()
    model.zero_grad()
    return time.perf_counter() - start


seconds_of_pass()
print(json.dumps({"precision": precision, "threads": threads, "seconds": round(min(seconds_of_pass() for _ in range(passes)), 3)}))
