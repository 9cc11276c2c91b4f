"""Judges shards of speech by h5py, numpy and wave. Usage: compare.py TABLE SHARDS"""
import csv
import glob
import json
import os
import sys
import wave

import h5py
import numpy as np

table, shards = sys.argv[1:]
rows = list(csv.DictReader(open(table, encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
index = json.load(open(f"{shards}/index.json"))
codec = index["audio"]["codec"]


def samples_of(path):
    with wave.open(path) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16000, 2, 1)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def check_audio(path, values):
    if codec == "flac":
        assert values.tobytes() == open(path, "rb").read()
        return None
    samples = samples_of(path)
    if codec == "i16":
        assert values.dtype == np.int16
        np.testing.assert_array_equal(values, samples)
    else:
        scale = np.ldexp(np.float32(1.1), np.arange(len(samples)) % 45 - 26)
        with np.errstate(over="ignore"):
            expected = (samples.astype(np.float32) / 32768 * scale.astype(np.float32)).astype(np.float16)
        assert values.dtype == np.float16
        np.testing.assert_array_equal(values, expected)
        assert np.isinf(expected).any() or np.abs(expected).max() > 10000
        assert (np.abs(expected[expected != 0].astype(np.float32)) < 2**-14).any()
    return len(samples) / 16000


found = 0
for path in sorted(glob.glob(f"{shards}/*.h5")):
    with h5py.File(path) as shard:
        name = "features" if codec == "features" else "audio"
        for row in range(len(shard["source_line"])):
            def piece(column):
                begin, end = shard[f"{column}_offsets"][row : row + 2]
                return shard[column][begin:end]
            expected = rows[found]
            assert bytes(piece("text")).decode() == expected["text"]
            assert bytes(piece("group")).decode() == expected["speaker"]
            assert piece("input_ids").tolist() == [1] + [b + 3 for b in expected["text"].encode()] + [2]
            seconds = check_audio(os.path.join(os.path.dirname(table), expected["path"]), piece(name))
            assert seconds is None or shard["seconds"][row] == np.float32(seconds)
            assert shard["source_line"][row] == found + 2
            found += 1
assert found == len(rows) == index["rows"], (found, len(rows), index["rows"])
print(f"{found} rows agree")
