#!/usr/bin/env bash
# 620 Russian sentences read by one speaker (1.7 h, 16 kHz; Debian's package festvox-ru, recorded for Festival by Moscow State University),
# as tables of speech:
#
#   recipes/data/russian.sh [FOLDER]        (build/data/russian)
#
#   FOLDER/train.tsv  dev.tsv  test.tsv     540, 40 and 40 sentences in their order: path, sentence
#   FOLDER/wav        the recordings
#   FOLDER/lab        when each sound is spoken, for recipes/benchmarks/word_times.sh
#   FOLDER/words.txt  1.4 million forms of Russian words, from Debian's hunspell-ru (LibreOffice's dictionary), for evaluate.words
set -euo pipefail
export LC_ALL=C.UTF-8

here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
folder=$(realpath -m "${1:-$here/../../build/data/russian}")
if [ -e "$folder/words.txt" ]; then
  printf '%-10s %s\n' data "$folder"
  exit 0
fi
printf '%-10s %s\n' data "fetching festvox-ru (178 MB)"
part=$folder.part
rm -rf "$part"
mkdir -p "$part"
(cd "$part" && apt-get -o APT::Sandbox::User=root download -qq festvox-ru && dpkg -x festvox-ru_*.deb package)
voice=$part/package/usr/share/festival/voices/russian/msu_ru_nsh_clunits
mv "$voice/wav" "$voice/lab" "$part"
printf '%-10s %s\n' data "fetching hunspell-ru (1 MB)"
(cd "$part" && apt-get -o APT::Sandbox::User=root download -qq hunspell-ru && dpkg -x hunspell-ru_*.deb package)
"$here/word_forms.pl" "$part"/package/usr/share/hunspell/ru_RU.{dic,aff} | sort -u >"$part/words.txt"
[ "$(wc -l <"$part/words.txt")" -gt 1400000 ] || { echo "russian.sh: expected 1.4 million forms in hunspell-ru's dictionary" >&2 && exit 65; }
# ( ru_0001 "…" ): id and sentence; + stands before a stressed vowel.
sed -E 's/^\( *([^ ]+) +"(.*)" *\)$/\1\t\2/' "$voice/etc/txt.done.data" >"$part/sentences"
[ "$(wc -l <"$part/sentences")" = 620 ] || { echo "russian.sh: expected 620 sentences in txt.done.data" >&2 && exit 65; }
table() { # FIRST LAST
  printf 'path\tsentence\n'
  awk -F '\t' -v first="$1" -v last="$2" -v OFS='\t' 'NR >= first && NR <= last { print "wav/" $1 ".wav", $2 }' "$part/sentences"
}
table 1 540 >"$part/train.tsv"
table 541 580 >"$part/dev.tsv"
table 581 620 >"$part/test.tsv"
rm -rf "$part/package" "$part/sentences" "$part"/*.deb "$folder"
mv "$part" "$folder"
printf '%-10s %s\n' data "$folder"
