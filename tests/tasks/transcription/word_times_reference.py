"""openai-whisper's timing.py on random values: median filter, time warping, punctuation, and words put into segments."""
import copy, json, random, sys
from unittest import mock

import numpy as np
import torch
import whisper.timing as timing

rng = random.Random(3)
APPENDED, PREPENDED = "\"'.。,，!！?？:：”)]}、", "\"'“¿([{-"
WORDS = [" the", " cat", " sat", ".", ",", " “", "”", " (", ")", "!", " \"", "\"", " -", "你", "。", " ", "-", " été"]


def filtered(shape, width):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + width))
    return {"shape": shape, "width": width, "values": x.flatten().tolist(), "filtered": timing.median_filter(x, width).flatten().tolist()}


def warped(rows, columns, whole):
    x = np.random.RandomState(rows * columns).randn(rows, columns)
    x = np.round(x) if whole else x  # whole numbers: ties
    path = timing.dtw_cpu(x)
    return {"rows": rows, "columns": columns, "costs": x.flatten().tolist(), "path": path.tolist()}


def alignment(n):
    words, at, token = [], 0.0, 0
    for _ in range(n):
        tokens = list(range(token, token + rng.choice([1, 1, 1, 2, 3])))
        token += len(tokens)
        length = rng.choice([0, 0.02, 0.1, 0.2, 0.3, 0.5, 0.9, 1.5, 4.0])
        words.append(timing.WordTiming(rng.choice(WORDS), tokens, at, at + length, rng.random()))
        at += length + rng.choice([0, 0, 0, 0.6, 3.0])
    return words


def plain(words):
    return [{"word": w.word, "tokens": w.tokens, "start": w.start, "end": w.end, "probability": w.probability} for w in words]


def merged():
    words = alignment(rng.randrange(1, 14))
    before = plain(words)
    timing.merge_punctuations(words, PREPENDED, APPENDED)
    return {"before": before, "after": plain(words)}


class Text:
    eot, sot_sequence = 1000, ()


def placed():
    """The words of an alignment shared out among segments."""
    words = alignment(rng.randrange(0, 20))
    tokens, segments, seek = [t for w in words for t in w.tokens], [], rng.randrange(0, 9000)
    while tokens or not segments:
        n = rng.randrange(0, 9) or 1
        start = seek / 100 + rng.random() * 6
        segments.append({"seek": seek, "start": start, "end": start + rng.random() * 5, "tokens": [1500] + tokens[:n] + [1600]})
        tokens = tokens[n:]
    last = seek / 100 - rng.choice([0, 0.5, 3.0])
    case = {"segments": copy.deepcopy(segments), "alignment": plain(words), "last_speech": last}
    with mock.patch.object(timing, "find_alignment", lambda *args, **kwargs: words):
        timing.add_word_timestamps(segments=segments, model=None, tokenizer=Text, mel=None, num_frames=3000, last_speech_timestamp=last)
    return {**case, "result": segments}


json.dump({"median": [filtered(s, w) for s in ([9], [3, 20], [2, 3, 40], [2, 3, 3], [1, 4]) for w in (1, 3, 7)],
           "warping": [warped(r, c, whole) for r, c in ((1, 1), (1, 9), (9, 1), (5, 5), (7, 60), (40, 30)) for whole in (False, True)],
           "merged": [merged() for _ in range(500)], "placed": [placed() for _ in range(1000)]}, open(sys.argv[1], "w"))
