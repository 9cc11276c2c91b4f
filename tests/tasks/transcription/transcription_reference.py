"""openai-whisper's transcribe() over the fake model, for recordings of several lengths and many options."""
import json, sys, warnings

import torch
from whisper.transcribe import transcribe

from fake_whisper import SAMPLER, FakeModel, make_tokenizer, recording

warnings.filterwarnings("ignore")
PROMPT = "the cat sat on a mat, it was late."
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
WORDS = {"word_timestamps": True}
CASES = [
    (0, 9500, {}), (1, 500, {}), (2, 3000, {}), (3, 3001, {}), (4, 15000, {}), (5, 0, {}),
    (6, 9000, {"language": None}), (7, 9000, {"language": None, "task": "translate"}), (8, 9000, {"multilingual": False}),
    (9, 9000, {"condition_on_previous_text": False}), (10, 9000, {"initial_prompt": PROMPT}),
    (11, 9000, {"initial_prompt": PROMPT, "carry_initial_prompt": True}),
    (12, 9000, {"initial_prompt": PROMPT * 3, "carry_initial_prompt": True}),
    (13, 9000, {"clip_timestamps": [2.0, 10.5, 40.25, 75.0]}), (14, 9000, {"clip_timestamps": [31.0]}),
    (15, 9000, {"beam_size": 3, "patience": 2.0, "best_of": 2}), (16, 9000, {"temperature": 0.0}),
    (17, 9000, {"temperature": [0.0, 0.5]}), (18, 9000, {"compression_ratio_threshold": None}),
    (19, 9000, {"logprob_threshold": None}), (20, 9000, {"no_speech_threshold": None}), (21, 9000, {"without_timestamps": True}),
    (22, 9000, WORDS), (23, 15000, WORDS), (24, 9000, {**WORDS, "language": "zh"}), (25, 9000, {**WORDS, "multilingual": False}),
    (26, 9000, {**WORDS, "without_timestamps": True}), (27, 2500, WORDS),
    *[(30 + i, 6000 + 300 * i, {**WORDS, "hallucination_silence_threshold": [0.2, 0.5, 1.0, 2.0, 4.0][i % 5],
                                 "logprob_threshold": None if i % 2 else -1.0}) for i in range(20)],
]


def run(number, frames, options):
    given = {"language": "en", "fp16": False, **options}
    multilingual = given.pop("multilingual", True)
    temperatures = given.get("temperature", TEMPERATURES)
    SAMPLER.seed, SAMPLER.temperatures = 17, [temperatures] if isinstance(temperatures, float) else list(temperatures)
    result = transcribe(FakeModel(multilingual), recording(number, frames), **given)
    tokens = make_tokenizer(multilingual, "en", "transcribe").encode(" " + options["initial_prompt"].strip()) if "initial_prompt" in options else []
    return {"number": number, "frames": frames, "options": options, "prompt": tokens, "result": result}


if __name__ == "__main__":
    json.dump({"cases": [run(*case) for case in CASES]}, open(sys.argv[1], "w"))
