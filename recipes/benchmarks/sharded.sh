#!/usr/bin/env bash
# What `optimizer.sharded: true` costs and saves: MiniLM in bf16 on movie reviews, everything learning, with and without it in turn.
#   THAW_RANKS=2   how many ranks
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=${THAW_RANKS:-2}
reviews_recipe "${THAW_ROWS:-1500}" 1
with_and_without optimizer.sharded "$out/recipe.yaml" batch.grain=$((32 / ranks))
compare sharded_memory "bytes, peak of the first rank" median 'phases[0]["peak_memory_bytes"]'
compare sharded "s of training" median train_s
