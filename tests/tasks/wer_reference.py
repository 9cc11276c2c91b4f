"""Pairs of sentences, real and made, and what jiwer counts in them: wer_reference.py OUTPUT"""
import glob
import json
import os
import random
import sys

import jiwer

generator = random.Random(5)
SOURCE = os.path.dirname(os.path.abspath(__file__)) + "/../.."
LETTERS = "abc \t\u00a0\u3000\n\x1c\u200bé日本e\u0301ñ😀"


def sentences():
    """Words of this project's own pages, and LJ Speech's sentences where they are."""
    found = []
    for path in sorted(glob.glob(f"{SOURCE}/**/README.md", recursive=True)):
        if "/build/" not in path:
            found += [line.strip() for line in open(path, encoding="utf-8") if len(line) > 20]
    data = os.environ.get("THAW_TEST_DATA", f"{SOURCE}/../shared/data")
    if os.path.exists(f"{data}/ljspeech_340/metadata.csv"):
        found += [line.split("|")[1] for line in open(f"{data}/ljspeech_340/metadata.csv", encoding="utf-8")]
    return found


def disturbed(text, chance):
    """As a recogniser might: words dropped, doubled, swapped and misspelt."""
    words, out = text.split(" "), []
    for word in words:
        draw = generator.random()
        if draw < chance / 4:
            continue
        if draw < chance / 2:
            out += [word, word]
        elif draw < chance * 3 / 4:
            out.append(generator.choice(words))
        elif draw < chance and word:
            at = generator.randrange(len(word))
            out.append(word[:at] + generator.choice("aeiou ") + word[at + 1:])
        else:
            out.append(word)
    return " ".join(out)


def made(longest, alphabet):
    return "".join(generator.choices(alphabet, k=generator.randrange(longest)))


pairs = []
for text in sentences():
    for chance in (0.05, 0.3, 0.9):
        pairs.append((text, disturbed(text, chance)))
for _ in range(6000):
    pairs.append((made(24, LETTERS), made(24, LETTERS)))
    pairs.append((made(80, "ab "), made(80, "ab ")))
for _ in range(60):
    pairs.append((made(700, "abcdef "), made(700, "abcdef ")))
# long ones, which are divided: 2100 × 2100 characters, and words
for _ in range(4):
    text = "".join(generator.choices("abcdefgh   ", k=5000))
    pairs.append((text, "".join(generator.choices("abcdefgh   ", k=5000))))
    pairs.append((text, disturbed(text, 0.4)))
pairs += [("", ""), ("", "a b"), ("a b", ""), (" ", "  "), ("a\tb", "a b"), ("a\t\tb", "a b"), ("\u00a0a", "a")]


def counts(output):
    return [output.hits, output.substitutions, output.deletions, output.insertions]


def edits(output):
    names = {"equal": 0, "substitute": 1, "delete": 2, "insert": 3}
    return "".join(str(names[c.type]) * max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx) for c in output.alignments[0])


cases = []
for reference, hypothesis in pairs:
    words, characters = jiwer.process_words(reference, hypothesis), jiwer.process_characters(reference, hypothesis)
    cases.append({"reference": reference, "hypothesis": hypothesis, "words": counts(words), "characters": counts(characters), "wer": words.wer,
                  "cer": characters.cer, "word_edits": edits(words), "character_edits": edits(characters)})
corpora = []
for start, end in ((0, 500), (500, 9000), (len(pairs) - 7, len(pairs) - 5), (len(pairs) - 3, len(pairs))):
    references, hypotheses = [list(side) for side in zip(*pairs[start:end])]
    corpora.append({"start": start, "end": end, "wer": jiwer.wer(references, hypotheses), "cer": jiwer.cer(references, hypotheses)})
json.dump({"cases": cases, "corpora": corpora}, open(sys.argv[1], "w"))
