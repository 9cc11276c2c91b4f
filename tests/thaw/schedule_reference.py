"""Factors of learning-rate schedules, a list of {name, total, warmup, options, factors}: constant, linear and cosine by
transformers; the others written down from the papers and their code."""
import json, math, sys

import torch
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

cases = []


def case(name, total, factors, warmup=0, **options):
    cases.append({"name": name, "total": total, "warmup": warmup, "options": options, "factors": factors})


for total, warmup in ((10, 0), (100, 10), (37, 5), (3, 3)):
    for name, make in (("constant", lambda o: get_constant_schedule_with_warmup(o, warmup)),
                       ("linear", lambda o: get_linear_schedule_with_warmup(o, warmup, total)),
                       ("cosine", lambda o: get_cosine_schedule_with_warmup(o, warmup, total))):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = make(optimizer)
        factors = []
        for _ in range(total):
            factors.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        case(name, total, factors, warmup)

# ULMFiT, section 3.2: cut = floor(T * cut_frac); p = t / cut before it, then 1 - (t - cut) / (cut * (1 / cut_frac - 1))
for total, cut_frac, ratio in ((50, 0.1, 32), (40, 0.25, 8)):
    cut = int(total * cut_frac)
    ps = [t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1)) for t in range(total)]
    case("slanted_triangular", total, [(1 + p * (ratio - 1)) / ratio for p in ps], cut_frac=cut_frac, ratio=ratio)


# fastai's callback/schedule.py: combined_cos is two SchedCos, combine_scheds picks one by the share of the training done
def sched_cos(start, end):
    return lambda pos: start + (1 + math.cos(math.pi * (1 - pos))) * (end - start) / 2


for total, pct, div, div_final in ((40, 0.25, 25.0, 1e5), (37, 0.3, 5.0, 1e5), (8, 0.99, 25.0, 1e5), (1, 0.25, 25.0, 1e3), (10, 0.5, 10.0, 1e4)):
    edges, scheds = [0, pct, 1], [sched_cos(1 / div, 1), sched_cos(1, 1 / div_final)]
    factors = []
    for pos in (t / total for t in range(total)):
        i = max(k for k in (0, 1) if pos >= edges[k])
        factors.append(scheds[i]((pos - edges[i]) / (edges[i + 1] - edges[i])))
    case("one_cycle", total, factors, pct_start=pct, div=div, div_final=div_final)

# fairseq's optim/lr_scheduler/tri_stage_lr_scheduler.py with phase_ratio, at a peak of 1
for total, ratios, initial, final in ((100, (0.1, 0.4, 0.5), 0.01, 0.05), (37, (0.1, 0.4, 0.5), 0.01, 0.05), (20, (0.0, 0.5, 0.5), 0.01, 0.1),
                                      (10, (0.1, 0.8, 0.1), 0.1, 0.05), (100, (0.29, 0.28, 0.43), 0.0, 0.5)):
    warmup_steps, hold_steps, decay_steps = (int(total * ratio) for ratio in ratios)
    warmup_rate = (1 - initial) / warmup_steps if warmup_steps != 0 else 0
    decay_factor = -math.log(final) / decay_steps
    factors = []
    for update in range(total):
        if update < warmup_steps:
            factors.append(initial + warmup_rate * update)
        elif update < warmup_steps + hold_steps:
            factors.append(1.0)
        elif update <= warmup_steps + hold_steps + decay_steps:
            factors.append(math.exp(-decay_factor * (update - warmup_steps - hold_steps)))
        else:
            factors.append(final)
    case("tri_stage", total, factors, warmup_part=ratios[0], hold_part=ratios[1], initial_scale=initial, final_scale=final)

json.dump(cases, open(sys.argv[1], "w"))
