"""transformers' loss and gradients of the first rows of a corpus: objectives_reference.py OUT MODELS CTC

MODELS: what tests/launcher/speech_models.py made. CTC: a Wav2Vec2ForCTC with its vocabulary. Writes OUT/CASE.safetensors with "loss"
and the gradient of every parameter, of the cases whisper (no times), times (every row with its times) and ctc, in double precision.
Whisper's loss is the mean over labels; CTC's the sum over rows, divided by all labels.
"""
import csv, pathlib, sys

import numpy as np
import scipy.io.wavfile
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor, WhisperFeatureExtractor, WhisperForConditionalGeneration

out, models, ctc_model = map(pathlib.Path, sys.argv[1:])
ROWS = 5
torch.set_num_threads(1)
rows = list(csv.DictReader(open(models / "corpus/train.tsv"), delimiter="\t"))[:ROWS]
samples = [scipy.io.wavfile.read(models / "corpus" / row["path"])[1].astype(np.float32) / 32768 for row in rows]


def write(name, model, loss):
    loss.backward()
    tensors = {"loss": loss.detach()}
    for parameter, p in model.named_parameters():
        parameter = parameter.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v")
        tensors["grad/" + parameter] = p.grad if p.grad is not None else torch.zeros_like(p)
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / f"{name}.safetensors")


def whisper(name, with_times):
    model = WhisperForConditionalGeneration.from_pretrained(models / "whisper").double().eval()
    tokenizer = Tokenizer.from_file(str(models / "whisper/tokenizer.json"))
    features = WhisperFeatureExtractor(feature_size=80)(samples, sampling_rate=16000, return_tensors="pt").input_features
    inputs, labels = [], []
    for row, wave in zip(rows, samples):
        text = tokenizer.encode(" " + row["text"], add_special_tokens=False).ids
        prompt = [tokenizer.token_to_id(t) for t in ("<|startoftranscript|>", "<|0.00|>" if with_times else "<|notimestamps|>")]
        end = [tokenizer.token_to_id(f"<|{round(len(wave) / 16000 / 0.02) * 0.02:.2f}|>")] if with_times else []
        inputs.append(prompt + text + end)
        labels.append([-100] * (len(prompt) - 1) + text + end + [tokenizer.token_to_id("<|endoftext|>")])
    longest = max(map(len, inputs))
    pad = lambda lists, value: torch.tensor([one + [value] * (longest - len(one)) for one in lists])
    loss = model(input_features=features.double(), decoder_input_ids=pad(inputs, 0), labels=pad(labels, -100)).loss
    write(name, model, loss)


def ctc():
    processor = Wav2Vec2Processor.from_pretrained(ctc_model)
    model = Wav2Vec2ForCTC.from_pretrained(ctc_model, ctc_loss_reduction="sum").double().eval()
    losses, count = [], 0
    for row, wave in zip(rows, samples):
        values = processor(wave, sampling_rate=16000, return_tensors="pt").input_values.double()
        labels = processor.tokenizer(row["text"], return_tensors="pt").input_ids
        losses.append(model(values, labels=labels).loss)
        count += labels.numel()
    write("ctc", model, sum(losses) / count)


whisper("whisper", False)
whisper("times", True)
ctc()
