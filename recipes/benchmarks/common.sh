#!/usr/bin/env bash
# What the benchmarks share. Sourced. A measurement is a JSON file: of ours the run's result.json, of the peer its last
# line; both get `launched_at`, the Unix time just before mpirun or torchrun was started. The last line that a benchmark
# prints is one JSON object; `ratio` is ours / peer.
#
# The peer needs the tests' Python: cluster/setup.sh --tests. A benchmark of other things sets `needs` first: files that must be there.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
# shellcheck source=cluster/mpi.sh
. cluster/mpi.sh
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
python=${THAW_VENV:-build/venv}/bin/python
thaw=${thaw:-build/release/thaw}
model=build/models/all-MiniLM-L6-v2
peer_script=recipes/benchmarks/peers/hf_text_classification.py
ranks=2
[ -n "${needs+set}" ] || needs=("$python" "$thaw" "$model")
for needed in "${needs[@]}"; do
  [ -e "$needed" ] || { printf '%s: %s is missing: run cluster/setup.sh --tests first\n' "${0##*/}" "$needed" >&2 && exit 66; }
done
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# logged NAME COMMAND…: its output goes to a log, which is shown where the command fails.
logged() {
  local log=$out/$1.log
  shift
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2 && exit 1; }
}

# measured NAME LAUNCHED-AT < JSON: kept as NAME.json, and said on one line.
measured() {
  "$python" -c '
import json, sys
name, launched_at, path = sys.argv[1:]
result = {**json.load(sys.stdin), "launched_at": float(launched_at)}
json.dump(result, open(path, "w"))
print("%-8s %7.1f rows/s, first step after %6.2f s, value %s" % (
    name, result["rows_per_s"], result["first_step_at"] - result["launched_at"], result["value"]))
' "$1" "$2" "$out/$1.json"
}

# some_reviews COUNT: so many of the movie reviews to train on, always the same, in $out/rows.tsv.
some_reviews() {
  recipes/data/reviews.sh
  {
    head -n 1 build/data/reviews/train.tsv
    tail -n +2 build/data/reviews/train.tsv | shuf -n "$1" --random-source=<(yes)
  } >"$out/rows.tsv"
}

# recipe PATH < YAML: what the benchmarks' recipes share, then the rest from standard input.
recipe() {
  cat >"$1" <<END
recipe: 1
task: text-classification
model: $model
output_dir: replaced
batch: {size: 32, grain: 16}
schedule: {name: linear, warmup_ratio: 0.1}
$(cat)
END
}

# reviews_recipe COUNT EPOCHS: MiniLM in bf16 on so many of the reviews, everything learning, in $out/recipe.yaml.
reviews_recipe() {
  some_reviews "$1"
  recipe "$out/recipe.yaml" <<END
precision: bf16
epochs: $2
data: {train: $out/rows.tsv, max_length: 256}
optimizer: {lr: 5.0e-5}
END
}

# ours NUMBER RECIPE [key=value…]
ours() { run_of ours "$@"; }

# run_of SIDE NUMBER RECIPE [key=value…]: SIDE is `peer` where ours is compared with itself.
run_of() {
  local name=$1-$2 recipe=$3 launched_at
  shift 3
  rm -rf "${out:?}/$name"
  launched_at=$(date +%s.%N)
  logged "$name" mpirun -n "$ranks" "$thaw" train "$recipe" "$@" "output_dir=$out/$name"
  measured "$name" "$launched_at" <"$out/$name/result.json"
}

# with_and_without KEY RECIPE [key=value…]: the recipe with KEY=true (ours) and false (peer), three times in turn.
with_and_without() {
  local number key=$1
  shift
  for number in 1 2 3; do
    run_of peer "$number" "$@" "$key=false"
    run_of ours "$number" "$@" "$key=true"
  done
}

# peer NUMBER OPTION…
peer() {
  local name=peer-$1 launched_at
  shift
  launched_at=$(date +%s.%N)
  logged "$name" "${python%python}torchrun" --standalone --nproc-per-node "${peer_ranks:-$ranks}" "$peer_script" --model "$model" "$@"
  grep '^{"peer"' "$out/$name.log" | measured "$name" "$launched_at"
}

hardware_of() {
  printf '%s, %s cores, %s, %s ranks\n' "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)" "$(nproc)" \
    "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)" "$ranks"
}

commit_of() {
  printf '%s%s\n' "$(git rev-parse --short HEAD 2>/dev/null || echo none)" "$([ -z "$(git status --porcelain 2>/dev/null)" ] || echo +changes)"
}

# compare NAME UNIT mean|median EXPRESSION: over all measurements, the expression in a measurement's own keys.
compare() {
  "$python" - "$out" "$@" "$(hardware_of)" "$(commit_of)" <<'END'
import glob, json, statistics, sys

out, name, unit, how, expression, hardware, commit = sys.argv[1:]
each = {side: [eval(expression, {}, json.load(open(path))) for path in sorted(glob.glob(f"{out}/{side}-*.json"))]
        for side in ("ours", "peer")}
ours, peer = (getattr(statistics, how)(each[side]) for side in ("ours", "peer"))
print(json.dumps({"name": name, "ours": round(ours, 4), "peer": round(peer, 4), "ratio": round(ours / peer, 4), "unit": unit,
                  "hardware": hardware, "commit": commit, "each": {k: [round(x, 4) for x in v] for k, v in each.items()}}))
END
}
