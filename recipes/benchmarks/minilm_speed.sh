#!/usr/bin/env bash
# Rows a second of the training loop: MiniLM on two ranks, bf16, 32 rows a step (16 a rank), at most 128 tokens a row.
# Ours and Hugging Face's Trainer in turn, three times each; medians.
#   THAW_DATA=FILE.tsv   other rows than the movie reviews: columns `text` and `label`, or without a header text and label
#   THAW_ROWS=640        how many of them
set -euo pipefail
[ -z "${THAW_DATA:-}" ] || THAW_DATA=$(realpath "$THAW_DATA")
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ -z "${THAW_DATA:-}" ]; then
  recipes/data/reviews.sh
  THAW_DATA=build/data/reviews/train.tsv
fi
# Both sides read the same rows; a file sorted by label still gives both labels.
"$python" - "$THAW_DATA" "$out/rows.tsv" "${THAW_ROWS:-640}" <<'END'
import random, sys

source, target, count = sys.argv[1:]
lines = open(source, encoding="utf-8", newline="").read().splitlines()
columns = lines[0].split("\t")
if "text" in columns and "label" in columns:
    lines = ["\t".join((row[columns.index("text")], row[columns.index("label")])) for row in (line.split("\t") for line in lines[1:])]
lines = random.Random(0).sample(lines, min(int(count), len(lines)))
open(target, "w", encoding="utf-8", newline="").write("\n".join(["text\tlabel", *lines]) + "\n")
END
recipe "$out/recipe.yaml" <<END
precision: bf16
epochs: 1
data: {train: $out/rows.tsv, max_length: 128, cache_dir: $out/cache}
optimizer: {lr: 5.0e-05}
END
for number in 1 2 3; do
  ours "$number" "$out/recipe.yaml"
  peer "$number" --bf16 --rows 16 --train "$out/rows.tsv" --eval "$out/rows.tsv"
done
compare minilm_speed "rows/s, training loop, bf16" median rows_per_s
