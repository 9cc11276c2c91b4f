"""Judges Thaw's tokenizer by Hugging Face's: compare.py CASE TOKENIZER_DUMP MODEL_DIRECTORY DATA_DIRECTORY

Each case writes tokenizer.json files and texts into a temporary directory, runs `tokenizer_dump` on them, and compares every id, type id and
normalised string with what the `tokenizers` package gives. It ends with 1 and the first difference.
"""
import json
import os
import random
import shutil
import sys
import time

from tokenizers import Tokenizer

from harness import CASE, DATA, MODEL, WORK, check_decoding, check_encodings, check_texts, count_one, differ, dump, lines_of, run, write_model
from texts import hostile_texts, long_line, long_marks, with_code_points


def base_settings():
    with open(f"{MODEL}/tokenizer.json", encoding="utf-8") as file:
        settings = json.load(file)
    settings["truncation"] = settings["padding"] = None
    return settings


def corpora():
    reviews = lines_of(f"{MODEL}/../../data/reviews/*.tsv")
    if not reviews:
        sys.exit("build/data/reviews is not there: recipes/data/reviews.sh fetches it")
    check_texts("reviews", base_settings(), reviews, MODEL)
    for pattern in ("text_cls/*.tsv", "text_cls/rt-polarity.*", "text_cls/subj.*", "lm/*", "multi30k_task1_raw/data/**"):
        rows = lines_of(f"{DATA}/{pattern}")
        if rows:
            check_texts(pattern, base_settings(), rows, MODEL)
        else:
            print(f"corpora: without {DATA}/{pattern}, which is not there")


def configurations():
    """Every option of BertNormalizer and the other parts, on hostile texts."""
    records = hostile_texts()[:-1]  # the last one is long
    for clean in (True, False):
        for ideographs in (True, False):
            for strip in (None, True, False):
                for lower in (True, False):
                    settings = base_settings()
                    settings["normalizer"] = {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": ideographs,
                                              "strip_accents": strip, "lowercase": lower}
                    check_texts(f"clean {clean}, ideographs {ideographs}, strip {strip}, lower {lower}", settings, records)
    parts = [{"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")]
    sequences = [[part] for part in parts] + [[parts[1], parts[4], parts[5]], [parts[4], parts[3]]]
    words = [{"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, None,
             {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"}]}]
    for i, sequence in enumerate(sequences):
        settings = base_settings()
        settings["normalizer"] = {"type": "Sequence", "normalizers": sequence} if len(sequence) > 1 else sequence[0]
        settings["pre_tokenizer"] = words[i % len(words)]
        check_texts(f"{sequence} {settings['pre_tokenizer']}", settings, records)
    for change in ({"max_input_chars_per_word": 7}, {"continuing_subword_prefix": ""}, {"unk_token": "[MASK]"}):
        settings = base_settings()
        settings["model"].update(change)
        check_texts(str(change), settings, records)
    for post in (None, {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}):
        settings = base_settings()
        settings["post_processor"] = post
        settings["normalizer"] = None
        check_texts(str(post), settings, records)


def sweep():
    """Every code point in many contexts: normalised text and words, and ids by a vocabulary that has each character."""
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    normalizers = [bert, {**bert, "lowercase": False}, {**bert, "strip_accents": True, "lowercase": False, "clean_text": False},
                   *({"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"))]
    for i, normalizer in enumerate(normalizers):
        settings = {"normalizer": normalizer, "pre_tokenizer": None}
        reference = Tokenizer.from_str(json.dumps({**base_settings(), **settings})).normalizer
        records = with_code_points("A{0}b", "{0}\u0301")
        if i == 0:
            # Marks that are stripped, and marks that stay and take turns with others by their combining class.
            records += with_code_points("a\u0301{0}\u0316", "\u05b0{0}\u05b0", "{0}{0}", "\u09fe{0}\u0323", "\u08d4{0}", "{0}\u302e")
            records += with_code_points("{0}", everywhere=True)
        for record, found in zip(records, dump("normalize", write_model(settings), records)):
            expected = reference.normalize_str(record.decode()).encode()
            if expected != found:
                differ(str(normalizer), record, expected.decode(), found.decode())
            count_one()
    for pre in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation"):
        settings = {"normalizer": None, "pre_tokenizer": {"type": pre}}
        reference = Tokenizer.from_str(json.dumps({**base_settings(), **settings})).pre_tokenizer
        records = with_code_points("a{0}b", everywhere=pre == "BertPreTokenizer")
        for record, found in zip(records, dump("words", write_model(settings), records)):
            expected = [word for word, _ in reference.pre_tokenize_str(record.decode())]
            if expected != [word.decode() for word in found.split(b"\xff")[:-1]]:
                differ(pre, record, expected, found)
            count_one()
    settings = base_settings()
    vocab = settings["model"]["vocab"]
    for code in [*range(0xA0, 0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20)]:
        for token in (chr(code), "##" + chr(code)):
            vocab.setdefault(token, len(vocab))
    check_texts("ids of every code point", settings, with_code_points("A{0}b", "a\u0301{0}\u0316"))


def hostile():
    check_texts("hostile texts", base_settings(), hostile_texts() + long_line(), MODEL)
    line = long_marks()
    for normalizer in (base_settings()["normalizer"], *({"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD"))):
        settings = {**base_settings(), "normalizer": normalizer}
        start = time.monotonic()
        found = dump("normalize", write_model(settings), [line])[0]
        if time.monotonic() - start > 10:
            sys.exit(f"{normalizer}: a line of {len(line)} bytes of marks took {time.monotonic() - start:.0f} s")
        expected = Tokenizer.from_str(json.dumps(settings)).normalizer.normalize_str(line.decode()).encode()
        if expected != found:
            differ(str(normalizer), line, expected, found)
        count_one()


def random_pairs(count):
    lines = [line for line in lines_of(f"{DATA}/text_cls/sst2_dev.tsv") if line] + hostile_texts()[:60]
    generator = random.Random(1)
    records = []
    for _ in range(count):
        records += [generator.choice(lines)[:generator.choice((0, 5, 40, 400))], generator.choice(lines)[:generator.choice((0, 5, 40, 400))]]
    return records


def truncation():
    settings = base_settings()
    directory = write_model(settings)
    records = random_pairs(500)
    texts = [record.decode("utf-8", "replace") for record in records]
    pairs = list(zip(texts[::2], texts[1::2]))
    for post in (settings["post_processor"], {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}, None):
        settings["post_processor"] = post
        tokenizer = Tokenizer.from_str(json.dumps(settings))
        directory = write_model(settings)
        singles_whole = [len(e.ids) for e in tokenizer.encode_batch(texts)]
        pairs_whole = [len(e.ids) for e in tokenizer.encode_batch(pairs)]
        for max_length in (3, 4, 5, 8, 13, 32, 33, 128):
            tokenizer.enable_truncation(max_length, strategy="longest_first")
            check_encodings(f"one, {max_length}", texts, tokenizer.encode_batch(texts), dump("encode", directory, records, max_length), singles_whole)
            check_encodings(f"pair, {max_length}", pairs, tokenizer.encode_batch(pairs), dump("pairs", directory, records, max_length), pairs_whole)


def added_tokens():
    generator = random.Random(2)
    contents = ["hey", "hey you", " spc", "the", "<mask>", "käse", "\u65e5", "]", "[", "it's", "a\u0301", "##ing", "x\u200dy", "\tt", "ß"]
    pieces = contents + ["Käse", "HEY", "Hey You", "KÄSE", " ", "  ", "\t", "\u2000", "\u3000", "a", "Z", "9", "_", "-", ".", "\u0301", "[SEP]", "[MASK]",
                         "[ MASK ]", "[mask]", "\u00a0", "\u0bcd", "\U00013460", "é", "\u200d", "\n", "日本", "ing"]
    records = ["".join(generator.choices(pieces, k=generator.randrange(1, 14))).encode() for _ in range(1500)]
    for trial in range(24):
        settings = base_settings()
        settings["model"]["vocab"]["[unused0]extra"] = len(settings["model"]["vocab"])
        vocab, next_id = settings["model"]["vocab"], len(settings["model"]["vocab"])
        chosen = [c for c in generator.sample(contents, generator.randrange(1, len(contents)))]
        for token in settings["added_tokens"]:
            if trial % 2:
                token.update({flag: generator.random() < 0.5 for flag in ("single_word", "lstrip", "rstrip")})
        for content in chosen:
            token = {"id": vocab.get(content, next_id), "content": content,
                     **{flag: generator.random() < 0.5 for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}}
            next_id += content not in vocab
            settings["added_tokens"].append(token)
        if trial % 4 == 3:
            settings["normalizer"]["lowercase"] = False
        check_texts(f"{settings['added_tokens'][5:]}", settings, records)


def decoding():
    generator = random.Random(6)
    written = [".", "?", "!", ",", "'", "n", "t", "##s", "##'", "m", "do", "not", "##ing", "[SEP]", "[PAD]", "the", "s", "ve", "re", "[CLS]"]
    for decoder in ({"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "WordPiece", "prefix": "##", "cleanup": False}, {"type": "WordPiece", "prefix": "t", "cleanup": True}, None):
        settings = {**base_settings(), "decoder": decoder}
        settings["added_tokens"].append({"id": len(settings["model"]["vocab"]), "content": " do not .", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                                         "special": False})
        size = len(settings["model"]["vocab"])
        known = [settings["model"]["vocab"][token] for token in written] + [size]
        rows = [[generator.choice((generator.choice(known), generator.randrange(size + 20))) for _ in range(generator.randrange(24))] for _ in range(5000)]
        check_decoding(str(decoder), settings, rows, write_model(settings))


def vocab_txt():
    from transformers import BertTokenizer
    records = hostile_texts() + lines_of(f"{DATA}/text_cls/sst2_dev.tsv")
    texts = [record.decode("utf-8", "replace") for record in records]
    for i, config in enumerate(({}, {"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}, {"tokenize_chinese_chars": False},
                                {"do_lower_case": False, "strip_accents": True}, {"mask_token": "<mask>", "sep_token": "[unused7]"})):
        directory = f"{WORK}/vocab{i}"
        os.makedirs(directory)
        shutil.copy(f"{MODEL}/vocab.txt", directory)
        with open(f"{directory}/tokenizer_config.json", "w", encoding="utf-8") as file:
            json.dump({"tokenizer_class": "BertTokenizer", **config}, file)
        reference = BertTokenizer.from_pretrained(directory)
        expected = [reference(text)._encodings[0] for text in texts]
        check_encodings(f"vocab.txt with {config}", texts, expected, dump("encode", directory, records))
        pairs = list(zip(texts[::2], texts[1::2]))[:200]
        expected = [reference(*pair, truncation=True, max_length=24)._encodings[0] for pair in pairs]
        whole = [len(reference(*pair)["input_ids"]) for pair in pairs]
        check_encodings(f"vocab.txt, pairs, {config}", pairs, expected, dump("pairs", directory, records[:400], 24), whole)


def speed():
    """MB/s of one thread by CPU time, best of five, beside tokenizers' on one thread: not part of the test."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer.from_str(json.dumps(base_settings()))
    for pattern in ("lm/wikitext2.valid.raw", "multi30k_task1_raw/data/**/train.cs*", "multi30k_task1_raw/data/**/train.en*", "text_cls/sst2_train.tsv"):
        records = lines_of(f"{DATA}/{pattern}")
        if not records:
            continue
        texts = [record.decode("utf-8", "replace") for record in records]
        size = sum(map(len, records)) / 1e6
        best = 1e9
        for _ in range(5):
            start = time.process_time()
            tokenizer.encode_batch_fast(texts)
            best = min(best, time.process_time() - start)
        ours = float(dump("speed", MODEL, records)[0])
        print(f"{pattern}: {size:.2f} MB, tokenizers {size / best:.2f} MB/s, Thaw {size / ours:.2f} MB/s")


run(globals())
