"""Whisper's three formats, for whisper_names_test.cpp.

    whisper_names_reference.py write OUT                random Whispers of openai-whisper's: OUT/english.pt, OUT/multilingual.pt
    whisper_names_reference.py judge OUT CASE PT [DTYPE ...]
                                                        OUT/CASE.json and OUT/CASE.safetensors are Thaw's config and weights:
                                                        transformers' model of that config must have these names and shapes, and give
                                                        the logits that openai-whisper's own model of PT gives on a random log-mel.
                                                        Of the same: OUT/CASE-DTYPE/model.bin, by ctranslate2's converter
"""
import dataclasses, json, pathlib, sys

import torch
import whisper
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

out = pathlib.Path(sys.argv[2])


def openai_model(path):
    saved = torch.load(path, weights_only=True)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**saved["dims"]))
    model.load_state_dict(saved["model_state_dict"])
    return model.float().eval()


def transformers_model(case):
    config = WhisperConfig(**json.loads((out / f"{case}.json").read_text()))
    model = WhisperForConditionalGeneration(config).eval()
    ours, theirs = load_file(out / f"{case}.safetensors"), dict(model.named_parameters())
    assert ours.keys() == theirs.keys(), sorted(ours.keys() ^ theirs.keys())
    for name, tensor in ours.items():
        assert tensor.shape == theirs[name].shape, (name, tensor.shape, theirs[name].shape)
    missing, unexpected = model.load_state_dict({k: v.float() for k, v in ours.items()}, strict=False)
    assert missing == ["proj_out.weight"] and not unexpected, (missing, unexpected)  # tied
    return model


def judge(case, path, dtypes):
    theirs, ours = openai_model(path), transformers_model(case)
    generator = torch.Generator().manual_seed(3)
    mel = torch.randn(2, theirs.dims.n_mels, 2 * theirs.dims.n_audio_ctx, generator=generator)
    tokens = torch.randint(0, theirs.dims.n_vocab, (2, 9), generator=generator)
    with torch.no_grad():
        a, b = theirs(mel, tokens), ours(input_features=mel, decoder_input_ids=tokens).logits
    difference = ((a - b).abs().max() / a.abs().max()).item()
    print(f"{case}: largest difference {difference:.2e} of the largest logit")
    assert difference < 1e-5, difference
    for dtype in dtypes:
        convert(case, ours, dtype)


def write():
    # Sides of different depth, as distilled models have; a vocabulary of each kind.
    for name, vocabulary, encoder_layers, decoder_layers in (("english", 51864, 3, 2), ("multilingual", 51866, 1, 2)):
        torch.manual_seed(vocabulary)
        dims = whisper.model.ModelDimensions(n_mels=8, n_audio_ctx=10, n_audio_state=24, n_audio_head=3, n_audio_layer=encoder_layers,
                                             n_vocab=vocabulary, n_text_ctx=12, n_text_state=24, n_text_head=2, n_text_layer=decoder_layers)
        model = whisper.model.Whisper(dims)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn_like(p) * 0.2)
        torch.save({"dims": dataclasses.asdict(dims), "model_state_dict": model.state_dict()}, out / f"{name}.pt")


def convert(case, model, dtype):
    from ctranslate2.converters.transformers import WhisperLoader
    spec = WhisperLoader().get_model_spec(model)
    spec.register_vocabulary([str(i) for i in range(model.config.vocab_size)])
    spec.validate()
    spec.optimize(quantization=dtype)
    (out / f"{case}-{dtype}").mkdir()
    spec.save(str(out / f"{case}-{dtype}"))


if sys.argv[1] == "write":
    write()
else:
    judge(sys.argv[3], sys.argv[4], sys.argv[5:])
