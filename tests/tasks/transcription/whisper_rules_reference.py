"""Masks of openai-whisper's logit filters and of transformers' processors, on thousands of random sequences and logits."""
import json, random, sys, types

import numpy as np
import torch
from transformers import GenerationConfig
from transformers.generation.logits_process import (SuppressTokensAtBeginLogitsProcessor, SuppressTokensLogitsProcessor,
                                                    WhisperTimeStampLogitsProcessor)
from whisper.decoding import ApplyTimestampRules, SuppressBlank, SuppressTokens

from fake_whisper import noise

EOT, NO_TIMESTAMPS, T0, N = 40, 49, 50, 110
BLANK, SUPPRESS = [7], [3, 9, 41, 44]
rng = random.Random(5)
tokenizer = types.SimpleNamespace(no_timestamps=NO_TIMESTAMPS, timestamp_begin=T0, eot=EOT, encode=lambda text: BLANK)


def sequence():
    """Mostly as the rules would have it; sometimes anything."""
    if rng.random() < 0.2:
        return [rng.choice([rng.randrange(EOT), rng.randrange(T0, N)]) for _ in range(rng.randrange(1, 8))]
    tokens, at = [], 0
    for _ in range(rng.randrange(4)):
        at = min(at + rng.randrange(12), N - T0 - 1)
        tokens.append(T0 + at)
        tokens += [rng.randrange(EOT) for _ in range(rng.randrange(4))]
        if rng.random() < 0.7:
            at = min(at + 1 + rng.randrange(12), N - T0 - 1)
            tokens.append(T0 + at)
    return tokens


def logits_of(seed, lift):
    logits = (noise(seed, N) * 8).astype(np.float32)
    logits[T0:] += np.float32(lift)
    return torch.tensor(logits)[None]


def mask(logits):
    bits = torch.isneginf(logits[0]).tolist()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):x}"


def openai(tokens, logits, limit, timestamps):
    logits, tokens = logits.clone(), torch.tensor([[0] + tokens])
    filters = [SuppressBlank(tokenizer, 1), SuppressTokens(SUPPRESS)] + ([ApplyTimestampRules(tokenizer, 1, limit)] if timestamps else [])
    for one in filters:
        one.apply(logits, tokens)
    return mask(logits)


def transformers(tokens, logits, limit, timestamps):
    config = GenerationConfig(eos_token_id=EOT, no_timestamps_token_id=NO_TIMESTAMPS, max_initial_timestamp_index=limit)
    processors = [SuppressTokensLogitsProcessor(SUPPRESS), SuppressTokensAtBeginLogitsProcessor(BLANK + [EOT], 1)]
    if timestamps:
        processors.append(WhisperTimeStampLogitsProcessor(config, begin_index=1))
    ids = torch.tensor([[0] + tokens])
    for one in processors:
        logits = one(ids, logits)
    return mask(logits)


cases = []
for seed in range(6000):
    tokens = [] if seed % 10 == 0 else sequence()
    lift, limit, timestamps = rng.randrange(-48, 17) / 8, rng.choice([None, 5, 58, 59, 70]), rng.random() < 0.95
    logits = logits_of(seed, lift)
    case = {"seed": seed, "tokens": tokens, "lift": lift, "limit": limit, "timestamps": timestamps,
            "openai": openai(tokens, logits, limit, timestamps), "transformers": transformers(tokens, logits, limit, timestamps)}
    cases.append(case)
json.dump({"eot": EOT, "no_timestamps": NO_TIMESTAMPS, "first_timestamp": T0, "size": N, "blank": BLANK, "suppress": SUPPRESS, "cases": cases},
          open(sys.argv[1], "w"))
