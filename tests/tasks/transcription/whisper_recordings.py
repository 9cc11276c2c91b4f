"""What transformers hears: Whisper's greedy tokens (no timestamps, forced prompt) and logits, in fp32.

    whisper_recordings.py OUT MODEL_DIRECTORY RECORDING…

Writes safetensors: features fp32 [recordings, mels, 3000], prompt [prompt], tokens [recordings, longest] (prompt, text, the end's
token, then -1), and of the first recording `logits` [tokens, vocabulary] of all its tokens, and `cross_attention`
[layers, heads, tokens, 1500].
A .raw file is 16-bit samples at 16 kHz; others are decoded by faster-whisper.
"""
import pathlib, sys

import numpy
import torch
from faster_whisper.audio import decode_audio
from safetensors.torch import save_file
from transformers import GenerationMixin, WhisperFeatureExtractor, WhisperForConditionalGeneration

out, directory, *recordings = sys.argv[1:]
torch.set_num_threads(2)
model = WhisperForConditionalGeneration.from_pretrained(directory, attn_implementation="eager").float().eval()
extract = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)


def samples(path):
    if pathlib.Path(path).suffix == ".raw":
        return numpy.fromfile(path, numpy.int16).astype(numpy.float32) / 32768
    return decode_audio(path, sampling_rate=16000)


english = model.config.vocab_size == 51864
prompt = [50257, 50362] if english else [50258, 50259, 50359, 50363]
features, rows = [], []
with torch.no_grad():
    for path in recordings:
        given = extract(samples(path), sampling_rate=16000, return_tensors="pt").input_features
        tokens = GenerationMixin.generate(model, input_features=given, decoder_input_ids=torch.tensor([prompt]), do_sample=False,
                                          num_beams=1, max_length=model.config.max_target_positions)
        features.append(given)
        rows.append(tokens[0])
    whole = model(input_features=features[0], decoder_input_ids=rows[0][None], output_attentions=True)
longest = max(len(row) for row in rows)
tokens = torch.full((len(rows), longest), -1)
for i, row in enumerate(rows):
    tokens[i, :len(row)] = row
save_file({"features": torch.cat(features).contiguous(), "prompt": torch.tensor(prompt), "tokens": tokens,
           "logits": whole.logits[0].contiguous(), "cross_attention": torch.cat(whole.cross_attentions).contiguous()}, out)
