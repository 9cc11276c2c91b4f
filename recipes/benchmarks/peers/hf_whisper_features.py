"""transformers' WhisperFeatureExtractor on one core, with PyAV as decoder and resampler, as faster-whisper uses it.

hf_whisper_features.py FOLDER WINDOWS: the same recordings and windows as audio_speed took; prints one JSON object likewise.
"""
import io
import json
import sys
import time
from pathlib import Path

import av
import numpy as np
import torch
from transformers import WhisperFeatureExtractor

torch.set_num_threads(1)
folder, windows = Path(sys.argv[1]), np.fromfile(sys.argv[2], dtype=np.float32).reshape(-1, 480000)
extractor = WhisperFeatureExtractor()


def features(samples):
    return extractor(samples, sampling_rate=16000, return_tensors="np")["input_features"]


def decode(encoded):
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    parts = []
    with av.open(io.BytesIO(encoded)) as container:
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray() for part in resampler.resample(frame)]
    parts += [part.to_ndarray() for part in resampler.resample(None)]
    return np.concatenate(parts, axis=1)[0].astype(np.float32) / 32768


recordings, recorded = [], 0
for path in sorted(path for path in folder.rglob("*") if path.is_file()):
    if recorded >= 20 * 480000:
        break
    recordings.append(path.read_bytes())
    recorded += decode(recordings[-1]).size

for window in windows:
    features(window)
began = time.perf_counter()
for window in windows:
    features(window)
windows_s = time.perf_counter() - began
began = time.perf_counter()
for encoded in recordings:
    features(decode(encoded))
encoded_s = time.perf_counter() - began
print(json.dumps({"features": windows.size / 16000 / windows_s, "from_file": recorded / 16000 / encoded_s}))
