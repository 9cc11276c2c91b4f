"""What compare.py and compare_byte_level.py share: SCRIPT CASE TOKENIZER_DUMP MODEL_DIRECTORY DATA_DIRECTORY, a temporary directory for
tokenizer.json files and texts, and comparisons of every id that `tokenizer_dump` gives with what the `tokenizers` package gives."""
import glob
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy
from tokenizers import Tokenizer

CASE, DUMP, MODEL, DATA = sys.argv[1:5]
WORK = tempfile.mkdtemp(prefix="thaw-tokenizers-")
compared = 0


def count_one():
    global compared
    compared += 1


def write_model(settings, name="model"):
    directory = f"{WORK}/{name}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/tokenizer.json", "w", encoding="utf-8") as file:
        json.dump(settings, file, ensure_ascii=random.random() < 0.5)
    return directory


def dump(mode, directory, records, max_length=0):
    with open(f"{WORK}/input", "wb") as file:
        for record in records:
            file.write(struct.pack("<I", len(record)) + record)
    run = subprocess.run([DUMP, mode, directory, f"{WORK}/input", f"{WORK}/output", str(max_length)], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"tokenizer_dump {mode} ended with {run.returncode}: {run.stderr}")
    if mode == "speed":
        return run.stdout.split()
    with open(f"{WORK}/output", "rb") as file:
        content = file.read()
    found, at = [], 0
    while at < len(content):
        size = struct.unpack_from("<I", content, at)[0]
        if mode in ("encode", "pairs"):
            found.append(numpy.frombuffer(content, "<u4", size + 3, at)[1:])
            at += 12 + 4 * size
        else:
            found.append(content[at + 4:at + 4 + size])
            at += 4 + size
    return found


def differ(name, what, expected, found):
    sys.exit(f"{CASE}: {name}: {what!r:.400}\n  expected {expected!r:.1200}\n  found    {found!r:.1200}")


def check_encodings(name, texts, expected, found, whole_lengths=None):
    if len(expected) != len(found):
        sys.exit(f"{CASE}: {name}: {len(expected)} encodings expected, {len(found)} found")
    for i, (encoding, numbers) in enumerate(zip(expected, found)):
        ids, types = encoding.ids, encoding.type_ids
        if len(ids) != len(numbers) - 2 or not numpy.array_equal(numbers[2:], ids):
            differ(f"{name}, row {i}", texts[i], ids, numbers[2:].tolist())
        if types != [0] * int(numbers[0]) + [1] * (len(ids) - int(numbers[0])):
            differ(f"{name}, row {i}, type ids", texts[i], types, int(numbers[0]))
        if bool(numbers[1]) != (whole_lengths is not None and whole_lengths[i] > len(ids)):
            differ(f"{name}, row {i}, truncated", texts[i], whole_lengths, bool(numbers[1]))
        count_one()


def check_texts(name, settings, records, directory=None):
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    texts = [record.decode("utf-8", "replace") for record in records]
    expected = tokenizer.encode_batch(texts)
    check_encodings(name, texts, expected, dump("encode", directory or write_model(settings), records))


def check_decoding(name, settings, rows, directory):
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    records = [numpy.array(ids, dtype="<u4").tobytes() for ids in rows]
    for skip in (0, 1):
        expected = tokenizer.decode_batch(rows, skip_special_tokens=bool(skip))
        for ids, theirs, ours in zip(rows, expected, dump("decode", directory, records, skip)):
            if theirs.encode() != ours:
                differ(f"{name}, decode, skip {skip}", ids, theirs, ours.decode("utf-8", "surrogateescape"))
            count_one()


def lines_of(pattern):
    rows = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isfile(path):
            with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as file:
                rows += file.read().split(b"\n")
    return rows


def run(cases):
    """Ends with 1 and the first difference."""
    try:
        cases[CASE]()
        print(f"{CASE}: {compared} encodings or texts are identical")
    finally:
        shutil.rmtree(WORK)
