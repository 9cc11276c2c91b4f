"""openai-whisper's writers on random transcripts, with and without words, under all kinds of limits; and str.strip()."""
import io, json, random, sys

from whisper.utils import get_writer

rng = random.Random(11)
WORDS = [" the", " cat", " sat", " on", " a", " mat,", " été", "你好", "。", " “quoted”", " it's", " \"so\"", " tree-lined", " very", " unimaginably", " I"]


def transcript(with_words, long):
    segments, at = [], rng.choice([0.0, 1.5, 3590.0, 7261.04])
    for i in range(rng.randrange(0, 7) if long else 1):
        words, start = [], at
        for _ in range(rng.randrange(1, 16)):
            length = round(rng.choice([0.0015, 0.02, 0.34, 1.1]) + rng.random() * 0.01, 4)  # cues of no length are shown otherwise here
            words.append({"word": rng.choice(WORDS), "start": at, "end": at + length, "probability": rng.random()})
            at += length + rng.choice([0, 0, 0.1, 3.5])
        segment = {"id": i, "seek": rng.randrange(9000), "start": start, "end": at, "text": "".join(w["word"] for w in words), "tokens": [rng.randrange(50000)],
                   "temperature": rng.choice([0.0, 0.2]), "avg_logprob": -rng.random(), "compression_ratio": rng.random() * 3,
                   "no_speech_prob": rng.random()}
        if with_words:
            segment["words"] = words
        segments.append(segment)
        # The next one may begin before this one ends; with words openai-whisper would write cues that end before they begin.
        at += rng.choice([0, 0 if with_words else -0.4, 4.0])
        at = max(at, 0)
    return {"text": "".join(s["text"] for s in segments), "segments": segments, "language": rng.choice(["en", "zh"])}


def written(result, kind, options):
    out = io.StringIO()
    get_writer(kind, ".").write_result(result, file=out, options=options)
    return out.getvalue()


LIMITS = [{}, {"max_line_width": 20}, {"max_line_count": 2}, {"max_line_width": 24, "max_line_count": 2}, {"max_line_width": 12, "max_line_count": 1},
          {"max_words_per_line": 3}, {"max_words_per_line": 2, "max_line_width": 30, "max_line_count": 3}]
cases = []
for i in range(400):
    options = {**rng.choice(LIMITS), **({"highlight_words": True} if rng.random() < 0.4 else {})}
    result = transcript(rng.random() < 0.75, rng.random() < 0.9)
    cases.append({"result": result, "options": options, **{kind: written(result, kind, options) for kind in ("txt", "srt", "vtt", "tsv", "json")}})
strips = ["", " ", " a ", "\t\na\x1c\x1f", "\u00a0\u3000x y\u2003\u2028", "\u200bz\u200b", "\u0085a\u1680", "\u202f\u205f", "a\u180e", "\u200a\u2000q\u2029"]
json.dump({"cases": cases, "strips": [[text, text.strip(), len(text)] for text in strips]}, open(sys.argv[1], "w"))
