"""What openai-whisper makes of recordings: its JSON, with times of words, at temperature 0.

    transcribe_reference.py OUT.json MODEL.pt RECORDING.wav…        (16 kHz, mono, 16 bits)
"""
import json, sys

import numpy
import scipy.io.wavfile
import torch
import whisper

out, model, *recordings = sys.argv[1:]
torch.set_num_threads(2)
heard = whisper.load_model(model, device="cpu")
heard.set_alignment_heads(whisper._ALIGNMENT_HEADS["tiny.en"])  # known by the name alone, not by a file's
results = []
for recording in recordings:
    rate, samples = scipy.io.wavfile.read(recording)
    assert rate == 16000, rate
    results.append(heard.transcribe(samples.astype(numpy.float32) / 32768, temperature=0, word_timestamps=True, fp16=False))
json.dump(results, open(out, "w"))
