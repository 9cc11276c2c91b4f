"""openai-whisper's DecodingTask over the fake model: tokens and scores of many windows under many options."""
import json, sys

import torch
from whisper.decoding import DecodingOptions, DecodingTask

from fake_whisper import SAMPLER, FakeModel, random_key, recording

WINDOWS = 24
mels = torch.stack([recording(i, 3000) for i in range(WINDOWS)])
prompt, prefix = [256 + i % 30 for i in range(50)], [260, 258, 262]
CASES = [
    {}, {"language": None}, {"language": "zh", "task": "translate"}, {"multilingual": False},
    {"beam_size": 5}, {"beam_size": 3, "patience": 2.0}, {"beam_size": 4, "patience": 0.5}, {"beam_size": 5, "length_penalty": 0.6},
    {"beam_size": 1}, {"beam_size": 4, "language": None, "prompt": prompt[:7]}, {"beam_size": 5, "without_timestamps": True},
    {"temperature": 0.4}, {"temperature": 1.0, "best_of": 5}, {"temperature": 0.7, "best_of": 3, "length_penalty": 1.0},
    {"prompt": prompt}, {"prompt": prompt[:3], "prefix": prefix}, {"prefix": prefix * 9, "sample_len": 20, "beam_size": 2},
    {"prompt": prompt, "prefix": prefix * 5}, {"without_timestamps": True}, {"max_initial_timestamp": None},
    {"max_initial_timestamp": 0.1}, {"suppress_blank": False, "without_timestamps": True, "beam_size": 3},
    {"suppress_tokens": [256, 257, 258, 259], "suppress_list": True}, {"sample_len": 5},
]


def decode(case):
    given = {key: value for key, value in case.items() if key not in ("multilingual", "suppress_list")}
    options = DecodingOptions(**{"language": "en", "fp16": False, **given})
    task = DecodingTask(FakeModel(case.get("multilingual", True)), options)
    samples = options.best_of or 1
    # openai-whisper decodes several windows at once, but not several samples or beams of several windows
    groups = [range(WINDOWS)] if samples == 1 and options.beam_size is None else [[i] for i in range(WINDOWS)]
    results = []
    for group in groups:
        SAMPLER.begin([random_key(9, i) for i in group], samples)
        results += task.run(mels[list(group)])
    return [{"tokens": r.tokens, "text": r.text, "language": r.language, "avg_logprob": r.avg_logprob, "no_speech_prob": r.no_speech_prob,
             "compression_ratio": r.compression_ratio, "temperature": r.temperature} for r in results]


json.dump({"cases": [{"options": case, "results": decode(case)} for case in CASES]}, open(sys.argv[1], "w"))
