"""tokenizer.json of GPT-2's and Whisper's vocabularies, made of the ranks that the package openai-whisper carries."""
import base64
import functools
import os

import whisper.tokenizer


def byte_characters():
    """GPT-2's character for each byte: visible ones stand for themselves, the others are U+0100 and on, in turn."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    return {**{b: chr(b) for b in visible}, **{b: chr(256 + i) for i, b in enumerate(others)}}


CHARACTERS = byte_characters()


def written(token):
    return "".join(CHARACTERS[byte] for byte in token)


def halves(ranks, token, rank):
    """The two entries that were merged into this one: what merges of lower ranks make of its bytes."""
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 30))
        assert ranks.get(parts[best] + parts[best + 1], 1 << 30) < rank
        parts[best:best + 2] = [parts[best] + parts[best + 1]]
    return parts


@functools.cache
def ranks_of(name):
    path = os.path.join(os.path.dirname(whisper.tokenizer.__file__), "assets", f"{name}.tiktoken")
    with open(path, encoding="ascii") as file:
        return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file)}


@functools.cache
def vocabulary_and_merges(name):
    ranks = ranks_of(name)
    vocabulary = {written(token): rank for token, rank in ranks.items()}
    return vocabulary, [" ".join(map(written, halves(ranks, t, r))) for t, r in sorted(ranks.items(), key=lambda item: item[1]) if len(t) > 1]


def settings(name, languages=99, timestamps=0):
    """As on the hub: `gpt2` or `multilingual`, with Whisper's special tokens and so many timestamps."""
    vocabulary, merges = vocabulary_and_merges(name)
    specials = ["<|endoftext|>", "<|startoftranscript|>", *[f"<|{code}|>" for code in list(whisper.tokenizer.LANGUAGES)[:languages]], "<|translate|>", "<|transcribe|>",
                "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>", *[f"<|{i * 0.02:.2f}|>" for i in range(timestamps)]]
    added = [{"id": len(vocabulary) + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": i < 7 + languages + 1}
             for i, token in enumerate(specials)]
    ids = {token["content"]: token["id"] for token in added}
    special = lambda token, kind: {"SpecialToken": {"id": token, "type_id": kind}}
    begin = [special("<|startoftranscript|>", 0), special("<|notimestamps|>", 0), {"Sequence": {"id": "A", "type_id": 0}}]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": byte_level,
        "post_processor": {"type": "TemplateProcessing", "single": [*begin, special("<|endoftext|>", 0)],
                           "pair": [*begin, {"Sequence": {"id": "B", "type_id": 1}}, special("<|endoftext|>", 1)],
                           "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>")}},
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary, "merges": merges}}
