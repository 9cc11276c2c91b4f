#!/usr/bin/env bash
# Rows a second of fine-tuning Whisper with its encoder asleep: sentences of LJ Speech, 8 a step, fp32, one process of two threads.
# Ours, which keeps the encoder's output, and transformers' Seq2SeqTrainer after model.freeze_encoder(), in turn; medians of the second
# epoch, without evaluation or checkpoints.
#   THAW_DATA=FOLDER     with ljspeech_340
#   THAW_MODEL=base      or tiny.en
#   THAW_ROWS=64  THAW_ROUNDS=3  THAW_THREADS=2
# Weights: build/models/whisper (recipes/data/whisper.sh), which are written in the hub's layout once.
set -euo pipefail
data=$(realpath "${THAW_DATA:?a folder with ljspeech_340}")
needs=("${THAW_VENV:-build/venv}/bin/python" build/release/thaw)
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=1
name=${THAW_MODEL:-base} threads=${THAW_THREADS:-2}
weights=build/models/whisper-$name
if [ ! -e "$weights" ]; then
  recipes/data/whisper.sh
  source=build/models/whisper/$name
  [ "$name" != tiny.en ] || source=$source/tiny.en.pt
  "$python" tests/support/whisper_weights.py "$source" "$weights"
fi
export OMP_NUM_THREADS=$threads

{
  printf 'audio\ttext\n'
  head -n "${THAW_ROWS:-64}" "$data/ljspeech_340/metadata.csv" | awk -F '|' -v OFS='\t' -v folder="$data/ljspeech_340/flac" '{print folder "/" $1 ".flac", $3}'
} >"$out/rows.tsv"
cat >"$out/recipe.yaml" <<END
recipe: 1
task: automatic-speech-recognition
model: $weights
output_dir: replaced
threads: $threads
data: {train: $out/rows.tsv, cache_dir: $out/cache, audio: {language: en}}
speech: {timestamps: 0}
batch: {size: 8, grain: 8}
optimizer: {lr: 1.0e-05}
cache: {activations: 'on', dir: $out}
checkpoint: {every_steps: 1000000}  # neither side saves while it is timed
thaw: {phases: [{trainable: [decoder], until: {epochs: 2}}]}
END

# epochs_of LOG: rows a second and the last loss of each epoch.
epochs_of() {
  "$python" - "$1" <<'END'
import json, sys

steps = [step for step in map(json.loads, open(sys.argv[1])) if "step_s" in step]
epochs = [[step for step in steps if step["epoch"] == epoch] for epoch in (0, 1)]
print(json.dumps({"rows_per_s": [sum(s["rows"] for s in epoch) / sum(s["step_s"] for s in epoch) for epoch in epochs],
                  "loss": [epoch[-1]["loss"] for epoch in epochs]}))
END
}

for ((number = 1; number <= ${THAW_ROUNDS:-3}; ++number)); do
  rm -rf "${out:?}/run"
  logged ours "$thaw" train "$out/recipe.yaml" "output_dir=$out/run"
  epochs_of "$out/run/log.jsonl" >"$out/ours-$number.json"
  logged peer "$python" recipes/benchmarks/peers/hf_whisper_training.py "$weights" "$out/rows.tsv" 8 "$threads"
  grep '^{"rows_per_s"' "$out/peer.log" >"$out/peer-$number.json"
  for side in ours peer; do printf '%s %s\n' "$side" "$(cat "$out/$side-$number.json")"; done
done
compare "speech_training $name" "rows/s of the second epoch, encoder frozen, fp32, $threads threads" median 'rows_per_s[1]'
