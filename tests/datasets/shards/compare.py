"""Judges shards by Python's own csv and json modules and h5py. Usage: compare.py make|check FORMAT SOURCE [SHARDS]"""
import csv
import glob
import io
import json
import random
import sys

import h5py
import numpy as np

PIECES = ["a", "plain words", ",", '"', '""', "\n", "\r\n", "\t", " ", "é", "日本語", "😀", "'", ";", "\\n", "\\", "\u2028", "\x0b", "\x00", "{", "null", "x" * 500]


def make(kind, path):
    """A file that only a real parser reads rightly."""
    rng = random.Random(5)
    rows = []
    for i in range(2000):
        text = "t" + "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 12)))
        if kind == "tsv":
            text = text.replace("\t", " ").replace("\n", " ").replace("\r", " ")
        if kind == "csv":
            text = text.replace("\x00", "")  # Python's csv refuses NUL bytes before 3.11
        rows.append({"id": f"row-{i}", "text": text, "label": rng.choice(["no", "yes", "it, depends"])})
    if kind == "jsonl":
        with open(path, "w", encoding="utf-8", newline="") as f:
            for i, row in enumerate(rows):
                f.write(json.dumps(row, ensure_ascii=i % 2 == 0, indent=None) + ("\r\n" if i % 3 == 0 else "\n") + ("\n" if i % 50 == 0 else ""))
    elif kind == "csv":
        with open(path, "w", encoding="utf-8-sig", newline="") as f:
            f.write("id,text,label\r\n")
            for i, row in enumerate(rows):
                line = io.StringIO()
                quoting = csv.QUOTE_ALL if i % 4 == 0 else csv.QUOTE_MINIMAL
                csv.writer(line, quoting=quoting, lineterminator="\n" if i % 3 == 0 else "\r\n").writerow(row.values())
                f.write(line.getvalue() + ("\n" if i % 40 == 0 else ""))
    else:
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write("id\ttext\tlabel\n")
            for row in rows:
                f.write("\t".join(row.values()) + "\n")


def read_source(kind, path):
    with open(path, encoding="utf-8-sig", newline="") as f:
        if kind == "jsonl":
            return [json.loads(line) for line in f.read().split("\n") if line.strip()]
        if kind == "csv":
            return list(csv.DictReader(f))
        lines = [line for line in f.read().split("\n") if line]
        return [dict(zip(lines[0].split("\t"), line.split("\t"))) for line in lines[1:]]


def encode(text):
    return [1] + [b + 3 for b in text.encode()] + [2]


def check(kind, source, shards):
    expected = read_source(kind, source)
    index = json.load(open(f"{shards}/index.json"))
    found = []
    for path in sorted(glob.glob(f"{shards}/*.h5")):
        with h5py.File(path) as shard:  # the example of datasets/README.md
            offsets = shard["input_ids_offsets"][:]
            for row in range(len(offsets) - 1):
                words = {}
                for name in ("text", "id"):
                    begin, end = shard[f"{name}_offsets"][row : row + 2]
                    words[name] = bytes(shard[name][begin:end]).decode("utf-8")
                ids = shard["input_ids"][offsets[row] : offsets[row + 1]].tolist()
                label = index["labels"]["names"][shard["labels"][row]]
                found.append((words["id"], words["text"], label, ids))
            assert shard["input_ids"].dtype == np.uint16 and shard["input_ids"].chunks is None
    assert len(found) == len(expected) == index["rows"], (len(found), len(expected), index["rows"])
    assert sum(len(ids) for *_, ids in found) == index["tokens"]
    for number, (row, (name, text, label, ids)) in enumerate(zip(expected, found)):
        assert (name, text, label) == (row["id"], row["text"], row["label"]), (number, row, name, text, label)
        assert ids == encode(row["text"]), (number, ids, encode(row["text"]))
    print(f"{len(found)} rows agree")


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3])
else:
    check(*sys.argv[2:5])
