"""Small random models in the hub's layout, and recordings to teach them: speech_models.py OUT

OUT/whisper       WhisperForConditionalGeneration of English alone, with a byte-level tokenizer and no preprocessor_config.json
OUT/multilingual  the same with a vocabulary of more than 50,257 tokens, by which Whisper's kind is known, and two languages
OUT/wav2vec2      the trunk alone, as a pretrained base is published: no head, no vocabulary, no preprocessor_config.json
OUT/corpus        16 and 8 utterances by two speakers, train.tsv and dev.tsv; a letter is a tone of 120 ms, a blank a pause
OUT/classes       train and dev, each with folders low and high, by the pitch of what is heard
"""
import json, pathlib, sys

import numpy as np
import scipy.io.wavfile
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Wav2Vec2Config, Wav2Vec2Model, WhisperConfig, WhisperForConditionalGeneration

out = pathlib.Path(sys.argv[1])
RATE, LETTERS = 16000, "abcdef"


def write_whisper(directory, languages, text_tokens):
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = [*[("Ġ", letter) for letter in LETTERS], ("a", "b")]  # a blank alone begins no transcript of Whisper's
    for pair in merges:
        vocabulary["".join(pair)] = len(vocabulary)
    while len(vocabulary) < text_tokens:
        vocabulary[f"unused{len(vocabulary)}"] = len(vocabulary)
    specials = ["<|endoftext|>", "<|startoftranscript|>", *[f"<|{code}|>" for code in languages], "<|translate|>", "<|transcribe|>",
                "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>", *[f"<|{i * 0.02:.2f}|>" for i in range(1501)]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    end = tokenizer.token_to_id("<|endoftext|>")
    torch.manual_seed(1)
    config = WhisperConfig(vocab_size=tokenizer.get_vocab_size(), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                           decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48, num_mel_bins=80, max_source_positions=1500,
                           max_target_positions=40, init_std=0.1, dropout=0.1, pad_token_id=end, bos_token_id=end, eos_token_id=end,
                           decoder_start_token_id=end + 1, suppress_tokens=None, begin_suppress_tokens=None, classifier_proj_size=16)
    WhisperForConditionalGeneration(config).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))


def write_wav2vec2(directory):
    torch.manual_seed(2)
    config = Wav2Vec2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, conv_dim=(16,) * 7,
                            num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, initializer_range=0.1, classifier_proj_size=16,
                            mask_time_length=4)
    Wav2Vec2Model(config).save_pretrained(directory)


def tone(letter, speaker):
    t = np.arange(int(0.12 * RATE)) / RATE
    pitch = 300 * 1.4 ** LETTERS.index(letter)
    wave = np.sin(2 * np.pi * pitch * t) + (0.3 if speaker == "ann" else 0.05) * np.sin(4 * np.pi * pitch * t)
    return wave * np.minimum(1, np.minimum(t, t[::-1]) / 0.01)


def write_corpus(directory):
    random = np.random.default_rng(3)
    directory.mkdir()
    for part, rows in (("train", 16), ("dev", 8)):
        lines = ["path\ttext\tspeaker\tid"]
        for row in range(rows):
            speaker = ("ann", "bob")[row % 2]
            text = " ".join("".join(random.choice(list(LETTERS), 2 + random.integers(3))) for _ in range(2))
            parts = [np.zeros(int(0.1 * RATE)) if letter == " " else tone(letter, speaker) for letter in text]
            wave = np.concatenate(parts) * 0.3 + random.normal(0, 0.01, sum(map(len, parts)))
            samples = (wave * 32767).clip(-32768, 32767).astype(np.int16)
            lines.append(f"{part}{row:02}.wav\t{text}\t{speaker}\t{part}{row:02}")
            scipy.io.wavfile.write(directory / f"{part}{row:02}.wav", RATE, samples)
        (directory / f"{part}.tsv").write_text("\n".join(lines) + "\n")


def write_classes(directory):
    random = np.random.default_rng(4)
    for part, rows in (("train", 8), ("dev", 4)):
        for name, pitches in (("low", (200, 400)), ("high", (2000, 4000))):
            folder = directory / part / name
            folder.mkdir(parents=True)
            for row in range(rows):
                t = np.arange(int(random.uniform(0.5, 0.9) * RATE)) / RATE
                wave = 0.3 * np.sin(2 * np.pi * random.uniform(*pitches) * t) + random.normal(0, 0.01, len(t))
                scipy.io.wavfile.write(folder / f"{row}.wav", RATE, (wave * 32767).astype(np.int16))


out.mkdir()
write_whisper(out / "whisper", ["en"], 263)
write_whisper(out / "multilingual", ["en", "ru"], 50257)
write_wav2vec2(out / "wav2vec2")
write_corpus(out / "corpus")
write_classes(out / "classes")
