#!/usr/bin/env bash
# How long training stands still for checkpoints: MiniLM in bf16, everything learning, two ranks, one every 30 s; `ratio` is the
# stall's share of the time between two. `resumed_s`: of a run that was killed, from mpirun's start to the end of its next step.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
reviews_recipe 8500 "${THAW_EPOCHS:-2}"
train() { mpirun -n "$ranks" "$thaw" train "$out/recipe.yaml" output_dir="$out/$1" "${@:2}"; }

logged stalls train stalls checkpoint.every_steps=1000000 checkpoint.every_minutes=0.5

resumed=()
for number in 1 2 3; do
  train "killed$number" checkpoint.every_steps=5 >"$out/killed.log" 2>&1 &
  job=$!
  until [ -e "$out/killed$number/checkpoints/latest" ]; do sleep 0.05; done
  pkill -KILL -f "output_dir=$out/killed$number" || true
  wait "$job" || true
  start=$(date +%s.%N)
  train "killed$number" checkpoint.every_steps=5 max_time=0.001s >"$out/resumed.log" 2>&1 || [ $? -eq 75 ]
  resumed+=("$(awk -v a="$start" -v b="$(stat -c %.9Y "$out/killed$number/log.jsonl")" 'BEGIN {print b - a}')")
done

"$python" -c '
import json, statistics, sys
result, hardware, commit, *resumed = sys.argv[1:]
run = json.load(open(result))
print(json.dumps({"name": "saving", "ours": round(run["saving_s"] / run["saves"], 4), "peer": 30, "unit": "s",
                  "ratio": round(run["saving_s"] / run["saves"] / 30, 5), "saves": run["saves"], "rows_per_s": round(run["rows_per_s"], 1),
                  "resumed_s": round(statistics.median(float(r) for r in resumed), 2), "hardware": hardware, "commit": commit}))
' "$out/stalls/result.json" "$(hardware_of)" "$(commit_of)" "${resumed[@]}"
