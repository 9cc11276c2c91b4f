"""CTC as torch computes it, and as slow programs and enumeration of every path do: ctc_reference.py OUTPUT"""
import itertools
import json
import math
import random
import sys
from collections import defaultdict

import torch
from torchaudio.functional import forced_align

torch.manual_seed(4)
generator = random.Random(4)


def losses():
    """Packed rows: some have fewer frames than they need, some no labels, one more frames than a table of 32."""
    for dtype in ("float32", "bfloat16"):
        for zero_infinity in (False, True):
            for trial in range(4):
                vocabulary, blank = 5 + trial * 7, trial % 3
                frames = [generator.randrange(1, 40) for _ in range(6)] + ([3] if zero_infinity else [])
                labels = [generator.randrange(0, max(1, f // 2)) for f in frames]
                if zero_infinity:
                    labels[-1] = 9
                others = [i for i in range(vocabulary) if i != blank]
                ids = [[generator.choice(others) for _ in range(n)] for n in labels]
                if not zero_infinity:  # no impossible rows: neighbours differ, or there is room
                    ids = [row if len(row) + sum(a == b for a, b in zip(row, row[1:])) <= f else row[:1] for row, f in zip(ids, frames)]
                weights = torch.rand(len(frames))
                packed = (torch.randn(sum(frames) + 5, vocabulary) * 2).to(getattr(torch, dtype)).requires_grad_()
                rows = packed[:sum(frames)].split(frames)
                log_probs = torch.nn.utils.rnn.pad_sequence([row.float().log_softmax(-1) for row in rows])
                by_row = torch.nn.functional.ctc_loss(log_probs, torch.tensor(sum(ids, []), dtype=torch.long), frames, [len(row) for row in ids], blank=blank,
                                                      reduction="none", zero_infinity=zero_infinity)
                whole = torch.nn.functional.ctc_loss(log_probs, torch.tensor(sum(ids, []), dtype=torch.long), frames, [len(row) for row in ids], blank=blank,
                                                     reduction="sum", zero_infinity=zero_infinity)
                (by_row * weights).sum().backward()
                yield {"dtype": dtype, "zero_infinity": zero_infinity, "blank": blank, "logits": packed.tolist(), "frames": frames, "ids": ids,
                       "weights": weights.tolist(), "by_row": by_row.tolist(), "sum": whole.item(), "weighted": (by_row * weights).sum().item(),
                       "gradient": packed.grad.float().tolist()}


def collapse(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def log_add(*values):
    largest = max(values)
    return largest if largest == -math.inf else largest + math.log(sum(math.exp(v - largest) for v in values))


def every_path(log_probs, blank):
    """What every path adds to its labelling, and each labelling's best path."""
    frames, vocabulary = len(log_probs), len(log_probs[0])
    sums, best = defaultdict(list), {}
    for path in itertools.product(range(vocabulary), repeat=frames):
        score = sum(log_probs[t][label] for t, label in enumerate(path))
        labels = collapse(path, blank)
        sums[labels].append(score)
        if labels not in best or score > best[labels][0]:
            best[labels] = (score, path)
    return {labels: log_add(*scores) for labels, scores in sums.items()}, best


def prefix_beam_search(log_probs, blank, width):
    """Hannun et al., 2014, algorithm 1, without a language model; prefixes are tuples, all of the beam at once."""
    ends_blank, ends_label = {(): 0.0}, {(): -math.inf}
    for frame in log_probs:
        new_blank, new_label = defaultdict(lambda: -math.inf), defaultdict(lambda: -math.inf)
        for prefix in ends_blank:
            total = log_add(ends_blank[prefix], ends_label[prefix])
            for label, value in enumerate(frame):
                if label == blank:
                    new_blank[prefix] = log_add(new_blank[prefix], total + value)
                elif prefix and label == prefix[-1]:
                    new_label[prefix] = log_add(new_label[prefix], ends_label[prefix] + value)
                    new_label[prefix + (label,)] = log_add(new_label[prefix + (label,)], ends_blank[prefix] + value)
                else:
                    new_label[prefix + (label,)] = log_add(new_label[prefix + (label,)], total + value)
        scores = {prefix: log_add(new_blank[prefix], new_label[prefix]) for prefix in {*new_blank, *new_label}}
        kept = sorted((p for p in scores if scores[p] > -math.inf), key=lambda prefix: (-scores[prefix], prefix))[:width]
        ends_blank, ends_label = {p: new_blank[p] for p in kept}, {p: new_label[p] for p in kept}
    return [[list(prefix), log_add(ends_blank[prefix], ends_label[prefix])] for prefix in ends_blank]


def posteriors(frames, vocabulary, sharpness):
    return (torch.randn(frames, vocabulary) * sharpness).log_softmax(-1)


def paths_of(path, labels, blank):
    """The place of its label in each frame, −1 for blanks."""
    places, place, before = [], -1, blank
    for label in path:
        place += label != blank and label != before
        places.append(-1 if label == blank else place)
        before = label
    assert place == len(labels) - 1
    return places


def gop(log_probs, labels, places, blank):
    scores = []
    for i in range(len(labels)):
        frames = [t for t, place in enumerate(places) if place == i]
        scores.append(100 * math.exp(sum(log_probs[t][labels[i]] - max(log_probs[t]) for t in frames) / len(frames)))
    return scores


def small():
    for trial in range(60):
        frames, vocabulary = generator.choice(((1, 3), (3, 4), (4, 4), (5, 3), (6, 3), (6, 4), (7, 3)))
        blank = trial % vocabulary
        values = posteriors(frames, vocabulary, generator.choice((0.5, 2.0)))
        rows = values.tolist()
        sums, best = every_path(rows, blank)
        alignments = []
        for labels in generator.sample(sorted(sums), min(len(sums), 12)):
            score, path = best[labels]
            places = paths_of(path, labels, blank)
            alignments.append({"ids": labels, "score": score, "path": places, "gop": gop(rows, labels, places, blank)})
        yield {"log_probs": rows, "blank": blank, "labellings": [[list(l), s] for l, s in sorted(sums.items(), key=lambda item: (-item[1], item[0]))],
               "alignments": alignments, "beams": {str(width): prefix_beam_search(rows, blank, width) for width in (1, 2, 3, 5, 100000)}}


def long_beams():
    for trial in range(6):
        values = posteriors(60, 12, (1.0, 3.0)[trial % 2])
        yield {"log_probs": values.tolist(), "blank": 0, "width": (4, 16, 40)[trial % 3],
               "beam": prefix_beam_search(values.tolist(), 0, (4, 16, 40)[trial % 3])}


def long_alignments():
    for trial in range(40):
        frames, vocabulary = generator.randrange(30, 200), generator.randrange(4, 40)
        ids = [generator.randrange(1, vocabulary) for _ in range(generator.randrange(1, frames // 3))]
        values = posteriors(frames, vocabulary, 3.0)
        path, scores = forced_align(values[None], torch.tensor([ids]), blank=0)
        yield {"log_probs": values.tolist(), "ids": ids, "path": path[0].tolist(), "scores": scores[0].tolist()}


json.dump({"losses": list(losses()), "small": list(small()), "beams": list(long_beams()), "alignments": list(long_alignments())}, open(sys.argv[1], "w"))
