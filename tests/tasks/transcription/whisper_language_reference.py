"""openai-whisper's detect_language over the fake model, and its compression ratio of some texts."""
import json, sys

import torch
from whisper.decoding import detect_language
from whisper.utils import compression_ratio

from fake_whisper import CODES, FakeModel, recording

languages, probabilities = detect_language(FakeModel(), torch.stack([recording(i, 3000) for i in range(24)]))
texts = ["", "a", "a cat sat on the mat", "la " * 60, "été 你好。" * 9]
json.dump({"languages": [{"token": int(token), "probabilities": [p[code] for code in CODES]} for token, p in zip(languages, probabilities)],
           "ratios": [[text, compression_ratio(text)] for text in texts]}, open(sys.argv[1], "w"))
