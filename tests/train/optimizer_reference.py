"""50 steps of torch's AdamW with clipping."""
import json, sys

import torch

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
json.dump({"start": start, "steps": steps}, open(sys.argv[1], "w"))
