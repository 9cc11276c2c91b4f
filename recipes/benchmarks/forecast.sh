#!/usr/bin/env bash
# What `thaw plan` says against what a run then takes, phase by phase, for three recipes on two ranks: gradual unfreezing in
# bf16, full fine-tuning in fp32, and LP-FT's phases without kept activations. Time is that of the whole loop with its
# evaluations, memory the most that rank 0 held in a phase. `ratio` is the one of all ratios measured / predicted that is
# furthest from 1.
# The first recipe's phases stand in a second table: a step of each against a step that learns everything.
#   THAW_ROWS=2000   so many of the movie reviews
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
some_reviews "${THAW_ROWS:-2000}"

data="data: {train: $out/rows.tsv, eval: {dev: build/data/reviews/dev.tsv}, max_length: 128, cache_dir: $out/cache}"
recipe "$out/gradual.yaml" <<END
$data
optimizer: {lr: 5.0e-05}
precision: bf16
thaw:
  layer_decay: {convention: beit, decay: 0.9}
  phases:
    - {trainable: head, until: {epochs: 2}, lr: 1.0e-03}
    - {trainable: [head, top 2], until: {epochs: 2}}
    - {trainable: all, until: {epochs: 2}}
END
recipe "$out/full.yaml" <<END
$data
optimizer: {lr: 5.0e-05}
precision: fp32
epochs: 1
END
recipe "$out/lp_ft.yaml" <<END
$data
optimizer: {lr: 5.0e-05}
precision: bf16
cache: {activations: off}
thaw:
  phases:
    - {trainable: head, until: {epochs: 2}, lr: 1.0e-03}
    - {trainable: all, until: {epochs: 1}, moments: fresh, restore_best: true}
END
for name in gradual full lp_ft; do
  mpirun -n "$ranks" "$thaw" plan "$out/$name.yaml" --json >"$out/$name.plan.json"
  logged "$name" mpirun -n "$ranks" "$thaw" train "$out/$name.yaml" "output_dir=$out/$name"
done
"$python" - "$out" "$(hardware_of)" "$(commit_of)" <<'END'
import json, sys

out, hardware, commit = sys.argv[1:]
worst = (1.0, "", 0, 0)

def compare(what, predicted, measured, unit):
    global worst
    ratio = measured / predicted
    if max(ratio, 1 / ratio) > max(worst[0], 1 / worst[0]):
        worst = (ratio, what, measured, predicted)
    print(f"{what:38} predicted {predicted:8.1f} {unit}, measured {measured:8.1f} {unit}, {ratio:.2f}")

for name in ("gradual", "full", "lp_ft"):
    plan, result = (json.load(open(f"{out}/{name}{end}")) for end in (".plan.json", "/result.json"))
    compare(f"{name}, time", plan["time_s"], result["wall_s"], "s")
    for i, (before, after) in enumerate(zip(plan["phases"], result["phases"]), 1):
        compare(f"{name}, memory of phase {i}", before["peak_memory_bytes"] / 1e6, after["peak_memory_bytes"] / 1e6, "MB")

print(f'\n{"phase":16}{"step":>10}{"memory":>12}{"network":>12}   of a step that learns everything')
phases = json.load(open(f"{out}/gradual/result.json"))["phases"]
per_step = [(p["train_s"] / p["steps"], p["peak_memory_bytes"], p["comm_bytes"] / p["steps"]) for p in phases]
for phase, (seconds, memory, network) in zip(phases, per_step):
    shares = " / ".join(f"{100 * a / b:.0f} %" for a, b in zip((seconds, memory, network), per_step[-1]))
    print(f'{" ".join(phase["trainable"]):16}{1000 * seconds:7.0f} ms{memory / 1e6:9.0f} MB{network / 1e6:9.1f} MB   {shares}')
print(json.dumps({"name": "forecast", "ours": round(worst[2], 1), "peer": round(worst[3], 1), "ratio": round(worst[0], 3),
                  "unit": "measured / predicted, the worst: " + worst[1], "hardware": hardware, "commit": commit}))
END
