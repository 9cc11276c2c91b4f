"""Judges byte-level BPE by Hugging Face's: compare_byte_level.py CASE TOKENIZER_DUMP MODEL_DIRECTORY DATA_DIRECTORY (see harness.py)

MODEL_DIRECTORY is not used: the vocabularies of GPT-2 and of the multilingual Whisper come with openai-whisper.
"""
import copy
import json
import os
import random
import time

import numpy
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import byte_level_files
from harness import DATA, WORK, check_decoding, check_encodings, check_texts, differ, dump, lines_of, run, write_model
from texts import hostile_texts, long_line, with_code_points

NAMES = ("gpt2", "multilingual")
CONTRACTIONS = ["it's we'll they've I'm you'd don't we're 's 'S 'll'd''s x's\u00e9'tt 'r 're' o'clock 'ma'am' '\u2019s",
                "a  b   c    d\t\te \n\n f\r\n\r\n  g\u00a0 h \u00a0i \u2003\u2003j  ", "   ", " ", "\n", " \n", "a ", "a  ", "  a", "\u3000\u3000x", "12 345,678.90 \u00b2\u00bd\u2167 x1y2 \u0663\u0664",
                "(((hello))) [x] {y} -- --- ... ?!?! #hash @at a_b __init__ http://a.b/c?d=e&f=g", "\u0001\u0000\u007f", "<|endoftext|> <|en|><|0.00|> <| endoftext |>"]


def both_ways(name, settings, records):
    directory = write_model(settings)
    check_texts(name, settings, records, directory)
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    rows = [e.ids for e in tokenizer.encode_batch([r.decode("utf-8", "replace") for r in records])]
    check_decoding(name, settings, rows, directory)


def corpora():
    for pattern in ("text_cls/*.tsv", "lm/*", "multi30k_task1_raw/data/**", "ljspeech_340/*"):
        rows = [row for row in lines_of(f"{DATA}/{pattern}") if len(row) < 100_000][:60_000]
        if not rows:
            print(f"corpora: without {DATA}/{pattern}, which is not there")
        for name in NAMES:
            both_ways(f"{name}, {pattern}", byte_level_files.settings(name), rows)


def hostile():
    records = hostile_texts() + [text.encode() for text in CONTRACTIONS]
    generator = random.Random(5)
    marks = ["'", " ", "  ", "s", "ll", "re", "1", "\u00b2", "\u00bd", "\u2167", "\u0663", "\u00e9", "\u6f22", "!", "\n", "\t", "\u00a0", "\u2003", "-", "don't", "\u0301", "\U0001f44d", "\x1f", "\u180e", "\ufeff", "\u0085"]
    records += ["".join(generator.choices(marks, k=generator.randrange(1, 20))).encode() for _ in range(5000)]
    for name in NAMES:
        both_ways(name, byte_level_files.settings(name), records)
        start = time.monotonic()
        found = dump("encode", write_model(byte_level_files.settings(name)), long_line())
        if time.monotonic() - start > 20:
            differ(name, "lines of a megabyte", "within 20 s", time.monotonic() - start)
        tokenizer = Tokenizer.from_str(json.dumps(byte_level_files.settings(name)))
        check_encodings(f"{name}, long", long_line(), tokenizer.encode_batch([r.decode() for r in long_line()]), found)


def sweep():
    """Every code point between letters, digits and blanks."""
    check_texts("all planes", byte_level_files.settings("gpt2"), with_code_points("a{0}b", everywhere=True))
    for name in NAMES:
        check_texts(name, byte_level_files.settings(name), with_code_points(" {0}1", "!{0}", "\u6f22{0}  {0}"))


def decoding():
    """Ids in any order: halves of characters, special tokens, ids that nobody has."""
    generator = random.Random(7)
    for name in NAMES:
        settings = byte_level_files.settings(name, timestamps=40)
        for content, special in (("two words", False), ("caf\u00e9 \u6f22", True), ("\u0120\u0121", False)):
            settings["added_tokens"].append({"id": settings["added_tokens"][-1]["id"] + 1, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                                             "normalized": False, "special": special})
        highest = settings["added_tokens"][-1]["id"] + 20
        rows = [[generator.choice((generator.randrange(highest), generator.randrange(400), highest - generator.randrange(60))) for _ in range(generator.randrange(30))]
                for _ in range(20_000)]
        check_decoding(name, settings, rows, write_model(settings))


def options():
    records = hostile_texts()[:-1] + [text.encode() for text in CONTRACTIONS]
    for change in ({"pre_tokenizer/add_prefix_space": True}, {"pre_tokenizer/use_regex": False}, {"model/ignore_merges": True}, {"normalizer": {"type": "NFC"}},
                   {"normalizer": {"type": "Lowercase"}}, {"post_processor": None}, {"post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}},
                   {"model/merges": "lists"}, {"model/merges": "twice"}):
        settings = copy.deepcopy(byte_level_files.settings("gpt2"))
        for key, value in change.items():
            *above, last = key.split("/")
            part = settings[above[0]] if above else settings
            if value == "lists":
                value = [merge.split() for merge in part[last]]
            if value == "twice":  # the later one counts
                value = part[last] + part[last][100:200]
            part[last] = value
        both_ways(str(change)[:200], settings, records)
    # An entry that no merges lead to is found with ignore_merges alone.
    for ignore in (False, True):
        settings = copy.deepcopy(byte_level_files.settings("gpt2"))
        settings["model"]["vocab"]["\u0120qzxqzx"] = 50256
        settings["model"]["ignore_merges"] = ignore
        for token in settings["added_tokens"]:
            token["id"] += 1
        for token in settings["post_processor"]["special_tokens"].values():
            token["ids"][0] += 1
        both_ways(f"ignore_merges {ignore}", settings, [b"a qzxqzx qzxqzxx", b" qzxqzx"])


def added_tokens():
    generator = random.Random(2)
    contents = ["hey", "hey you", " spc", "the", "<mask>", "k\u00e4se", "\u65e5", "]", "it's", "a\u0301", "\tt", "\u00df", "<|x|>"]
    pieces = contents + ["K\u00e4se", "HEY", " ", "  ", "\t", "\u2000", "a", "Z", "9", "_", "-", ".", "\u0301", "<|endoftext|>", "<|en|>", "\n", "ing"]
    records = ["".join(generator.choices(pieces, k=generator.randrange(1, 14))).encode() for _ in range(1500)]
    for trial in range(16):
        settings = copy.deepcopy(byte_level_files.settings("gpt2"))
        settings["pre_tokenizer"]["add_prefix_space"] = trial % 4 == 0
        settings["normalizer"] = {"type": "Lowercase"} if trial % 3 == 0 else None
        next_id = settings["added_tokens"][-1]["id"] + 1
        for content in generator.sample(contents, generator.randrange(1, len(contents))):
            known = settings["model"]["vocab"].get(content)
            settings["added_tokens"].append({"id": next_id if known is None else known, "content": content,
                                             **{flag: generator.random() < 0.5 for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}})
            next_id += known is None
        both_ways(f"{settings['added_tokens'][107:]}", settings, records)


def trained():
    """Vocabularies trained on texts of few letters, where the order of merges decides; and words longer than the pattern ever leaves."""
    generator = random.Random(4)
    for letters, size in (("ab", 300), ("aab ", 320), ("abc'1", 420), ("\u00e9\u00e8\u6f22a", 400)):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        texts = ["".join(generator.choices(letters, k=generator.randrange(1, 60))) for _ in range(400)]
        tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
        settings = json.loads(tokenizer.to_str())
        records = ["".join(generator.choices(letters, k=generator.choice((3, 20, 60, 64, 65, 70, 200, 1000)))).encode() for _ in range(2000)]
        both_ways(f"trained on {letters!r}", settings, records)


def merges_txt():
    from transformers import GPT2Tokenizer, WhisperTokenizer
    records = hostile_texts()[:-1] + [text.encode() for text in CONTRACTIONS]
    texts = [record.decode("utf-8", "replace") for record in records]
    for i, (kind, name, config) in enumerate(((GPT2Tokenizer, "gpt2", {}), (GPT2Tokenizer, "gpt2", {"add_prefix_space": True}), (WhisperTokenizer, "gpt2", {}),
                                              (WhisperTokenizer, "multilingual", {}))):
        directory = f"{WORK}/merges{i}"
        os.makedirs(directory)
        settings = byte_level_files.settings(name)
        added = settings["added_tokens"]
        vocab = dict(settings["model"]["vocab"])
        vocab["<|endoftext|>"] = added[0]["id"]
        config = {"tokenizer_class": kind.__name__, **config}
        if kind is WhisperTokenizer:
            config["added_tokens_decoder"] = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added}
        with open(f"{directory}/vocab.json", "w", encoding="utf-8") as file:
            json.dump(vocab, file, ensure_ascii=False)
        with open(f"{directory}/merges.txt", "w", encoding="utf-8") as file:
            file.write("#version: 0.2\n" + "\n".join(settings["model"]["merges"]) + "\n")
        with open(f"{directory}/tokenizer_config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        reference = kind.from_pretrained(directory)
        expected = [reference(text)._encodings[0] for text in texts]
        check_encodings(f"merges.txt with {config}"[:200], texts, expected, dump("encode", directory, records))


def speed():
    """MB/s of one thread by CPU time, best of five, beside tokenizers' on one thread: not part of the test."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for name in NAMES:
        settings = byte_level_files.settings(name)
        directory = write_model(settings, name)
        tokenizer = Tokenizer.from_str(json.dumps(settings))
        for pattern in ("lm/wikitext2.valid.raw", "multi30k_task1_raw/data/**/train.cs*", "multi30k_task1_raw/data/**/train.en*", "text_cls/sst2_train.tsv"):
            records = lines_of(f"{DATA}/{pattern}")
            if not records:
                continue
            texts = [record.decode("utf-8", "replace") for record in records]
            size, best = sum(map(len, records)) / 1e6, 1e9
            for _ in range(5):
                start = time.process_time()
                tokenizer.encode_batch_fast(texts)
                best = min(best, time.process_time() - start)
            ours = float(dump("speed", directory, records)[0])
            print(f"{name}, {pattern}: {size:.2f} MB, tokenizers {size / best:.2f} MB/s, Thaw {size / ours:.2f} MB/s, {best / ours:.1f} x")


run(globals())
