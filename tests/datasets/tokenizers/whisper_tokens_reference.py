"""openai-whisper's tokenizers for test_whisper_tokens.cpp: whisper_tokens_reference.py OUT

OUT/KIND/tokenizer.json for models of English alone, multilingual ones and large-v3's, and OUT/expected.json with what whisper.tokenizer gives.
"""
import json, pathlib, random, sys

import whisper.tokenizer

import byte_level_files

out = pathlib.Path(sys.argv[1])
TEXTS = ["Hello, world! It's 3.14 o'clock -- isn't it?", " And so my fellow Americans, ask not what your country can do for you.", "Ich möchte größere Brötchen, bitte…",
         "こんにちは、世界。今日はいい天気ですね!", "今天天气很好,我们去公园吧。", "สวัสดีครับ วันนี้อากาศดี", "Привет, как дела? Всё хорошо.", "ສະບາຍດີ ເຈົ້າ", "မင်္ဂလာပါ ကမ္ဘာ", "👩‍👩‍👧 emoji 🎉🎉 and ♪♪ music ♫",
         "مرحبا بالعالم", "a\u00a0b\u2003c \u001c d", "«quoted» “curly” (brackets) [x] {y}", " - - ' ' \" \"", "x", " ", "", "...", " ...", "e\u0301e\u0301 \ufffd \ufffd\ufffdx"]


def numbers(tokenizer):
    prompts = []
    for language in ("en", "de", "German", "CASTILIAN", "haitian creole", "yue", "jw"):
        for task in ("transcribe", "translate"):
            for timestamps in (False, True):
                try:
                    made = whisper.tokenizer.get_tokenizer(tokenizer.multilingual, num_languages=tokenizer.num_languages, language=language, task=task)
                    ids = list(made.sot_sequence if timestamps else made.sot_sequence_including_notimestamps)
                except ValueError:
                    ids = None
                prompts.append([language, task, timestamps, ids])
    return {
        "end_of_text": tokenizer.eot, "start_of_transcript": tokenizer.sot, "translate": tokenizer.translate, "transcribe": tokenizer.transcribe,
        "start_of_lm": tokenizer.sot_lm, "start_of_prev": tokenizer.sot_prev, "no_speech": tokenizer.no_speech, "no_timestamps": tokenizer.no_timestamps,
        "first_timestamp": tokenizer.timestamp_begin, "languages": [[code, token] for token, code in sorted(zip(tokenizer.all_language_tokens, tokenizer.all_language_codes))],
        "non_speech": list(tokenizer.non_speech_tokens), "prompts": prompts}


def splits(tokenizer):
    generator = random.Random(8)
    rows = [tokenizer.encode(text) for text in TEXTS]
    rows += [[tokenizer.timestamp_begin + 10, *row, tokenizer.timestamp_begin + 1500, tokenizer.eot] for row in rows]
    for _ in range(3000):  # pieces of text, and any tokens between them, so that characters break off
        row = generator.choice(rows[:len(TEXTS)])
        start = generator.randrange(len(row) + 1)
        other = [generator.randrange(generator.choice((256, tokenizer.eot, tokenizer.timestamp_begin + 1501))) for _ in range(generator.randrange(4))]
        rows.append(row[start:start + generator.randrange(12)] + other + generator.choice(rows[:len(TEXTS)])[:generator.randrange(8)])
    made = []
    for row in rows:
        for language in ("en", "ja"):
            tokenizer.language = language
            try:
                words, tokens = tokenizer.split_to_word_tokens(row)
            except IndexError:  # the reference looks past the text's end
                continue
            made.append([row, language, words, tokens])
    return made


def decoded(tokenizer):
    rows = [[1, 2, tokenizer.timestamp_begin, 300, tokenizer.eot, tokenizer.timestamp_begin + 54, tokenizer.sot], [tokenizer.timestamp_begin + 1500], [], [300, 301, 302, 220, 255, 199]]
    return [[row, tokenizer.decode(row), tokenizer.decode_with_timestamps(row)] for row in rows]


expected = {}
for kind, multilingual, name, languages, timestamps in (("english", False, "gpt2", 99, 0), ("multilingual", True, "multilingual", 99, 0), ("large-v3", True, "multilingual", 100, 1501)):
    (out / kind).mkdir(parents=True)
    (out / kind / "tokenizer.json").write_text(json.dumps(byte_level_files.settings(name, languages, timestamps)))
    tokenizer = whisper.tokenizer.get_tokenizer(multilingual, num_languages=languages)
    tokenizer.multilingual = multilingual
    expected[kind] = {**numbers(tokenizer), "decoded": decoded(tokenizer), "splits": splits(tokenizer)}
(out / "expected.json").write_text(json.dumps(expected))
