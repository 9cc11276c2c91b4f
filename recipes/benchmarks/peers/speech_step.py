"""The peer of tests/models/speech_step.cpp: the same training step by transformers, autocast for bf16.

    speech_step.py wav2vec2|whisper fp32|bf16 all|frozen [THREADS [STEPS]]
"""
import json, resource, statistics, sys, time

import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, WhisperConfig, WhisperForConditionalGeneration

name, precision, learning = sys.argv[1:4]
threads, steps = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((4, 2), (5, 3)))
torch.set_num_threads(threads)
torch.manual_seed(1)
if name == "wav2vec2":
    model = Wav2Vec2ForCTC(Wav2Vec2Config(layerdrop=0.0, ctc_loss_reduction="mean"))
    given = {"input_values": torch.randn(4, 160000), "labels": torch.randint(1, 32, (4, 120))}
    freeze = model.freeze_feature_encoder
else:
    model = WhisperForConditionalGeneration(WhisperConfig())  # the defaults are tiny's
    given = {"input_features": torch.randn(8, 80, 3000), "labels": torch.randint(0, 51865, (8, 64))}
    freeze = model.model.freeze_encoder
model.train()
if learning == "frozen":
    freeze()


def seconds_of_step():
    clock, work = time.perf_counter(), time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = model(**given).loss
    loss.backward()
    model.zero_grad()
    return time.perf_counter() - clock, time.process_time() - work


seconds_of_step()
clock, work = map(statistics.median, zip(*(seconds_of_step() for _ in range(steps))))
print(json.dumps({"seconds": round(clock, 4), "cpu_seconds": round(work, 4),
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
