#!/usr/bin/env bash
# What `reproducible: true` costs: MiniLM in bf16 on movie reviews, two ranks, the same recipe with and without it in turn, at 1, 2, 4
# and 8 grains a rank. The line printed last is that of 2 grains; every line's ratio is with / without, in seconds of training.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
some_reviews "${THAW_ROWS:-1500}"
recipe "$out/recipe.yaml" <<END
precision: bf16
epochs: 1
data: {train: $out/rows.tsv, max_length: 256}
optimizer: {lr: 5.0e-5}
END

# once GRAIN REPRODUCIBLE: seconds of training
once() {
  rm -rf "$out/run"
  logged train mpirun -n "$ranks" "$thaw" train "$out/recipe.yaml" output_dir="$out/run" batch.grain="$1" reproducible="$2"
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["train_s"])' "$out/run/result.json"
}

for grain in 16 4 2 8; do
  with=() without=()
  for _ in 1 2 3; do
    without+=("$(once "$grain" false)")
    with+=("$(once "$grain" true)")
  done
  "$python" -c '
import json, statistics, sys
grain, ranks, hardware, commit, *seconds = sys.argv[1:]
seconds = [float(s) for s in seconds]
ours, peer = statistics.median(seconds[:3]), statistics.median(seconds[3:])
print(json.dumps({"name": "reproducible", "grains_a_rank": 32 // int(grain) // int(ranks), "ours": round(ours, 2), "peer": round(peer, 2),
                  "ratio": round(ours / peer, 3), "unit": "s", "hardware": hardware, "commit": commit}))
' "$grain" "$ranks" "$(hardware_of)" "$(commit_of)" "${with[@]}" "${without[@]}"
done
