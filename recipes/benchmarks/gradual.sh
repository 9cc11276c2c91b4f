#!/usr/bin/env bash
# Gradual unfreezing, head, then the top 2 layers with it, then all: seconds in training steps to the end of the schedule.
# Ours in one run, the peer's Trainer once a phase on the same model, in turn for three seeds; medians. The accuracy on the
# test rows, mean of the seeds, stands beside it in `accuracy`.
#   THAW_EPOCHS='1 1 1'  of each phase
#   THAW_BEST=1          the peer at its best: one process of two threads, rows grouped by length
#   THAW_ROWS=2000       so many of the training rows; all of them by default
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
read -r head top all <<<"${THAW_EPOCHS:-1 1 1}"
some_reviews "${THAW_ROWS:-1000000}"
test=build/data/reviews/test.tsv
recipe "$out/recipe.yaml" <<END
precision: bf16
data: {train: $out/rows.tsv, eval: {test: $test}, max_length: 128, cache_dir: $out/cache}
thaw:
  phases:
    - {trainable: [head], until: {epochs: $head}, lr: 1.0e-03, schedule: restart, moments: fresh}
    - {trainable: [head, top 2], until: {epochs: $top}, lr: 5.0e-05, schedule: restart, moments: fresh}
    - {trainable: all, until: {epochs: $all}, lr: 5.0e-05, schedule: restart, moments: fresh}
END
learning=bert.pooler,classifier
setting=(--bf16 --rows 16)
[ -z "${THAW_BEST:-}" ] || { peer_ranks=1 && setting=(--bf16 --rows 32 --threads 2 --group-by-length); }
for seed in 1 2 3; do
  ours "$seed" "$out/recipe.yaml" "seed=$seed"
  peer "$seed" "${setting[@]}" --train "$out/rows.tsv" --eval "$test" --seed "$seed" --phase "$head@1e-3:$learning" \
    --phase "$top@5e-5:$learning,bert.encoder.layer.4,bert.encoder.layer.5" --phase "$all@5e-5:"
done
compare accuracy "accuracy on held-out reviews" mean "metrics['test/accuracy'] if 'metrics' in locals() else value"
compare gradual "seconds in training steps" median train_s
