#!/usr/bin/env bash
# Seconds from mpirun, or torchrun, to the first training step: the quickstart's recipe on two ranks, with its rows sharded
# and all files read before (a first run of each, not counted). Ours and Hugging Face's Trainer in turn, five times; medians.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

recipes/data/reviews.sh
# As many rows as the quickstart trains on, which the peer tokenizes at each start; few steps.
for number in 0 1 2 3 4 5; do
  ours "$number" recipes/quickstart.yaml steps=4 data.eval=null evaluate.metric=null "data.cache_dir=$out/cache"
  peer "$number" --bf16 --rows 16 --epochs 0.015 --train build/data/reviews/train.tsv --eval build/data/reviews/dev.tsv
done
rm "$out"/ours-0.json "$out"/peer-0.json
compare startup "seconds from launch to the first step" median "first_step_at - launched_at"
