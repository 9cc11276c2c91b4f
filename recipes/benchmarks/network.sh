#!/usr/bin/env bash
# What `thaw plan --ranks N --network …` says of a step against what it then takes, on two and four virtual hosts with slow links.
# `thaw doctor` measures the network's constants on the same hosts. Computing is measured with as many ranks as run, since
# virtual hosts share this machine's cores. `ratio` is the one of all ratios measured / predicted that is furthest from 1.
#   THAW_RATE=500mbit   of each host's link        THAW_ROWS=640   so many of the movie reviews
# Needs root, for the hosts.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
hosts=cluster/testbeds/hosts.sh name=bench
trap 'rm -rf "$out"; "$hosts" stop "$name"' EXIT
some_reviews "${THAW_ROWS:-640}"
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
  "$hosts" start "$name" "$ranks" --rate "${THAW_RATE:-500mbit}"
  read -ra across <<<"mpirun $("$hosts" mpirun-options "$name") -n $ranks"
  for algorithm in binomial ring; do
    # As Open MPI numbers them; the plan reads the same variable.
    case $algorithm in binomial) number=2 ;; ring) number=1 ;; esac
    with=("${across[@]}" --mca coll_libnbc_iallreduce_algorithm "$number")
    logged doctor "${with[@]}" "$thaw" doctor --save "$out/network.json"
    logged plan "${with[@]}" "$thaw" plan "$out/recipe.yaml" batch.grain=8 --ranks "$ranks" --network "$out/network.json" --json
    grep '^{' "$out/plan.log" >"$out/plan-$ranks-$algorithm.json"
    logged train "${with[@]}" "$thaw" train "$out/recipe.yaml" batch.grain=8 "output_dir=$out/run-$ranks-$algorithm"
  done
done
"$python" - "$out" "$(hardware_of)" "$(commit_of)" <<'END'
import json, statistics, sys

out, hardware, commit = sys.argv[1:]
worst = (1.0, "", 0, 0)
print(f'{"ranks, all-reduce, phase":34}{"computing":>12}{"hidden":>10}{"open":>10}{"predicted":>12}{"measured":>12}  ratio')
for ranks in (2, 4):
    for algorithm in ("binomial", "ring"):
        plan = json.load(open(f"{out}/plan-{ranks}-{algorithm}.json"))
        assert plan["all_reduce"] == algorithm, plan["all_reduce"]
        steps = [json.loads(line) for line in open(f"{out}/run-{ranks}-{algorithm}/log.jsonl")]
        for number, phase in enumerate(plan["phases"], 1):
            times = [s["step_s"] for s in steps if s.get("phase", 1) == number and "loss" in s][2:]
            measured, predicted = statistics.mean(times), phase["step_s"]
            ratio = measured / predicted
            what = f"{ranks} hosts, {algorithm}, phase {number}"
            print(f'{what:34}' + "".join(f"{1000 * phase[k]:{w}.0f} ms" for k, w in (("compute_s", 9), ("hidden_s", 7), ("open_s", 7), ("step_s", 9)))
                  + f"{1000 * measured:9.0f} ms  {ratio:.2f}")
            if max(ratio, 1 / ratio) > max(worst[0], 1 / worst[0]):
                worst = (ratio, what, measured, predicted)
print(json.dumps({"name": "network", "ours": round(worst[2], 4), "peer": round(worst[3], 4), "ratio": round(worst[0], 3),
                  "unit": "s a step, measured / predicted, the worst: " + worst[1], "hardware": hardware, "commit": commit}))
END
