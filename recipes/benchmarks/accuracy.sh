#!/usr/bin/env bash
# Accuracy on the movie reviews' test set after the quickstart's recipe (three epochs, the one that is best on dev is kept):
# ours and Hugging Face's Trainer, three seeds each; means. About half an hour on two cores.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

recipes/data/reviews.sh
data=build/data/reviews
for seed in 1 2 3; do
  ours "$seed" recipes/quickstart.yaml "seed=$seed"
  # result.json speaks of dev; the comparison is on rows that chose nothing.
  "$thaw" eval "$out/ours-$seed" --data $data/test.tsv --json >"$out/test.json"
  "$python" - "$out/ours-$seed.json" "$out/test.json" <<'END'
import json, sys

result, test = (json.load(open(path)) for path in sys.argv[1:])
accuracy = result["value"] = test["metrics"]["accuracy"]
json.dump(result, open(sys.argv[1], "w"))
print(f"         test accuracy {accuracy:.4f}")
END
  peer "$seed" --bf16 --rows 16 --epochs 3 --lr 5e-5 --seed "$seed" --train $data/train.tsv --select $data/dev.tsv --eval $data/test.tsv
done
compare accuracy "test accuracy, mean of three seeds" mean value
