#!/usr/bin/env bash
# What `reproducible: true` costs: MiniLM in bf16 on movie reviews, two ranks, the same recipe with and without it in turn, at 1, 2, 4
# and 8 grains a rank. The line printed last is that of 2 grains; every line's ratio is with / without, in seconds of training.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
reviews_recipe "${THAW_ROWS:-1500}" 1

for grain in 16 4 2 8; do
  with_and_without reproducible "$out/recipe.yaml" batch.grain="$grain"
  compare "reproducible, $((32 / grain / ranks)) grains a rank" "s of training" median train_s
done
