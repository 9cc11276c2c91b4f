"""What transformers makes of recordings with small random CTC models, whose labels change as those of real ones do.

    ctc_reference.py FOLDER                                    writes FOLDER/{wav2vec2,hubert,wavlm}, FOLDER/*.wav, and FOLDER/*.json:
                                                               heard: text, words and their offsets, of models and recordings
                                                               judged: forced alignments by dynamic programming, and the scores of
                                                               pronunciation that follow, of sentences
    ctc_reference.py heard OUT.json MODEL WAV WINDOWS.json     the same of windows [begin, end] in s, joined in the middle of what two
                                                               of them share
    ctc_reference.py losses OUT.json MODEL WAV TEXTS.json      how improbable each of these texts is
"""
import itertools, json, math, pathlib, sys

import numpy
import scipy.io.wavfile
import torch
import transformers

SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, conv_dim=(16,) * 7, initializer_range=0.2,
             num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, vocab_size=32)
LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"
MODELS = {
    "wav2vec2": ("Wav2Vec2", dict(), True, False),
    "hubert": ("Hubert", dict(do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True), True, True),
    "wavlm": ("WavLM", dict(num_buckets=32, max_bucket_distance=64), False, False),
}
SENTENCES = [("wav2vec2", "other", "SHE HAD YOUR DARK SUIT"), ("wav2vec2", "short", "ALL'S WELL"), ("wavlm", "other", "GREASY WASH WATER ALL YEAR"),
             ("wavlm", "short", "A")]
STEP, NEEDED = 320, 400  # samples a frame, and for the first


def noises(seed, pieces):
    """Bursts like syllables, as loud as speech: (seconds, voiced) after each other."""
    g, out = numpy.random.default_rng(seed), []
    for seconds, voiced in pieces:
        count = int(seconds * 16000)
        if not voiced:
            out.append(g.normal(0, 1e-4, count))
            continue
        piece = []
        while sum(map(len, piece)) < count:
            n = int(g.uniform(0.04, 0.2) * 16000)
            t = numpy.arange(n) / 16000
            tones = sum(numpy.sin(2 * math.pi * g.uniform(100, 3500) * t + g.uniform(0, 6)) * g.uniform(0.1, 1) for _ in range(4))
            piece.append((0.05 * tones + g.normal(0, 0.01, n)) * g.uniform(0.5, 1))
            piece.append(g.normal(0, 1e-4, int(g.uniform(0.03, 0.1) * 16000)))
        out.append(numpy.concatenate(piece)[:count])
    return (numpy.clip(numpy.concatenate(out), -1, 1) * 32767).astype(numpy.int16)


def write(folder):
    folder.mkdir(parents=True)
    g = numpy.random.default_rng(5)
    phrases = [piece for _ in range(14) for piece in ((g.uniform(0.8, 4), True), (g.uniform(0.7, 2), False))]
    recordings = {"short": noises(1, [(3, True), (0.8, False), (2.5, True)]), "other": noises(2, [(0.3, False), (4, True)]),
                  "long": noises(3, phrases + [(41, True), (1, False)] + phrases[:6]), "silent": numpy.zeros(16000, numpy.int16),
                  "tiny": noises(4, [(399 / 16000, True)]), "brief": noises(4, [(0.2, True)])}
    for name, samples in recordings.items():
        scipy.io.wavfile.write(folder / f"{name}.wav", 16000, samples)
    calibration = torch.tensor(noises(9, [(12, True), (1, False)]).astype(numpy.float32) / 32768)
    for seed, (name, (family, settings, normalize, lower)) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        model = getattr(transformers, f"{family}ForCTC")(getattr(transformers, f"{family}Config")(**SIZES, **settings)).eval()
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize)
        with torch.no_grad():  # every label about as often as another, blanks and delimiters more often
            logits = model(**extractor(calibration.numpy(), sampling_rate=16000, return_tensors="pt")).logits[0]
            scale = 3 / logits.std(0)
            model.lm_head.weight *= scale[:, None]
            model.lm_head.bias.copy_(-logits.mean(0) * scale)
            model.lm_head.bias[[1, 2, 3]] -= 30
            model.lm_head.bias[0] += 3
            model.lm_head.bias[4] += 2
        model.save_pretrained(folder / name)
        vocabulary = folder / name / "vocab.json"
        vocabulary.write_text(json.dumps({token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS])}))
        transformers.Wav2Vec2CTCTokenizer(str(vocabulary), do_lower_case=lower).save_pretrained(folder / name)
        extractor.save_pretrained(folder / name)
    texts = {f"{model} {recording}": heard(folder / model, folder / f"{recording}.wav") for model in MODELS for recording in ("short", "other")}
    (folder / "heard.json").write_text(json.dumps(texts))
    sentences = [{"model": model, "recording": recording, "text": text, **judged(folder / model, folder / f"{recording}.wav", text)}
                 for model, recording, text in SENTENCES]
    (folder / "judged.json").write_text(json.dumps(sentences))


def opened(model, wav):
    rate, samples = scipy.io.wavfile.read(wav)
    assert rate == 16000
    family = getattr(transformers, json.loads((pathlib.Path(model) / "config.json").read_text())["architectures"][0])
    return (family.from_pretrained(model).eval(), transformers.Wav2Vec2FeatureExtractor.from_pretrained(model),
            transformers.Wav2Vec2CTCTokenizer.from_pretrained(model), samples.astype(numpy.float32) / 32768)


def log_probs(model, extractor, samples):
    with torch.no_grad():
        return model(**extractor(samples, sampling_rate=16000, return_tensors="pt")).logits[0].log_softmax(-1)


def sequences(model, extractor, samples, windows):
    """[first frame, log-probabilities]: windows that share frames are one, each with its side of their middle."""
    joined = []
    for begin, end in windows:
        first = round(begin * 16000) // STEP
        part = samples[first * STEP:min(round(end * 16000), len(samples))]
        if len(part) < NEEDED:
            continue
        here = log_probs(model, extractor, part)
        if joined and first < joined[-1][0] + len(joined[-1][1]):
            start, before = joined[-1]
            middle = (first + start + len(before)) // 2
            joined[-1] = (start, torch.cat([before[:middle - start], here[middle - first:]]))
        else:
            joined.append((first, here))
    return joined


def heard(model_name, wav, windows=None):
    model, extractor, tokenizer, samples = opened(model_name, wav)
    windows = json.loads(pathlib.Path(windows).read_text()) if windows else [[0, len(samples) / 16000]]
    texts, words, closest = [], [], math.inf
    for first, values in sequences(model, extractor, samples, windows):
        best = values.topk(2, -1)
        closest = min(closest, (best.values[:, 0] - best.values[:, 1]).min().item())
        labels = best.indices[:, 0]
        said = tokenizer.decode(labels, output_word_offsets=True)
        texts.append(said.text)
        for word in said.word_offsets:
            begin, end = word["start_offset"], word["end_offset"]
            own = [values[t, labels[t]].item() for t in range(begin, end) if labels[t] != tokenizer.pad_token_id]
            words.append({"word": word["word"], "start": (first + begin) * STEP / 16000, "end": (first + end) * STEP / 16000,
                          "probability": math.exp(sum(own) / len(own))})
    assert closest > 2e-5, f"a frame's two best labels differ by {closest} alone: choose another seed"
    return {"text": " ".join(t for t in texts if t), "words": words, "sequences": len(texts)}


def judged(model_name, wav, sentence):
    model, extractor, tokenizer, samples = opened(model_name, wav)
    ids = tokenizer(sentence).input_ids
    values = log_probs(model, extractor, samples).double().numpy()
    blank, delimiter = tokenizer.pad_token_id, tokenizer.word_delimiter_token_id
    states = [blank] + [x for i in ids for x in (i, blank)]
    best = numpy.full((len(values), len(states)), -math.inf)
    came = numpy.zeros(best.shape, int)
    best[0, :2] = values[0, states[:2]]
    for t in range(1, len(values)):
        for s in range(len(states)):
            sources = [s] + ([s - 1] if s > 0 else []) + ([s - 2] if s > 1 and states[s] not in (blank, states[s - 2]) else [])
            came[t, s] = max(sources, key=lambda source: best[t - 1, source])
            best[t, s] = best[t - 1, came[t, s]] + values[t, states[s]]
    s, path = max(len(states) - 1, len(states) - 2, key=lambda last: best[-1, last]), []
    for t in range(len(values) - 1, -1, -1):
        path.insert(0, s)
        s = came[t, s]
    tokens = []
    for i, token in enumerate(ids):
        frames = [t for t, state in enumerate(path) if state == 2 * i + 1]
        gop = float(numpy.mean(values[frames, token] - values[frames].max(1)))
        instead = int(values[frames].sum(0).argmax())
        tokens.append({"gop": gop, "start": frames[0], "end": frames[-1] + 1, "log": [float(x) for x in values[frames, token]],
                       "heard": None if instead == blank or (instead == delimiter and token != delimiter) else instead})
    words, here = [], []
    for token, id in [*zip(tokens, ids), (None, delimiter)]:
        if id != delimiter:
            here.append((token, id))
        elif here:
            words.append(here)
            here = []
    show = tokenizer.convert_ids_to_tokens
    times = lambda a, b: {"start": a["start"] * STEP / 16000, "end": b["end"] * STEP / 16000}
    score = lambda gops: 100 * math.exp(sum(gops) / len(gops))
    out = []
    for w, word in enumerate(words):
        first = 0 if w == 0 else word[0][0]["start"]
        end = len(values) if w + 1 == len(words) else words[w + 1][0][0]["start"]
        labels = [k for k, _ in itertools.groupby(values[first:end].argmax(1)) if k not in (blank, delimiter)]
        out.append({"word": "".join(show([i for _, i in word])), "score": score([t["gop"] for t, _ in word]), **times(word[0][0], word[-1][0]),
                    "probability": math.exp(numpy.mean([x for t, _ in word for x in t["log"]])), "heard": "".join(show([int(k) for k in labels])),
                    "sounds": [{"sound": show(i), "score": score([t["gop"]]), **times(t, t), "probability": math.exp(numpy.mean(t["log"])),
                                "heard": None if t["heard"] is None else show(t["heard"])} for t, i in word]})
    return {"score": score([t["gop"] for word in words for t, _ in word]), "words": out}


def losses(model_name, wav, texts):
    """-log of the probability of each text, all of its alignments counted."""
    model, extractor, tokenizer, samples = opened(model_name, wav)
    values = log_probs(model, extractor, samples)
    rows = [torch.tensor(tokenizer(text).input_ids) for text in json.loads(pathlib.Path(texts).read_text())]
    return [torch.nn.functional.ctc_loss(values, row, [len(values)], [len(row)], blank=0, reduction="sum").item() for row in rows]


torch.set_num_threads(2)
if len(sys.argv) == 2:
    write(pathlib.Path(sys.argv[1]))
else:
    kind, out, *rest = sys.argv[1:]
    json.dump({"heard": heard, "losses": losses}[kind](*rest), open(out, "w"))
