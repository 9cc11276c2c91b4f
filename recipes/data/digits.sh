#!/usr/bin/env bash
# Spoken digits: the Free Spoken Digit Dataset (Jackson et al.; CC-BY-SA-4.0), 3,000 recordings of six speakers at 8 kHz.
#
#   git clone https://github.com/Jakobovski/free-spoken-digit-dataset $THAW_DATA/fsdd
#   THAW_DATA=FOLDER recipes/data/digits.sh [FOLDER]        (build/data/digits)
#
# writes FOLDER/{train,dev,test}.tsv with the columns audio, label and speaker. test: all of two speakers whom training never hears, theo
# and yweweler (1,000). Of the four others, dev is the data set's own test split, takes 0 to 4 (200), and train the rest (1,800).
set -euo pipefail
export LC_ALL=C

recordings=$(realpath "${THAW_DATA:?a folder with fsdd}/fsdd/recordings")
folder=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../../build/data/digits}")

# Written beside the folder and renamed when whole.
part=$folder.part
rm -rf "$part"
mkdir -p "$part"
find "$recordings" -name '*.wav' -printf '%f\n' | sort | awk -F '[_.]' -v recordings="$recordings" -v folder="$part" '
  BEGIN {
    OFS = "\t"
    split("test dev train", names, " ")
    for (i in names) print "audio", "label", "speaker" > (folder "/" names[i] ".tsv")
  }
  NF != 4 { printf "%s: expected DIGIT_SPEAKER_TAKE.wav\n", $0 > "/dev/stderr"; exit 1 }
  {
    set = $2 == "theo" || $2 == "yweweler" ? "test" : $3 < 5 ? "dev" : "train"
    print recordings "/" $0, $1, $2 > (folder "/" set ".tsv")
  }'
rm -rf "$folder"
mv "$part" "$folder"
printf '%-10s %s: %d to train on, %d dev, %d test\n' data "$folder" \
  $(($(wc -l <"$folder/train.tsv") - 1)) $(($(wc -l <"$folder/dev.tsv") - 1)) $(($(wc -l <"$folder/test.tsv") - 1))
