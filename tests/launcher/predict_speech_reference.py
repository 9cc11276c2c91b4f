"""What transformers makes of an exported classifier of audio: predict_speech_reference.py DIRECTORY OUT RECORDING…

Writes a JSON list of {label: probability}, one for each recording (WAV, 16 kHz).
"""
import json, sys

import scipy.io.wavfile
import torch
from transformers import AutoModelForAudioClassification, WhisperFeatureExtractor

directory, out, *recordings = sys.argv[1:]
model, loading = AutoModelForAudioClassification.from_pretrained(directory, output_loading_info=True)
assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
extract = WhisperFeatureExtractor.from_pretrained(directory)
rows = []
with torch.no_grad():
    for path in recordings:
        samples = scipy.io.wavfile.read(path)[1].astype("float32") / 32768
        features = extract(samples, sampling_rate=16000, return_tensors="pt").input_features
        p = torch.softmax(model.eval()(features).logits[0], 0).tolist()
        rows.append({model.config.id2label[i]: value for i, value in enumerate(p)})
json.dump(rows, open(out, "w"))
