"""What transformers' Wav2Vec2CTCTokenizer makes of files, texts and labels: ctc_reference.py OUTPUT"""
import json
import os
import random
import sys
import tempfile

from transformers import Wav2Vec2CTCTokenizer

from texts import hostile_texts

generator = random.Random(8)
SOURCE = os.path.dirname(os.path.abspath(__file__)) + "/../../.."
DATA = os.environ.get("THAW_TEST_DATA", f"{SOURCE}/../shared/data")
USUAL = {"tokenizer_class": "Wav2Vec2CTCTokenizer", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "do_lower_case": False,
         "word_delimiter_token": "|", "replace_word_delimiter_char": " "}


def numbered(tokens):
    return {token: i for i, token in enumerate(tokens)}


LETTERS = [*"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
BASE_960H = numbered(["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS])
TURKISH = numbered([*"abcçdefgğhıijklmnoöprsştuüvyz'-", "|", "[UNK]", "[PAD]"])
PHONES = numbered(["<pad>", "<unk>", "|", "a", "aɪ", "aʊ", "a̠", "b", "d", "dʒ", "e", "eɪ", "f", "h", "i", "iː", "j", "k", "l", "m", "n", "ŋ", "o", "oʊ", "ɔ", "ɔɪ", "p", "r", "s", "ʃ",
                   "t", "tʃ", "tʃʰ", "u", "uː", "v", "w", "z", "ʒ", "θ", "ð", "ə", "ɚ", "ɛ", "ɪ", "ʊ", "ʌ", "æ", "ɑ", "ɑː"])


def added(token, **flags):
    return {"content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


CONFIGURATIONS = [
    ("as published", BASE_960H, USUAL, None, None),
    ("capitals from small letters", BASE_960H, {**USUAL, "do_lower_case": True}, None, None),
    ("cleaned up", BASE_960H, {**USUAL, "clean_up_tokenization_spaces": True, "do_lower_case": True}, None, None),
    ("a fine-tuned one of older versions", TURKISH, {"unk_token": "[UNK]", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "[PAD]", "do_lower_case": False,
                                                     "word_delimiter_token": "|"},
     {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "[UNK]", "pad_token": "[PAD]", "additional_special_tokens": ["<s>", "</s>"]}, {"<s>": 34, "</s>": 35}),
    ("of newer versions", TURKISH, {**USUAL, "unk_token": "[UNK]", "pad_token": "[PAD]", "added_tokens_decoder": {
        "32": added("[UNK]", lstrip=True, rstrip=True, special=False), "33": added("[PAD]", lstrip=True, rstrip=True, special=False), "34": added("<s>"),
        "35": added("</s>", rstrip=True)}}, None, None),
    ("special tokens of the map go before", TURKISH, {**USUAL}, {"unk_token": "[UNK]", "pad_token": added("[PAD]"), "bos_token": None, "eos_token": None}, None),
    ("without a beginning and an end", TURKISH, {**USUAL, "unk_token": "[UNK]", "pad_token": "[PAD]", "bos_token": None, "eos_token": None}, None, None),
    ("another mark between words", BASE_960H, {**USUAL, "replace_word_delimiter_char": "_"}, None, None),
    ("no delimiter in the vocabulary", numbered(["<pad>", "<unk>", "a", "b", "c"]), USUAL, None, None),
    ("phones of several characters", PHONES, {**USUAL, "bos_token": None, "eos_token": None}, None, None),
    ("one language of several", {"eng": BASE_960H, "tur": TURKISH}, {**USUAL, "target_lang": "tur", "unk_token": "[UNK]", "pad_token": "[PAD]"}, None, None),
    ("vocab.json alone", BASE_960H, None, None, None),
]


def texts(vocabulary):
    found = [text for text in hostile_texts() if len(text) < 5000]
    if os.path.exists(f"{DATA}/ljspeech_340/metadata.csv"):
        lines = [line.split("|")[2].strip() for line in open(f"{DATA}/ljspeech_340/metadata.csv", encoding="utf-8")]
        found += [line.encode() for line in lines[:150]] + [line.upper().encode() for line in lines[150:]]
    tokens = [*vocabulary, " ", " ", " ", "  ", "\t", "\u00a0", "é", "ß", "İ", "<s>", "</s>", "[UNK]", "<", "Σ"]
    for _ in range(800):
        found.append("".join(generator.choices(tokens, k=generator.randrange(25))).encode())
    return found


def labels(size):
    for _ in range(300):
        ids = []
        for _ in range(generator.randrange(30)):
            ids += [generator.randrange(size + 2)] * generator.choice((1, 1, 2, 3))
        yield ids
    for _ in range(100):  # mostly spelled words
        yield [generator.choice((0, 4, 4, 5, 6, 7, 5, 5)) for _ in range(40)]


cases = []
for name, vocab, config, special, added_tokens in CONFIGURATIONS:
    files = {"vocab.json": vocab, "tokenizer_config.json": config, "special_tokens_map.json": special, "added_tokens.json": added_tokens}
    files = {file: json.dumps(content, ensure_ascii=generator.random() < 0.5) for file, content in files.items() if content is not None}
    with tempfile.TemporaryDirectory() as directory:
        for file, content in files.items():
            open(f"{directory}/{file}", "w", encoding="utf-8").write(content)
        judge = Wav2Vec2CTCTokenizer.from_pretrained(directory)
    language = vocab["tur"] if "tur" in vocab else vocab
    encoded = []
    for text in texts(language):
        ids = judge(text.decode("utf-8", "replace")).input_ids
        encoded.append([text.hex(), ids])
    decoded = []
    for ids in labels(len(judge)):
        output = judge.decode(ids, output_word_offsets=True)
        decoded.append({"ids": ids, "text": output.text, "apart": judge.decode(ids, group_tokens=False),
                        "words": [[w["word"].lower() if judge.do_lower_case else w["word"], int(w["start_offset"]), int(w["end_offset"])] for w in output.word_offsets or []]})
    cases.append({"name": name, "files": files, "encoded": encoded, "decoded": decoded, "size": len(judge), "blank": judge.pad_token_id,
                  "delimiter": judge.word_delimiter_token_id})
json.dump(cases, open(sys.argv[1], "w"))
