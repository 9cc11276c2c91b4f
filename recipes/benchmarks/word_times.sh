#!/usr/bin/env bash
# When words are said, by Whisper base: the share of words whose start and end lie within 100 ms of a voice's own labels of phones
# (Debian's festvox-ru: Russian, one speaker), of the words that `thaw transcribe` and openai-whisper both hear as the text has them. Also
# the starts alone, the ends alone, and median deviations (less than 0: too early). Three ways of ours, beside openai-whisper: --word-times,
# with --snap-words, and with --aligner: a head of letters that recipes/speech/russian_letters.yaml teaches first, on two ranks, from the
# voice's other sentences (their text and sound: no label of a time is learnt from).
#   word_times.sh [SENTENCES]      (80: all that the recipe does not train on)
#   THAW_ALIGNER=RUN               one that has been trained already
set -euo pipefail
needs=("${THAW_VENV:-build/venv}/bin/python" build/release/thaw)
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=1
recipes/data/whisper.sh
recipes/data/russian.sh
voice=build/data/russian
[ -e build/models/whisper-base ] || "$python" tests/support/whisper_weights.py build/models/whisper/base build/models/whisper-base
aligner=${THAW_ALIGNER:-$out/letters}
[ -n "${THAW_ALIGNER:-}" ] || logged train mpirun -n 2 "$thaw" train recipes/speech/russian_letters.yaml "output_dir=$aligner"

judge=recipes/benchmarks/peers/word_times.py
"$python" "$judge" sentences "$voice" "${1:-80}" "$out/sentences"
mapfile -t recordings < <(sed "s|^|$PWD/|" "$out/sentences")
mkdir "$out/openai-whisper"
transcribe=("$thaw" transcribe build/models/whisper/base "${recordings[@]}" --language ru --temperatures 0 --word-times --format json)
logged ours "${transcribe[@]}" --output "$out/ours"
logged snapped "${transcribe[@]}" --snap-words --output "$out/snapped"
logged aligned "${transcribe[@]}" --aligner "$aligner" --output "$out/aligned"
logged peer "$python" "$judge" openai-whisper build/models/whisper-base "$out/openai-whisper" "${recordings[@]}"
"$python" "$judge" judge "$voice" "$out/ours" "$out/snapped" "$out/aligned" "$out/openai-whisper" | "$python" -c '
import json, sys
found = json.load(sys.stdin)
ours, peer = (found[side]["start and end"] for side in ("aligned", "openai-whisper"))
print(json.dumps({"name": "word_times", "ours": ours, "peer": peer, "ratio": round(ours / peer, 4), "unit": "share of words within 100 ms",
                  "hardware": sys.argv[1], "commit": sys.argv[2], **found}, ensure_ascii=False))
' "$(hardware_of)" "$(commit_of)"
