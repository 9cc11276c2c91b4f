#!/usr/bin/env bash
# When words are said, by Whisper base: the share of words whose start and end lie within 100 ms of a festvox voice's own labels of
# phones, of the words that `thaw transcribe` and openai-whisper both hear as the text has them. Also the starts alone, the ends alone,
# median deviations (less than 0: too early), and the same with `--snap-words`.
#   word_times.sh [SENTENCES]      (60, spread over the voice)
#   THAW_VOICE=FOLDER    with etc/txt.done.data, lab and wav (Debian's festvox-ru: Russian, one speaker, 620 sentences of 16 kHz)
set -euo pipefail
needs=("${THAW_VENV:-build/venv}/bin/python" build/release/thaw)
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=1
voice=${THAW_VOICE:-/usr/share/festival/voices/russian/msu_ru_nsh_clunits}
[ -e "$voice/etc/txt.done.data" ] || { printf '%s: no voice in %s: apt-get install festvox-ru\n' "${0##*/}" "$voice" >&2 && exit 66; }
recipes/data/whisper.sh
[ -e build/models/whisper-base ] || "$python" tests/support/whisper_weights.py build/models/whisper/base build/models/whisper-base

judge=recipes/benchmarks/peers/word_times.py
"$python" "$judge" sentences "$voice" "${1:-60}" "$out/sentences"
mapfile -t recordings <"$out/sentences"
mkdir "$out/openai-whisper"
transcribe=("$thaw" transcribe build/models/whisper/base "${recordings[@]}" --language ru --temperatures 0 --word-times --format json)
logged ours "${transcribe[@]}" --output "$out/ours"
logged snapped "${transcribe[@]}" --snap-words --output "$out/snapped"
logged peer "$python" "$judge" openai-whisper build/models/whisper-base "$out/openai-whisper" "${recordings[@]}"
"$python" "$judge" judge "$voice" "$out/ours" "$out/snapped" "$out/openai-whisper" | "$python" -c '
import json, sys
found = json.load(sys.stdin)
ours, peer = (found[side]["start and end"] for side in ("ours", "openai-whisper"))
print(json.dumps({"name": "word_times", "ours": ours, "peer": peer, "ratio": round(ours / peer, 4), "unit": "share of words within 100 ms",
                  "hardware": sys.argv[1], "commit": sys.argv[2], **found}))
' "$(hardware_of)" "$(commit_of)"
