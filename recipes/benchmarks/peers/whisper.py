"""What transcribe.sh compares with: Whisper of transformers, and of CTranslate2, on which faster-whisper runs. Both read the same
log-mel features as ours and decode greedily without timestamps.

    whisper.py features OUT MODEL RECORDING…        log-mel features and the prompt, as safetensors
    whisper.py transformers MODEL FEATURES fp32|bf16 TOGETHER THREADS ROUNDS
    whisper.py faster-whisper MODEL FEATURES fp32 TOGETHER THREADS ROUNDS

MODEL: a folder in the hub's layout, for faster-whisper in CTranslate2's. TOGETHER: windows side by side. The last line is one JSON
object: the seconds of each round (on the clock, and of all threads' work), and the tokens.
"""
import json, sys, time

import torch
from safetensors.torch import load_file, save_file


def features(out, model, *recordings):
    from faster_whisper.audio import decode_audio
    from transformers import WhisperConfig, WhisperFeatureExtractor

    config = WhisperConfig.from_pretrained(model)
    extract = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
    rows = [extract(decode_audio(path, sampling_rate=16000), sampling_rate=16000, return_tensors="pt").input_features for path in recordings]
    prompt = [50257, 50362] if config.vocab_size == 51864 else [50258, 50259, 50359, 50363]
    save_file({"features": torch.cat(rows).contiguous(), "prompt": torch.tensor(prompt)}, out)


def transformers(directory, given, precision):
    from transformers import GenerationMixin, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(directory, dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[precision]).eval()
    end = model.config.eos_token_id

    def transcribe(windows):
        prompt = given["prompt"][None].expand(len(windows), -1)
        rows = GenerationMixin.generate(model, input_features=windows.to(model.dtype), decoder_input_ids=prompt, do_sample=False, num_beams=1,
                                        max_length=model.config.max_target_positions).tolist()
        skipped = prompt.shape[1]
        return [row[:row.index(end, skipped) + 1] if end in row[skipped:] else row for row in rows]

    return transcribe


def faster_whisper(directory, given, precision):
    import ctranslate2

    assert precision == "fp32"
    model = ctranslate2.models.Whisper(directory, device="cpu", compute_type="float32", intra_threads=int(sys.argv[6]))
    prompt = given["prompt"].tolist()
    end = 50256 if prompt[0] == 50257 else 50257

    def transcribe(windows):
        encoded = model.encode(ctranslate2.StorageView.from_array(windows.numpy()))
        results = model.generate(encoded, [prompt] * len(windows), beam_size=1, max_length=448, suppress_blank=False, suppress_tokens=[])
        return [prompt + result.sequences_ids[0] + [end] for result in results]

    return transcribe


if sys.argv[1] == "features":
    features(*sys.argv[2:])
else:
    kind, model, path, precision, together, threads, rounds = sys.argv[1:]
    torch.set_num_threads(int(threads))
    given, together, seconds, cpu_seconds = load_file(path), int(together), [], []
    transcribe = {"transformers": transformers, "faster-whisper": faster_whisper}[kind](model, given, precision)
    with torch.inference_mode():
        transcribe(given["features"][:together])
        for _ in range(int(rounds)):
            begun, cpu_begun, tokens = time.perf_counter(), time.process_time(), []
            for windows in given["features"].split(together):
                tokens += transcribe(windows.contiguous())
            seconds.append(time.perf_counter() - begun)
            cpu_seconds.append(time.process_time() - cpu_begun)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "tokens": tokens}))
