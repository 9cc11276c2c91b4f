"""model.bin as ctranslate2's own converter writes it, for ctranslate2_file_test.cpp.

    ctranslate2_reference.py OUT

OUT/DTYPE/model.bin of a random Whisper, OUT/DTYPE.safetensors with the values that the converter gave (of int8 and int16 what
ctranslate2 makes of them, in fp32), OUT/DTYPE.json with the aliases, and OUT/original.safetensors with the model before.
"""
import json, pathlib, sys

import numpy, torch
from ctranslate2.converters.transformers import WhisperLoader
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperForConditionalGeneration

out = pathlib.Path(sys.argv[1])
for dtype in ("float32", "float16", "bfloat16", "int8", "int8_float16", "int16"):
    torch.manual_seed(7)
    model = WhisperForConditionalGeneration(WhisperConfig(vocab_size=51, d_model=24, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=40, decoder_layers=1,
                                                          decoder_attention_heads=3, decoder_ffn_dim=48, num_mel_bins=7, max_source_positions=11, max_target_positions=13,
                                                          pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    spec = WhisperLoader().get_model_spec(model)
    spec.register_vocabulary([str(i) for i in range(51)])
    spec.validate()
    spec.optimize(quantization=dtype)
    (out / dtype).mkdir(parents=True)
    spec.save(str(out / dtype))
    given = spec.variables()
    tensors = {k: torch.from_numpy(numpy.array(v.numpy())) if v.dtype != "bfloat16" else v.tensor.detach() for k, v in given.items() if not isinstance(v, str)}
    for name in list(tensors):
        if f"{name}_scale" in tensors:
            scale = tensors[f"{name}_scale"]
            tensors[name] = tensors[name].float() / scale.reshape(-1, *[1] * (tensors[name].dim() - 1)) if scale.dim() else tensors[name].float() / scale
    aliases = {k: v for k, v in given.items() if isinstance(v, str) and v in given}
    tensors |= {k: tensors[v].clone() for k, v in aliases.items()}
    save_file({k: v.clone().contiguous() for k, v in tensors.items()}, out / f"{dtype}.safetensors")
    (out / f"{dtype}.json").write_text(json.dumps(aliases))
