#!/usr/bin/env bash
# What `thaw plan --ranks N --network …` says of a step against what it then takes, on two and four virtual hosts with slow links.
# `thaw doctor` measures the network's constants on the same hosts. Computing is measured with as many ranks as run, since
# virtual hosts share this machine's cores, before the run and after it: the prediction is their mean. `ratio` is the one of all ratios measured / predicted that is furthest from 1.
#   THAW_ALL_REDUCES=binomial   what Thaw gets from Open MPI; "binomial ring rabenseifner" tries others
#   THAW_RATE=300mbit   of each host's link        THAW_ROWS=320   so many of the movie reviews
# Needs root, for the hosts.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
hosts=cluster/testbeds/hosts.sh name=bench
trap 'rm -rf "$out"; "$hosts" stop "$name"' EXIT
some_reviews "${THAW_ROWS:-320}"
recipe "$out/recipe.yaml" <<END
data: {train: $out/rows.tsv, max_length: 128, cache_dir: $out/cache}
optimizer: {lr: 5.0e-05}
precision: bf16
threads: 1
cache: {activations: off}
thaw:
  phases:
    - {trainable: [head, top 2], until: {epochs: 1}}
    - {trainable: all, until: {epochs: 1}}
END
for ranks in 2 4; do
  "$hosts" stop "$name"
  "$hosts" start "$name" "$ranks" --rate "${THAW_RATE:-300mbit}"
  read -ra across <<<"mpirun $("$hosts" mpirun-options "$name") -n $ranks"
  logged doctor "${across[@]}" "$thaw" doctor --save "$out/network.json"
  for algorithm in ${THAW_ALL_REDUCES:-binomial}; do
    # The plan reads the same setting as Open MPI does.
    with=("${across[@]}" --mca coll_libnbc_iallreduce_algorithm "$algorithm")
    plan() {
      "${with[@]}" "$thaw" plan "$out/recipe.yaml" batch.grain=8 --ranks "$ranks" --network "$out/network.json" --json \
        >"$out/plan-$ranks-$algorithm-$1.json" 2>"$out/plan.log" || { tail -n 40 "$out/plan.log" >&2 && exit 1; }
    }
    plan before
    logged train "${with[@]}" "$thaw" train "$out/recipe.yaml" batch.grain=8 "output_dir=$out/run-$ranks-$algorithm"
    plan after
  done
done
"$python" - "$out" "$(hardware_of)" "$(commit_of)" <<'END'
import glob, json, statistics, sys

out, hardware, commit = sys.argv[1:]
worst = (1.0, "", 0, 0)
print(f'{"hosts, all-reduce, phase":34}{"computing":>12}{"hidden":>10}{"open":>10}{"predicted":>12}{"measured":>12}  ratio')
for run in sorted(glob.glob(f"{out}/run-*")):
    ranks, algorithm = run.split("-")[-2:]
    plans = [json.load(open(f"{out}/plan-{ranks}-{algorithm}-{when}.json")) for when in ("before", "after")]
    assert all(plan["all_reduce"] == algorithm for plan in plans), plans
    steps = [json.loads(line) for line in open(f"{run}/log.jsonl")]
    for number, phases in enumerate(zip(*(plan["phases"] for plan in plans)), 1):
        mean = {key: statistics.mean(phase[key] for phase in phases) for key in ("compute_s", "hidden_s", "open_s", "step_s")}
        measured = statistics.mean([s["step_s"] for s in steps if s.get("phase") == number and "loss" in s][1:])
        ratio, what = measured / mean["step_s"], f"{ranks} hosts, {algorithm}, phase {number}"
        cells = "".join(f"{1000 * seconds:{width}.0f} ms" for seconds, width in zip((*mean.values(), measured), (9, 7, 7, 9, 9)))
        print(f"{what:34}{cells}  {ratio:.2f}")
        if max(ratio, 1 / ratio) > max(worst[0], 1 / worst[0]):
            worst = (ratio, what, measured, mean["step_s"])
print(json.dumps({"name": "network", "ours": round(worst[2], 4), "peer": round(worst[3], 4), "ratio": round(worst[0], 3),
                  "unit": "s a step, measured / predicted, the worst: " + worst[1], "hardware": hardware, "commit": commit}))
END
