#!/usr/bin/env bash
# LJ Speech (K. Ito; read English sentences, 22.05 kHz, one speaker; public domain), as tables of speech:
#
#   recipes/data/lj_speech.sh SOURCE [FOLDER]        ($THAW_DATA/ljspeech_340, build/data/lj_speech)
#
#   SOURCE                                metadata.csv beside wavs/ or flac/, whole or a part of it
#   FOLDER/train.tsv  dev.tsv  test.tsv   path, sentence: the last 40 rows are test, the 40 before them dev
set -euo pipefail
export LC_ALL=C.UTF-8

source=$(realpath "${1:-${THAW_DATA:?"name the folder of LJ Speech"}/ljspeech_340}")
folder=$(realpath -m "${2:-$(dirname "${BASH_SOURCE[0]}")/../../build/data/lj_speech}")
mkdir -p "$folder"
python3 - "$source" "$folder" <<'END'
import sys
from pathlib import Path

source, folder = map(Path, sys.argv[1:])
rows = [line.rstrip("\n").split("|") for line in (source / "metadata.csv").open(encoding="utf-8") if line.strip()]
audio = {file.stem: file for kind in ("wavs", "flac") for file in (source / kind).glob("*.*")}
missing = [row[0] for row in rows if row[0] not in audio]
if missing:
    sys.exit(f"{source / 'metadata.csv'}: {len(missing)} rows have no recording in wavs/ or flac/, the first: {missing[0]}: leave them out of it")
for name, part in (("train", rows[:-80]), ("dev", rows[-80:-40]), ("test", rows[-40:])):
    with (folder / f"{name}.tsv").open("w", encoding="utf-8") as table:
        print("path", "sentence", sep="\t", file=table)
        for row in part:
            print(audio[row[0]], row[-1], sep="\t", file=table)
END
printf '%-10s %s\n' data "$folder"
