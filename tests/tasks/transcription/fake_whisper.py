"""A model with Whisper's interface whose logits and attention are a pure function of audio and tokens, by integer hashing: the
tests' fake_whisper.h computes the same bits. Its tokenizer is openai-whisper's, over a small vocabulary."""
import contextlib, sys, types

import numpy as np
import tiktoken
import torch
import whisper.decoding, whisper.model, whisper.transcribe
from whisper.tokenizer import LANGUAGES, Tokenizer

torch.set_num_threads(1)
MASK = (1 << 64) - 1
N_CTX, HEADS = 64, [(0, 1), (1, 0), (1, 2)]
CODES = list(LANGUAGES)[:5]  # en zh de es ru


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def mix_all(x):
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def noise(key, n):
    """n numbers of [0, 1), multiples of 2^-20."""
    return (mix_all(np.uint64(key) ^ mix_all(np.arange(n, dtype=np.uint64))) >> np.uint64(44)).astype(np.float64) / (1 << 20)


def random_key(seed, *parts):
    key = mix(seed)
    for part in parts:
        key = mix(key ^ mix((part + 0x632BE59BD9B4E019) & MASK))
    return key


def philox(key, counter):
    k0, k1, c0, c1, c2, c3 = key & 0xFFFFFFFF, key >> 32, counter & 0xFFFFFFFF, counter >> 32, 0, 0
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1


# ---- the vocabulary

WORDS = (" the| cat| sat| on| a| mat| dog| and| ran| away| it| was| very| late| house| mouse|ing|ed|s|ly| “|”|。|,|.|!|?| (|)| -|'|你|好|"
         " é|été| \"|\"| one| two| three| four| five| six| seven").split("|")


def make_tokenizer(multilingual, language, task):
    ranks = {bytes([b]): b for b in range(256)}
    for word in WORDS:
        ranks.setdefault(word.encode(), len(ranks))
    languages = CODES
    specials = ["<|endoftext|>", "<|startoftranscript|>", *[f"<|{code}|>" for code in languages], "<|translate|>", "<|transcribe|>",
                "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>", *[f"<|{i * 0.02:.2f}|>" for i in range(1501)]]
    encoding = tiktoken.Encoding(name="fake", explicit_n_vocab=len(ranks) + len(specials), mergeable_ranks=ranks,
                                 special_tokens={token: len(ranks) + i for i, token in enumerate(specials)},
                                 pat_str=r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")
    if not multilingual:
        language = task = None
    return Tokenizer(encoding=encoding, num_languages=len(languages), language=language, task=task)


TOKENIZER = make_tokenizer(True, "en", "transcribe")
T0, EOT, SOT, N_VOCAB = TOKENIZER.timestamp_begin, TOKENIZER.eot, TOKENIZER.sot, TOKENIZER.encoding.n_vocab
BASE = np.full(N_VOCAB, -12.0)
BASE[256:EOT] = 3
BASE[T0:] = -8
for character in ".,!?'\")s":
    BASE[TOKENIZER.encoding.encode_single_token(character)] = 2


# ---- the model

def window_key(mel):
    """mel: [2, 3000], small whole numbers."""
    values = mel.to(torch.int64)
    return mix(int((values[0] * torch.arange(1, 3001) + values[1] * torch.arange(3000, 0, -1) * 7).sum()))


def logits_after(key, tokens):
    """float64 [N_VOCAB], exact in float32, after the whole list `tokens`."""
    kind = key % 8  # 0 repeats itself, 1 is undecided, 2 is silence, 3 says little, 7 stops early, others speak
    start = len(tokens) - 1 - tokens[::-1].index(SOT) if SOT in tokens else 0
    said = len(tokens) - 1 - start
    h = key
    for token in tokens[-1:] if kind == 0 else tokens:
        h = mix(h ^ mix(token + 77))
    scale = {0: 8.0, 1: 1.0, 2: 1.0, 3: 5.0}.get(kind, 12.0)
    logits = BASE + scale * noise(h, N_VOCAB)
    if kind == 0:
        logits[256 + h % 3 * 4:256 + h % 3 * 4 + 4] += 4
    if tokens[-1] == SOT:
        logits[SOT + 1:SOT + 1 + len(CODES)] += 12
        logits[TOKENIZER.no_speech] += 26 if kind == 2 else 8 if kind == 1 else 4
    stamps = [t - T0 for t in tokens[start:] if t >= T0]
    latest = stamps[-1] if stamps else 0
    if h >> 8 & 3 == 0 or said <= 3:
        favourite = latest + int(h >> 16 & (1023 if h >> 32 & 7 == 0 else 255)) * (0 if h >> 40 & 1 else 1)
        logits[T0 + min(favourite, 1500)] += 20
    logits[EOT] = -6 + said * (1.0 if kind == 3 else 0.75) + 4 * noise(h ^ 1, 1)[0]
    if kind == 7 and said > 6 and min(tokens[-2:]) >= T0:  # "go on from here"
        logits[EOT] += 30
    return logits


def read_at_once(key, tokens):
    """Logits after every token, [tokens, N_VOCAB]; they favour the token that follows, so that texts have probable words."""
    rows = np.stack([logits_after(key, tokens[:i + 1]) for i in range(len(tokens))])
    for i, token in enumerate(tokens[1:]):
        rows[i, token] += 16 * noise(random_key(key, i), 1)[0]
    return rows


def attention_scores(key, layer, head, tokens):
    """float64 [tokens, 1500]: a ridge that moves on with the tokens, and noise."""
    place, rows = 0, []
    for i, token in enumerate(tokens):
        h = random_key(key, layer, head, i, token)
        jump = int(h >> 20 & 31)
        place += 150 if jump == 0 else jump if token < EOT else 0
        rows.append(3 * noise(h, 1500) - np.minimum(np.abs(np.arange(1500) - place), 160) / 8)
    return np.stack(rows)


class CrossAttention(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, key, tokens):
        scores = np.stack([attention_scores(key, self.layer, head, tokens) for head in range(3)])
        return None, torch.tensor(scores, dtype=torch.float32)[None]


def keys_of(audio):
    return [sum(int(part) << 16 * i for i, part in enumerate(row[:4, 0].tolist())) for row in audio]


class FakeModel:
    device = torch.device("cpu")

    def __init__(self, multilingual=True):
        self.is_multilingual, self.num_languages = multilingual, len(CODES)
        self.dims = types.SimpleNamespace(n_mels=2, n_audio_ctx=1500, n_audio_state=1, n_text_ctx=N_CTX, n_text_layer=2, n_vocab=N_VOCAB)
        blocks = [types.SimpleNamespace(cross_attn=CrossAttention(layer)) for layer in range(2)]
        self.decoder = types.SimpleNamespace(blocks=blocks)
        heads = torch.zeros(2, 3, dtype=torch.bool)
        for layer, head in HEADS:
            heads[layer, head] = True
        self.alignment_heads = heads.to_sparse()

    def encoder(self, mel):
        audio = torch.zeros(len(mel), 1500, 1)
        for i, one in enumerate(mel):
            key = window_key(one)
            audio[i, :4, 0] = torch.tensor([key >> 16 * j & 0xFFFF for j in range(4)])
        return audio

    def logits(self, tokens, audio):
        keys, rows = keys_of(audio), tokens.tolist()
        each = len(rows) // len(keys)
        return torch.tensor(np.stack([[logits_after(keys[i // each], row[:n + 1]) for n in range(len(row))] for i, row in enumerate(rows)]),
                            dtype=torch.float32)

    def __call__(self, mel, tokens):
        audio = self.encoder(mel)
        for block in self.decoder.blocks:
            block.cross_attn(keys_of(audio)[0], tokens[0].tolist())
        return torch.tensor(read_at_once(keys_of(audio)[0], tokens[0].tolist()), dtype=torch.float32)[None]

    def detect_language(self, mel, tokenizer=None):
        return whisper.decoding.detect_language(self, mel, tokenizer)

    def decode(self, mel, options):
        SAMPLER.attempt(options)
        return whisper.decoding.decode(self, mel, options)


class Inference:
    """No cache: all tokens are read again, but for the logits that nobody asks for."""
    def __init__(self, model, initial_token_length):
        self.model, self.initial = model, initial_token_length

    def logits(self, tokens, audio):
        if tokens.shape[1] == self.initial:
            return self.model.logits(tokens, audio)
        keys, rows = keys_of(audio), tokens.tolist()
        each = len(rows) // len(keys)
        return torch.tensor(np.stack([logits_after(keys[i // each], row) for i, row in enumerate(rows)]), dtype=torch.float32)[:, None]

    def rearrange_kv_cache(self, source_indices):
        pass

    def cleanup_caching(self):
        pass


class Sampler:
    """Draws as the C++ does, by keys: of each window, number of the sample, position."""
    seed = temperatures = None

    def begin(self, keys, samples):
        self.keys, self.samples, self.position = keys, samples, 0

    def attempt(self, options):
        caller = sys._getframe()
        while caller.f_code.co_name != "transcribe":
            caller = caller.f_back
        key = random_key(random_key(self.seed, caller.f_locals["seek"]), self.temperatures.index(options.temperature))
        self.begin([key], options.best_of or 1)

    def categorical(self, logits):
        def sample():
            tokens = []
            for i, row in enumerate(logits):
                c0, c1 = philox(random_key(self.keys[i // self.samples], i % self.samples), self.position)
                u = ((c0 << 21) ^ (c1 >> 11)) * 2.0 ** -53
                sums = torch.softmax(row.double(), 0).cumsum(0)
                tokens.append(int(torch.searchsorted(sums, u * sums[-1], right=True)))
            self.position += 1
            return torch.tensor(tokens)
        return types.SimpleNamespace(sample=sample)


SAMPLER = Sampler()


def install():
    def tokenizer(multilingual, *, num_languages=99, language=None, task=None):
        return make_tokenizer(multilingual, language or "en", task or "transcribe")
    transcribe = sys.modules["whisper.transcribe"]  # the package's attribute is its function
    for module in (whisper.decoding, transcribe):
        module.get_tokenizer = tokenizer
    whisper.decoding.PyTorchInference = Inference
    whisper.decoding.Categorical = SAMPLER.categorical
    transcribe.log_mel_spectrogram = lambda audio, n_mels, padding: torch.nn.functional.pad(audio, (0, 3000))
    whisper.model.disable_sdpa = contextlib.nullcontext


def recording(number, frames):
    """float32 [2, frames] of whole numbers, the same in C++."""
    return torch.tensor(np.stack([np.floor(noise(1000 + 2 * number + row, frames) * 200) for row in range(2)]), dtype=torch.float32)


def vocabulary():
    encoding = TOKENIZER.encoding
    words = lambda tokens: None
    return {
        "eot": EOT, "sot": SOT, "translate": TOKENIZER.translate, "transcribe": TOKENIZER.transcribe, "sot_lm": TOKENIZER.sot_lm,
        "sot_prev": TOKENIZER.sot_prev, "no_speech": TOKENIZER.no_speech, "no_timestamps": TOKENIZER.no_timestamps, "first_timestamp": T0,
        "languages": [[code, TOKENIZER.to_language_token(code)] for code in CODES], "blank": TOKENIZER.encode(" "),
        "non_speech": list(TOKENIZER.non_speech_tokens), "size": N_VOCAB, "base": BASE.tolist(), "max_tokens": N_CTX, "heads": HEADS,
        "tokens": [encoding.decode_single_token_bytes(i).hex() for i in range(EOT)]}


install()
