"""Sentences, real and made, as Whisper's normalisers leave them: normalizer_reference.py OUTPUT

The judges are openai-whisper and transformers, which must agree with each other first. The table of spellings is openai-whisper's.
"""
import glob
import json
import os
import random
import sys
import unicodedata

import whisper.normalizers
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

generator = random.Random(11)
SOURCE = os.path.dirname(os.path.abspath(__file__)) + "/../.."
DATA = os.environ.get("THAW_TEST_DATA", f"{SOURCE}/../shared/data")
SPELLING = json.load(open(os.path.join(os.path.dirname(whisper.normalizers.__file__), "english.json"), encoding="utf-8"))


def real():
    found = []
    for pattern in ("ljspeech_340/metadata.csv", "text_cls/sst2_dev.tsv", "text_cls/rt-polarity.*", "lm/*", "multi30k_task1_raw/data/*/val*"):
        for path in sorted(glob.glob(f"{DATA}/{pattern}")):
            if os.path.isfile(path) and not path.endswith(".gz"):
                lines = open(path, encoding="utf-8", errors="replace").read().split("\n")
                found += generator.sample(lines, min(len(lines), 1500))
    for path in sorted(glob.glob(f"{SOURCE}/*/README.md")):
        found += open(path, encoding="utf-8").read().split("\n")
    return found


english = whisper.normalizers.EnglishTextNormalizer()
numbers = english.standardize_numbers
NUMBER_WORDS = sorted(numbers.words)
FIGURES = ["0", "1", "2", "7", "10", "12", "20", "100", "007", "1,000", "1,2,3", "3.5", "0.07", "10.", ".5", "1960", "1960s", "32nd", "2.50", "12.0", "192.168.0.1",
           "$5", "$2", "£3.20", "€100", "-4", "+7", "50%", "¢7", "7¢", "$0.7", "$1,000,000", "1st", "2 nd", "3 rd", "4 th", "90 s", "a1", "b2b", "0x1f", "٣", "٣.٥", "²", "½",
           "12345678901234567890123456789012345678901234567890", "1.000000000000000000000000000001", "000", "1s", "one's", "1 1s"]
GLUE = ["and", "and a half", "and  a half", "a", "per cent", "per", "percent", "%", "$", ".", "..", ",", "-", "cents", "dollars", "dollar", "point", "double", "triple", "oh",
        "the", "of", "colour", "grey", "cheque", "organise", "it's", "he'd been", "she's got", "don't", "can't", "won't", "y'all", "i'ma", "mr.", "Mrs", "St.", "dr", "prof",
        "um", "uh", "hmm", "mm-hmm", "mmm", "mhm", "[noise]", "<unk>", "(laughs)", "(", ")", "()", "[", ">", "they 've", "o ' clock", "'t", "n't", "ma'am", "ain't", "half"]
PLAIN = [chr(c) for c in [*range(0x20, 0x7F), *range(0xA0, 0x180), 0x130, 0x3A3, 0x3C3, 0x1E9E, 0x2126, 0xFB01, 0xFF21, 0xFF11, 0x2103, 0x301, 0x3000, 0x200B, 0xAC00, 0x4E00,
                          0x915, 0x94D, 0x937, 0xE33, 0x1F600, 0x200D, 0x1F469, 0x9, 0xA, 0xD, 0x1C, 0x85, 0x2028]]
ASSIGNED = [chr(c) for c in range(1, 0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


def made():
    for _ in range(17000):
        choice = [generator.choice(generator.choice((NUMBER_WORDS, NUMBER_WORDS, FIGURES, GLUE))) for _ in range(generator.randrange(1, 9))]
        yield generator.choice((" ", " ", " ", "  ", "-")).join(choice)
    for _ in range(2000):
        yield "".join(generator.choices(PLAIN, k=generator.randrange(30)))
    for _ in range(2000):
        yield "".join(generator.choices(ASSIGNED, k=generator.randrange(1, 20)))
    for _ in range(1500):
        yield " ".join(generator.choice((word, word.title(), word + ".", word + "s")) for word in generator.sample(sorted(SPELLING), 6))
    for _ in range(3000):  # what a recogniser says of money and dates
        pounds, cents = generator.randrange(2500), generator.randrange(100)
        unit = generator.choice("$£€")
        yield generator.choice((f"{unit}{pounds}.{cents:02d}", f"{unit}{pounds} and ¢{cents}", f"{pounds} dollars and {cents} cents", f"{unit}0.{cents}", f"{unit}{pounds} ¢{cents}x",
                                f"{unit}{pounds}, {cents}%", f"in {pounds}s", f"{cents} and a half {generator.choice(NUMBER_WORDS)}", f"{unit}{pounds} million {cents}"))


basic = [(BasicTextNormalizer(d, s), whisper.normalizers.BasicTextNormalizer(d, s)) for d in (False, True) for s in (False, True)]
with_table, without_table = EnglishTextNormalizer(SPELLING), EnglishTextNormalizer({})
cases = []
for text in [*real(), *made()]:
    row = [text, with_table(text), without_table(text)]
    assert row[1] == english(text), text
    for ours, theirs in basic:
        row.append(ours(text))
        assert row[-1] == theirs(text), text
    cases.append(row)
json.dump({"cases": cases, "spelling": SPELLING}, open(sys.argv[1], "w"))
