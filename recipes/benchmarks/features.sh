#!/usr/bin/env bash
# Seconds of audio a second of one core: Whisper's log-mel features of whole windows of 30 s, ours and transformers'
# WhisperFeatureExtractor in turn, five times; medians. Before it, a line for the same from encoded recordings on: decoded (the
# peer: PyAV), resampled to 16 kHz, and each padded to 30 s.
#   THAW_AUDIO=FOLDER   recordings (FLAC of 22.05 kHz: 340 sentences of LJ Speech)
set -euo pipefail
thaw=build/release/audio_speed
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=1
recordings=${THAW_AUDIO:-../shared/data/ljspeech_340/flac}

for number in 1 2 3 4 5; do
  logged "ours-$number" "$thaw" "$recordings" "$out/windows"
  tail -n 1 "$out/ours-$number.log" >"$out/ours-$number.json"
  logged "peer-$number" env OMP_NUM_THREADS=1 "$python" recipes/benchmarks/peers/hf_whisper_features.py "$recordings" "$out/windows"
  tail -n 1 "$out/peer-$number.log" >"$out/peer-$number.json"
done
compare features_from_files "s of audio a second of one core" median from_file
compare features "s of audio a second of one core" median features
