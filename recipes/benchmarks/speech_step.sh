#!/usr/bin/env bash
# Seconds of a training step (forward, loss, backward) on two threads: wav2vec 2.0 base with CTC, four rows of ten seconds, and
# Whisper tiny, eight windows of 30 s with 64 tokens each; in fp32 and bf16; all learning, or the convolutions (wav2vec 2.0) or
# the encoder (Whisper) frozen. Ours and transformers in turn; medians. A JSON object for each.
#   THAW_MODELS='wav2vec2 whisper'  THAW_PRECISIONS='fp32 bf16'  THAW_LEARNING='all frozen'
#   THAW_ROUNDS=3  THAW_STEPS=3  THAW_THREADS=2
#   THAW_CLOCK=cpu_seconds   what all threads work instead of the clock's time: on a machine that does other things too, with a thread
set -euo pipefail
needs=("${THAW_VENV:-build/venv}/bin/python" build/release/speech_step)
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=1
threads=${THAW_THREADS:-2} steps=${THAW_STEPS:-3}

for model in ${THAW_MODELS:-wav2vec2 whisper}; do
  for precision in ${THAW_PRECISIONS:-fp32 bf16}; do
    for learning in ${THAW_LEARNING:-all frozen}; do
      rm -f "$out"/*.json
      for ((round = 1; round <= ${THAW_ROUNDS:-3}; ++round)); do
        step=("$model" "$precision" "$learning" "$threads" "$steps")
        build/release/speech_step "${step[@]}" >"$out/ours-$round.json"
        OMP_NUM_THREADS=$threads "$python" recipes/benchmarks/peers/speech_step.py "${step[@]}" 2>>"$out/log" >"$out/peer-$round.json"
      done
      compare "step of $model, $precision, $learning" "s, $threads threads, ${THAW_CLOCK:-seconds}" median "${THAW_CLOCK:-seconds}"
    done
  done
done
