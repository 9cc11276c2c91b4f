#!/usr/bin/env bash
# Movie reviews: 10,605 sentences from Rotten Tomatoes (Pang and Lee), each rated by 20 people from -4 to 4 (Hutto and
# Gilbert, ICWSM 2014), as the source archive of the Python package vaderSentiment carries them (MIT licence).
#
#   recipes/data/reviews.sh [FOLDER]        (build/data/reviews)
#
# writes FOLDER/{train,dev,test}.tsv with the columns text, label (negative: rating below 0; positive: above) and id.
# The 37 sentences whose mean is exactly 0 have no label and are left out. Every sentence is from a review of its own, so
# the split (80, 10, 10 %) is by the sentence: by a hash of its letters, so that two that differ in spacing, case or
# punctuation alone stay together. It is the same on every machine.
set -euo pipefail
export LC_ALL=C

folder=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../../build/data/reviews}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=cluster/common.sh
. cluster/common.sh

sdist=build/wheels/vaderSentiment-3.3.2.tar.gz
checksum=5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9
inner=hutto_ICWSM_2014

if [ -e "$folder/test.tsv" ]; then
  printf '%-10s %s\n' data "$folder"
  exit 0
fi
printf '%-10s %s\n' data "fetching movie reviews (2.5 MB)"
[ -e "$sdist" ] || pip_download --no-binary :all: vaderSentiment==3.3.2
if ! sha256sum --quiet -c - <<<"$checksum  $sdist"; then
  fail "$sdist is not the archive that this script knows (SHA-256 $checksum): delete it and run this again"
fi

# Written beside the folder and renamed when whole.
part=$folder.part
rm -rf "$part"
mkdir -p "$part"
tar -xzOf "$sdist" "vaderSentiment-3.3.2/additional_resources/$inner.tar.gz" |
  tar -xzOf - "$inner/movieReviewSnippets_GroundTruth.txt" |
  tr -d '\r' | awk -F '\t' -v folder="$part" '
    BEGIN {
      for (i = 1; i < 256; ++i) code[sprintf("%c", i)] = i
      split("test dev train", names, " ")
      for (i in names) print "text\tlabel\tid" > (folder "/" names[i] ".tsv")
    }
    NF != 3 { printf "line %d: expected 3 columns, found %d\n", NR, NF > "/dev/stderr"; exit 1 }
    $2 == 0 { next }
    {
      letters = tolower($3)
      gsub(/[^a-z0-9]/, "", letters)
      hash = 0
      for (i = 1; i <= length(letters); ++i) hash = (hash * 131 + code[substr(letters, i, 1)]) % 2147483647
      bucket = hash % 10
      print $3 "\t" ($2 < 0 ? "negative" : "positive") "\t" $1 > (folder "/" (bucket == 0 ? "test" : bucket == 1 ? "dev" : "train") ".tsv")
    }'
rm -rf "$folder"
mv "$part" "$folder"
printf '%-10s %s: %d to train on, %d dev, %d test\n' data "$folder" \
  $(($(wc -l <"$folder/train.tsv") - 1)) $(($(wc -l <"$folder/dev.tsv") - 1)) $(($(wc -l <"$folder/test.tsv") - 1))
