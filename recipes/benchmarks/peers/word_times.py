"""What word_times.sh judges by: when each word of a festvox voice is said, from its own labels of phones.

    word_times.py sentences VOICE COUNT OUT               COUNT of those that no recipe trains on, evenly spaced: their wav/ files, a name a line
    word_times.py openai-whisper MODEL OUT WAV…           openai-whisper's words of each, as `thaw transcribe --format json` writes them
    word_times.py judge VOICE SIDE…                       folders of NAME.json; prints one JSON object

VOICE is what recipes/data/russian.sh made: dev.tsv and test.tsv, wav and lab.

Labels name phones, not words: letters and phones of a sentence are aligned (the least cost of reading each letter as none, one or two
phones), and a word is said from its first phone's start to its last one's end. A word of a transcript counts where it stands in the text as well (the longest common subsequence of both).
"""
import csv, difflib, functools, json, pathlib, re, statistics, sys

VOWELS = {"а": "a aa ay ae", "о": "oo a ay ae aa", "у": "u uu ur", "ы": "y yy ay ae", "э": "e ee y i", "и": "i ii y yy",
          "е": "e ee i ii ay ae y yy", "ё": "oo", "ю": "u uu ur", "я": "a aa i ii ay ae"}
CONSONANTS = {"б": "b p", "п": "p b", "в": "v f", "ф": "f v", "г": "g k h v", "к": "k g h", "х": "h g", "д": "d t c", "т": "t d c ch", "з": "z s sh zh",
              "с": "s z sh sch zh c", "ш": "sh zh", "ж": "zh sh sch", "щ": "sch sh ch", "ч": "ch sh sch", "ц": "c", "м": "m", "н": "n", "л": "l",
              "р": "r", "й": "j i ii"}
SOUNDS = {letter: set(phones.split()) for letter, phones in VOWELS.items()}
SOUNDS |= {letter: {p for phone in phones.split() for p in (phone, phone * 2 if len(phone) == 1 else phone)} for letter, phones in CONSONANTS.items()}
ANY_VOWEL = set().union(*(SOUNDS[letter] for letter in VOWELS))
PAUSE = "pau"


def words_in(text):
    return re.findall("[а-яa-z0-9]+", text.lower().replace("ё", "е").replace("+", ""))


def prompts(voice):
    """Name → text, of the sentences of dev and test."""
    rows = [row for part in ("dev", "test") for row in csv.DictReader(open(voice / f"{part}.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE)]
    return {pathlib.Path(row["path"]).stem: row["sentence"] for row in rows}


def phones_of(voice, name):
    """(phone, start, end) in seconds; a label says where its phone ends."""
    ends = [line.split() for line in (voice / f"lab/{name}.lab").read_text().splitlines() if not line.startswith("#")]
    times = [0.0] + [float(end) for end, _, _ in ends]
    return [(phone, start, end) for (_, _, phone), start, end in zip(ends, times, times[1:])]


def cost(letter, phones):
    """Of reading a letter as these phones."""
    if not phones:
        return 0 if letter in "ьъ" else 2
    if len(phones) == 2:  # я = j + a; a letter that is said as two (ц = t + s)
        return 0.5 + cost(letter, phones[1:]) if letter in "еёюя" and phones[0] == "j" else 4
    if phones[0] in SOUNDS.get(letter, ()):
        return 0
    return 1 if letter in VOWELS and phones[0] in ANY_VOWEL else 3


def word_spans(text, phones):
    """[word, start, end] of each word of the text."""
    words = re.findall("[а-яё]+", text.lower().replace("+", ""))
    letters = [(letter, number) for number, word in enumerate(words) for letter in word]
    names = [phone for phone, _, _ in phones]

    @functools.cache
    def best(i, j):
        """Least cost of letters i … and phones j …, and how many phones letter i takes: -1: phone j is read as none."""
        if i == len(letters) and j == len(names):
            return 0, None
        choices = []
        if j < len(names):
            within = 0 < i < len(letters) and letters[i - 1][1] == letters[i][1]
            choices.append((best(i, j + 1)[0] + ((3 if within else 0) if names[j] == PAUSE else 2), -1))
        if i < len(letters):
            for count in (0, 1, 2):
                if j + count <= len(names) and PAUSE not in names[j:j + count]:
                    choices.append((best(i + 1, j + count)[0] + cost(letters[i][0], tuple(names[j:j + count])), count))
        return min(choices)

    spans, i, j = [[word.replace("ё", "е"), None, None] for word in words], 0, 0
    while i < len(letters) or j < len(names):
        count = best(i, j)[1]
        if count > 0:
            span = spans[letters[i][1]]
            span[1:] = phones[j][1] if span[1] is None else span[1], phones[j + count - 1][2]
        i += count >= 0
        j += abs(count)
    return spans


def timed_words(transcript):
    return [(word, entry["start"], entry["end"]) for segment in transcript["segments"] for entry in segment["words"]
            if len(found := words_in(entry["word"])) == 1 for word in found]


def deviations(reference, heard):
    """(start, end) of each word in both, less the reference's, by its number in the text."""
    matcher = difflib.SequenceMatcher(None, [word for word, _, _ in reference], [word for word, _, _ in heard], autojunk=False)
    return {a + k: (heard[b + k][1] - reference[a + k][1], heard[b + k][2] - reference[a + k][2])
            for a, b, size in matcher.get_matching_blocks() for k in range(size)}


def figures(found):
    starts, ends = [s for s, _ in found], [e for _, e in found]

    def share(good):
        return round(sum(good) / len(found), 4)

    return {"start and end": share(abs(s) <= 0.1 and abs(e) <= 0.1 for s, e in found), "start": share(abs(s) <= 0.1 for s in starts),
            "end": share(abs(e) <= 0.1 for e in ends),
            "median |start|, ms": round(1000 * statistics.median(map(abs, starts))), "median |end|, ms": round(1000 * statistics.median(map(abs, ends))),
            "median start, ms": round(1000 * statistics.median(starts)), "median end, ms": round(1000 * statistics.median(ends))}


def sentences(voice, count, out):
    names = sorted(prompts(pathlib.Path(voice)))
    chosen = [names[i * len(names) // int(count)] for i in range(int(count))]
    pathlib.Path(out).write_text("".join(f"{voice}/wav/{name}.wav\n" for name in chosen))


def openai_whisper(directory, out, *recordings):
    sys.path.remove(str(pathlib.Path(__file__).resolve().parent))  # whisper.py beside this file is another
    import numpy, scipy.io.wavfile, torch, whisper
    from safetensors.torch import load_file

    config = json.load(open(f"{directory}/config.json"))
    names = [("layers", "blocks"), ("fc1", "mlp.0"), ("fc2", "mlp.2"), ("final_layer_norm", "mlp_ln"), ("encoder_attn_layer_norm", "cross_attn_ln"),
             ("self_attn_layer_norm", "attn_ln"), ("encoder_attn", "cross_attn"), ("self_attn", "attn"), ("q_proj", "query"), ("k_proj", "key"),
             ("v_proj", "value"), ("out_proj", "out"), ("embed_tokens", "token_embedding"), ("embed_positions.weight", "positional_embedding")]
    weights = {}
    for name, tensor in load_file(f"{directory}/model.safetensors").items():
        name = re.sub(r"^model\.encoder\.layer_norm", "model.encoder.ln_post", name)
        name = re.sub(r"^model\.decoder\.layer_norm", "model.decoder.ln", name)
        for old, new in names:
            name = re.sub(rf"(?<=\.){re.escape(old)}(?=\.|$)", new, name)
        weights[name.removeprefix("model.")] = tensor
    dims = whisper.model.ModelDimensions(
        config["num_mel_bins"], 1500, config["d_model"], config["encoder_attention_heads"], config["encoder_layers"], config["vocab_size"], 448,
        config["d_model"], config["decoder_attention_heads"], config["decoder_layers"])
    torch.set_num_threads(2)
    model = whisper.model.Whisper(dims).eval()
    model.load_state_dict(weights)
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS["base"])
    for recording in recordings:
        rate, samples = scipy.io.wavfile.read(recording)
        assert rate == 16000, rate
        found = model.transcribe(samples.astype(numpy.float32) / 32768, language="ru", temperature=0, word_timestamps=True, fp16=False)
        json.dump(found, open(f"{out}/{pathlib.Path(recording).stem}.json", "w"))


def judge(voice, *sides):
    voice, texts, found = pathlib.Path(voice), prompts(pathlib.Path(voice)), [{} for _ in sides]
    total = 0
    for path in sorted(pathlib.Path(sides[0]).glob("*.json")):
        reference = word_spans(texts[path.stem], phones_of(voice, path.stem))
        total += len(reference)
        for side, into in zip(sides, found):
            heard = json.load(open(f"{side}/{path.name}"))
            into |= {(path.stem, number): pair for number, pair in deviations(reference, timed_words(heard)).items()}
    both = sorted(set.intersection(*(set(into) for into in found)))
    sides = {pathlib.Path(side).name: figures([into[key] for key in both]) for side, into in zip(sides, found)}
    same = sum(found[0][key] == found[-1][key] for key in both)
    print(json.dumps({"words": total, "heard by all": len(both), "first and last with the same times": same, **sides}, ensure_ascii=False))


if __name__ == "__main__":
    {"sentences": sentences, "openai-whisper": openai_whisper, "judge": judge}[sys.argv[1]](*sys.argv[2:])
