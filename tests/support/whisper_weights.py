"""Whisper's weights as others publish them, written as transformers does: config.json, model.safetensors (fp32), generation_config.json.

    whisper_weights.py SOURCE OUT

SOURCE: an OpenAI checkpoint (tiny.en.pt), or a folder of CTranslate2 (model.bin, with config.json). A tokenizer.json and a
normalizer.json beside it are copied.
"""
import json, pathlib, re, shutil, struct, sys

import numpy
import torch
from safetensors.torch import save_file


def ctranslate2(path):
    """model.bin of version 6: names, shapes, kinds and bytes of variables; then aliases."""
    data, at = path.read_bytes(), 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def text():
        nonlocal at
        length = take("H")
        at += length
        return data[at - length:at - 1].decode()

    version, _, _, count = take("I"), text(), take("I"), take("I")
    assert version == 6, version
    tensors = {}
    for _ in range(count):
        name, rank = text(), take("B")
        shape = [take("I") for _ in range(rank)]
        kind, size = take("B"), take("I")
        types = {0: numpy.float32, 1: numpy.int8, 2: numpy.int16, 3: numpy.int32, 4: numpy.float16}
        tensors[name] = torch.from_numpy(numpy.frombuffer(data[at:at + size], types[kind]).reshape(shape).copy())
        at += size
    for _ in range(take("I")):
        alias, name = text(), text()
        tensors[alias] = tensors[name]
    return tensors


def of_ctranslate2(folder):
    given, weights = ctranslate2(folder / "model.bin"), {}
    names = {"layer_norm.gamma": "layer_norm.weight", "layer_norm.beta": "layer_norm.bias", "ffn.linear_0": "fc1", "ffn.linear_1": "fc2",
             "ffn.layer_norm": "final_layer_norm", "self_attention.layer_norm": "self_attn_layer_norm",
             "attention.layer_norm": "encoder_attn_layer_norm", "self_attention": "self_attn", "attention": "encoder_attn",
             "embeddings": "embed_tokens", "position_encodings.encodings": "embed_positions.weight"}
    width = given["encoder/conv1/weight"].shape[0]
    for name, tensor in given.items():
        if not name.startswith(("encoder/", "decoder/")) or tensor.dim() == 0 or "projection" in name:
            continue
        name = "model." + re.sub(r"layer_(\d+)", r"layers.\1", name.replace("/", "."))
        for old, new in names.items():
            name = re.sub(rf"(?<=\.){re.escape(old)}(?=\.|$)", new, name)
        tensor = tensor.float()
        fused = re.match(r"(.*)\.linear_(\d)\.(weight|bias)$", name)
        if not fused:
            weights[name] = tensor
            continue
        prefix, number, kind = fused[1], int(fused[2]), fused[3]
        parts = [["q_proj", "k_proj", "v_proj"], ["out_proj"]] if "self_attn" in prefix else [["q_proj"], ["k_proj", "v_proj"], ["out_proj"]]
        for part, piece in zip(parts[number], tensor.split(width)):
            if (part, kind) != ("k_proj", "bias"):
                weights[f"{prefix}.{part}.{kind}"] = piece
            else:
                assert piece.abs().max() == 0
    heads = {w: w // 64 for w in (384, 512, 768, 1024, 1280)}[width]
    return weights, heads, heads


def of_openai(path):
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    names = [("blocks", "layers"), ("mlp.0", "fc1"), ("mlp.2", "fc2"), ("mlp_ln", "final_layer_norm"), ("cross_attn_ln", "encoder_attn_layer_norm"),
             ("attn_ln", "self_attn_layer_norm"), ("cross_attn", "encoder_attn"), ("attn", "self_attn"), ("query", "q_proj"),
             ("key", "k_proj"), ("value", "v_proj"), ("out", "out_proj"), ("ln_post", "layer_norm"), ("ln", "layer_norm"),
             ("token_embedding", "embed_tokens"), ("positional_embedding", "embed_positions.weight")]
    weights = {}
    for name, tensor in checkpoint["model_state_dict"].items():
        name = "model." + name
        for old, new in names:
            name = re.sub(rf"(?<=\.){re.escape(old)}(?=\.|$)", new, name)
        weights[name] = tensor.float()
    return weights, checkpoint["dims"]["n_audio_head"], checkpoint["dims"]["n_text_head"]


def config_of(weights, encoder_heads, decoder_heads):
    def layers(side):
        return 1 + max(int(m[1]) for name in weights if (m := re.match(rf"model\.{side}\.layers\.(\d+)\.", name)))

    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    english = vocabulary == 51864
    end = 50256 if english else 50257
    return dict(
        model_type="whisper", architectures=["WhisperForConditionalGeneration"], vocab_size=vocabulary, d_model=width,
        num_mel_bins=weights["model.encoder.conv1.weight"].shape[1], encoder_layers=layers("encoder"), decoder_layers=layers("decoder"),
        encoder_attention_heads=encoder_heads, decoder_attention_heads=decoder_heads,
        encoder_ffn_dim=weights["model.encoder.layers.0.fc1.weight"].shape[0],
        decoder_ffn_dim=weights["model.decoder.layers.0.fc1.weight"].shape[0],
        max_source_positions=weights["model.encoder.embed_positions.weight"].shape[0],
        max_target_positions=weights["model.decoder.embed_positions.weight"].shape[0], activation_function="gelu", dropout=0.0,
        attention_dropout=0.0, activation_dropout=0.0, scale_embedding=False, tie_word_embeddings=True, is_encoder_decoder=True,
        bos_token_id=end, eos_token_id=end, pad_token_id=end, decoder_start_token_id=end + 1)


source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
weights, encoder_heads, decoder_heads = of_openai(source) if source.is_file() else of_ctranslate2(source)
out.mkdir(parents=True, exist_ok=True)
save_file({name: tensor.contiguous() for name, tensor in weights.items()}, out / "model.safetensors", {"format": "pt"})
(out / "config.json").write_text(json.dumps(config_of(weights, encoder_heads, decoder_heads), indent=1))
folder = source if source.is_dir() else source.parent
for beside in ("tokenizer.json", "normalizer.json"):
    if (folder / beside).exists():
        shutil.copy(folder / beside, out)
