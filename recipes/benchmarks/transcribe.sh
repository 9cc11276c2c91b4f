#!/usr/bin/env bash
# Recordings a second through Whisper, tiny.en and base, on two threads: 40 sentences of LJ Speech, each a window of 30 s, from
# log-mel features to greedy tokens without timestamps. Ours in fp32 and bf16, transformers and faster-whisper (CTranslate2) in fp32,
# in turn; medians. A JSON object for each model; `peer` is transformers.
#   THAW_DATA=FOLDER     with ljspeech_340
#   THAW_TOGETHER=8      windows side by side; every side is also measured with one at a time
#   THAW_ROUNDS=3  THAW_THREADS=2  THAW_RECORDINGS=40
#   THAW_CLOCK=cpu_seconds   what all threads work instead of the clock's time: on a machine that does other things too, with a thread
# Weights: build/models/whisper (recipes/data/whisper.sh), which are written in the hub's layout once.
set -euo pipefail
data=$(realpath "${THAW_DATA:?a folder with ljspeech_340}")
needs=("${THAW_VENV:-build/venv}/bin/python" build/release/bench_whisper)
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=1
recipes/data/whisper.sh
ctranslate2=build/models/whisper
[ -e build/models/whisper-tiny.en ] || "$python" tests/support/whisper_weights.py $ctranslate2/tiny.en/tiny.en.pt build/models/whisper-tiny.en
[ -e build/models/whisper-base ] || "$python" tests/support/whisper_weights.py $ctranslate2/base build/models/whisper-base
together=${THAW_TOGETHER:-8} threads=${THAW_THREADS:-2} clock=${THAW_CLOCK:-seconds}
export OMP_NUM_THREADS=$threads
mapfile -t recordings < <(tail -n "${THAW_RECORDINGS:-40}" "$data/ljspeech_340/metadata.csv" | cut -d'|' -f1 | sed "s|.*|$data/ljspeech_340/flac/&.flac|")

# one SIDE MODEL PRECISION TOGETHER: a round after a warm one; its last line is kept.
one() {
  local command=("$python" recipes/benchmarks/peers/whisper.py "$1")
  local weights=build/models/whisper-$2
  [ "$1" != ours ] || command=(build/release/bench_whisper)
  [ "$1" != faster-whisper ] || weights=$ctranslate2/$2
  "${command[@]}" "$weights" "$out/$2.safetensors" "$3" "$4" "$threads" 1 2>>"$out/log" | tail -n 1 >>"$out/$2.$1.$3.$4.jsonl"
}

for name in tiny.en base; do
  logged features "$python" recipes/benchmarks/peers/whisper.py features "$out/$name.safetensors" "build/models/whisper-$name" "${recordings[@]}"
  for ((round = 0; round < ${THAW_ROUNDS:-3}; ++round)); do
    for windows in "$together" 1; do
      one ours "$name" fp32 "$windows"
      one faster-whisper "$name" fp32 "$windows"
      one transformers "$name" fp32 "$windows"
      one ours "$name" bf16 "$windows"
    done
  done
  "$python" - "$out" "$name" "$together" "$threads" "$clock" "$(hardware_of)" "$(commit_of)" <<'END'
import glob, json, pathlib, statistics, sys

out, model, together, threads, clock, hardware, commit = sys.argv[1:]
speed, tokens = {}, {}
for path in glob.glob(f"{out}/{model}.*.jsonl"):
    side, precision, windows = pathlib.Path(path).name.removeprefix(model + ".").removesuffix(".jsonl").rsplit(".", 2)
    rounds = [json.loads(line) for line in open(path)]
    key = f"{side} {precision}, {windows} together"
    tokens[key] = rounds[0]["tokens"]
    speed[key] = round(statistics.median(len(r["tokens"]) / min(r[clock]) for r in rounds), 3)
reference = tokens["transformers fp32, 1 together"]
same = {key: sum(a == b for a, b in zip(rows, reference)) for key, rows in tokens.items()}
ours, peer = speed[f"ours fp32, {together} together"], max(v for k, v in speed.items() if k.startswith("transformers"))
print(json.dumps({"name": f"transcribe {model}", "ours": ours, "peer": peer, "ratio": round(ours / peer, 3),
                  "unit": f"recordings/s, {threads} threads, fp32, {clock}", "hardware": hardware, "commit": commit, "each": speed,
                  "recordings with transformers' tokens": same}))
END
done
