"""Schedules by transformers, and 50 steps of torch's AdamW with clipping."""
import json, sys

import torch
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

schedules = []
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
        schedules.append({"name": name, "total": total, "warmup": warmup, "factors": factors})

# ULMFiT, section 3.2: cut = floor(T * cut_frac); p = t / cut before it, then 1 - (t - cut) / (cut * (1 / cut_frac - 1))
total, cut_frac, ratio = 50, 0.1, 32
cut = int(total * cut_frac)
slanted = []
for t in range(total):
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
    slanted.append((1 + p * (ratio - 1)) / ratio)
schedules.append({"name": "slanted_triangular", "total": total, "warmup": 0, "factors": slanted})

torch.manual_seed(0)
decayed, plain = torch.randn(70, 3, requires_grad=True), torch.randn(5, requires_grad=True)
start = [decayed.flatten().tolist(), plain.tolist()]
optimizer = torch.optim.AdamW([{"params": [decayed], "weight_decay": 0.1}, {"params": [plain], "weight_decay": 0.0}], lr=1e-2, betas=(0.8, 0.95), eps=1e-6)
steps = []
for step in range(50):
    gradients = [torch.randn_like(p) * (10 if step % 7 == 0 else 0.1) for p in (decayed, plain)]
    for p, g in zip((decayed, plain), gradients):
        p.grad = g.clone()
    norm = torch.nn.utils.clip_grad_norm_([decayed, plain], 1.0)
    optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 1e-2 / (1 + step)
    optimizer.step()
    steps.append({"gradients": [g.flatten().tolist() for g in gradients], "norm": norm.item(), "lr": 1e-2 / (1 + step),
                  "values": [decayed.flatten().tolist(), plain.tolist()]})
json.dump({"schedules": schedules, "adamw": {"start": start, "steps": steps}}, open(sys.argv[1], "w"))
