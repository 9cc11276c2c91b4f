"""Reference for wav2vec 2.0, HuBERT and WavLM: transformers, in double precision, on random small configs.

    wav2vec2_reference.py OUT            writes OUT/CASE/{config.json, model.safetensors, reference.safetensors}
    wav2vec2_reference.py CASE MASKS     prints nothing; writes MASKS.logits with the logits of CASE while training, with the
                                         masks of MASKS in place of transformers' own

reference.safetensors: samples (rows one after another), lengths, logits (rows one after another), weights of a sum of the
logits, and the gradient of every parameter for that sum. A row is a batch of its own, so that nothing is padded.
"""
import json, pathlib, sys

import torch
import transformers
from safetensors.torch import load_file, save_file

BASE = dict(hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40, conv_dim=(12, 16, 20),
            conv_kernel=(10, 3, 2), conv_stride=(5, 2, 2), num_conv_pos_embeddings=6, num_conv_pos_embedding_groups=3, vocab_size=11,
            num_labels=5, classifier_proj_size=14, initializer_range=0.2, mask_time_prob=0.3, mask_time_length=4, mask_feature_prob=0.2,
            mask_feature_length=3)
LARGE = dict(do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True)
ODD = dict(hidden_act="gelu_new", feat_extract_activation="relu", layer_norm_eps=1e-3, num_conv_pos_embeddings=5, mask_time_prob=0.0,
           mask_feature_prob=0.0)
CASES = {
    "wav2vec2_base_ctc": ("Wav2Vec2", "CTC", {}),
    "wav2vec2_base_classes": ("Wav2Vec2", "SequenceClassification", dict(conv_bias=True)),
    "wav2vec2_large_ctc": ("Wav2Vec2", "CTC", LARGE),
    "wav2vec2_large_classes": ("Wav2Vec2", "SequenceClassification", {**LARGE, **ODD}),
    "hubert_base_ctc": ("Hubert", "CTC", ODD),
    "hubert_base_classes": ("Hubert", "SequenceClassification", dict(feat_proj_layer_norm=False)),
    "hubert_large_ctc": ("Hubert", "CTC", LARGE),
    "hubert_large_classes": ("Hubert", "SequenceClassification", dict(do_stable_layer_norm=True)),
    "wavlm_base_ctc": ("WavLM", "CTC", dict(num_buckets=16, max_bucket_distance=20)),
    "wavlm_base_classes": ("WavLM", "SequenceClassification", {**ODD, "num_buckets": 320, "max_bucket_distance": 800}),
    "wavlm_large_ctc": ("WavLM", "CTC", {**LARGE, "num_buckets": 32, "max_bucket_distance": 64}),
    "wavlm_large_classes": ("WavLM", "SequenceClassification", {**LARGE, "num_buckets": 8, "max_bucket_distance": 9}),
    "new_names": ("Wav2Vec2", "CTC", {}),
    "bare_names": ("Hubert", "CTC", {}),
}
LENGTHS = [1621, 2400, 83, 30, 900]  # 30 samples are the fewest that give a frame


def random_model(family, head, settings, seed):
    torch.manual_seed(seed)
    config = getattr(transformers, family + "Config")(**{**BASE, **settings})
    model = getattr(transformers, f"{family}For{head}")(config)
    with torch.no_grad():  # biases and norms start at 0 and 1, a position's norm at what it is: move them, so that a swapped one shows
        for name, p in model.named_parameters():
            if p.dim() == 1 or "original" in name or "gru_rel_pos_const" in name:
                p.add_(torch.randn_like(p) * 0.1)
            elif "conv_layers.0.conv.weight" in name:  # a variance so small that the norm's eps counts
                p.mul_(0.05)
            elif "rel_attn_embed" in name:
                p.copy_(torch.randn_like(p))
    return model


def hub_name(name):
    return name.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v")


def reference(model, directory, seed):
    g = torch.Generator().manual_seed(seed)
    rows = [torch.randn(1, n, generator=g) for n in LENGTHS]
    model = model.double().eval()
    model.set_attn_implementation("eager")
    logits = torch.cat([model(row.double()).logits.flatten(0, -2) for row in rows])
    weights = torch.randn(logits.shape, generator=g).double()
    (logits * weights).sum().backward()
    tensors = {"samples": torch.cat(rows, 1)[0], "lengths": torch.tensor(LENGTHS), "logits": logits.detach(), "weights": weights}
    for name, p in model.named_parameters():
        tensors["grad/" + hub_name(name)] = p.grad if p.grad is not None else torch.zeros_like(p)
    save_file({k: v.contiguous() for k, v in tensors.items()}, directory / "reference.safetensors")


def write_cases(out):
    for number, (name, (family, head, settings)) in enumerate(CASES.items()):
        model = random_model(family, head, settings, number)
        model.save_pretrained(out / name)
        tensors = load_file(out / name / "model.safetensors")
        tensors = {hub_name(k): v for k, v in tensors.items()}  # the names that hub's files have, whichever this release writes
        if name == "new_names":
            tensors = {k.replace("weight_g", "parametrizations.weight.original0").replace("weight_v", "parametrizations.weight.original1"): v
                       for k, v in tensors.items()}
        if name == "bare_names":
            tensors = {k.removeprefix("hubert."): v for k, v in tensors.items()}
        save_file(tensors, out / name / "model.safetensors", {"format": "pt"})
        reference(model, out / name, number)


def with_masks(directory, masks):
    """Training with the masks that are given: [frames] and [rows, features], rows one after another."""
    config = json.loads((directory / "config.json").read_text())
    for key in ("hidden_dropout", "attention_dropout", "activation_dropout", "final_dropout", "feat_proj_dropout", "layerdrop"):
        config[key] = 0.0
    (masks.parent / "config.json").write_text(json.dumps(config))
    family = getattr(transformers, config["architectures"][0])
    model = family.from_pretrained(directory, config=family.config_class.from_pretrained(masks.parent)).double().train()
    given, case = load_file(masks), load_file(directory / "reference.safetensors")
    module = sys.modules[type(model).__module__]
    logits, frame, frames, start = [], 0, 0, 0
    for row, n in enumerate(case["lengths"].tolist()):
        def drawn(shape, mask_prob, mask_length, attention_mask=None, min_masks=0):
            nonlocal frames
            if mask_prob != config["mask_time_prob"]:
                return given["features"][row][None].numpy()
            frames = shape[1]
            return given["time"][frame:frame + frames][None].numpy()
        module._compute_mask_indices = drawn
        result = model(case["samples"][None, start:start + n].double()).logits.flatten(0, -2)
        logits.append(result.detach())
        frame, start = frame + frames, start + n
    save_file({"logits": torch.cat(logits)}, str(masks) + ".logits")


if len(sys.argv) == 2:
    write_cases(pathlib.Path(sys.argv[1]))
else:
    with_masks(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
