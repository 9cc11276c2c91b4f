"""Judges of what thaw train wrote of a speech model: train_speech_reference.py OUT.json MODE ARGUMENTS

    report TABLE REPORT             jiwer's rates of the pairs in an error report; those it does not list were right
    ctc    BEST TABLE LOGITS        transformers' Wav2Vec2ForCTC and Wav2Vec2Processor beside our logits, and its greedy transcripts
    audio  BEST FOLDER              AutoModelForAudioClassification: its accuracy, and its labels
    speech BEST TABLE               WhisperForConditionalGeneration and WhisperProcessor: what they hear
"""
import csv, json, pathlib, re, sys

import numpy as np
import scipy.io.wavfile
import torch

out, mode, *rest = sys.argv[1:]
torch.set_num_threads(1)


def heard(path):
    rate, samples = scipy.io.wavfile.read(path)
    assert rate == 16000, rate
    return samples.astype(np.float32) / 32768


def table(path):
    rows = list(csv.DictReader(open(path), delimiter="\t"))
    return [(row["path"].removesuffix(".wav"), pathlib.Path(path).parent / row["path"], row["text"]) for row in rows]


def report(path, report_path):
    import jiwer
    pairs, listed, text = {}, {}, open(report_path).read()
    said = {key: float(re.search(rf"^{key} +([0-9.]+) %", text, re.M)[1]) for key in ("word error rate", "character error rate")}
    count, right = map(int, re.search(r"^utterances +(\d+), (\d+) without", text, re.M).groups())
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if not any(line.startswith("  ref:") for line in lines):
            continue
        words = {side: [w for line in lines if line.startswith(f"  {side}:") for w in line[6:].split() if set(w) != {"*"}]
                 for side in ("ref", "hyp")}
        listed[lines[0].split("  ")[0]] = (" ".join(words["ref"]), " ".join(words["hyp"]))
    for name, _, reference in table(path):
        pairs[name] = listed.get(name, (reference, reference))
    assert set(listed) <= set(pairs), (listed, pairs)
    references, hypotheses = [p[0] for p in pairs.values()], [p[1] for p in pairs.values()]
    return dict(said_wer=said["word error rate"], said_cer=said["character error rate"], utterances=count, right=right, listed=len(listed),
                wer=jiwer.wer(references, hypotheses), cer=jiwer.cer(references, hypotheses),
                references_right=all(pairs[name][0] == reference for name, _, reference in table(path)),
                hypotheses={name: pair[1] for name, pair in pairs.items()})


def ctc(best, path, logits_path):
    from safetensors.torch import load_file
    from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor
    processor, model = Wav2Vec2Processor.from_pretrained(best), Wav2Vec2ForCTC.from_pretrained(best).eval()
    ours, errors, texts, scale = load_file(logits_path), [], {}, 0
    for name, file, reference in table(path):
        inputs = processor(heard(file), sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            theirs = model(**inputs).logits[0]
        assert ours[name].shape == theirs.shape, (ours[name].shape, theirs.shape)
        errors.append((ours[name] - theirs).abs().max().item())
        scale = max(scale, theirs.abs().max().item())
        texts[name] = processor.batch_decode(theirs.argmax(-1)[None])[0]
    labels = processor.tokenizer(table(path)[0][2]).input_ids
    return dict(error=max(errors), scale=scale, texts=texts, spelled=processor.tokenizer.decode(labels, group_tokens=False),
                pad=model.config.pad_token_id, vocabulary=processor.tokenizer.get_vocab(), size=model.config.vocab_size)


def audio(best, folder):
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification
    extractor, model = AutoFeatureExtractor.from_pretrained(best), AutoModelForAudioClassification.from_pretrained(best).eval()
    right = []
    for file in sorted(pathlib.Path(folder).glob("*/*.wav")):
        inputs = extractor(heard(file), sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            found = model(**inputs).logits[0].argmax().item()
        right.append(model.config.id2label[found] == file.parent.name)
    return dict(accuracy=sum(right) / len(right), labels=[model.config.id2label[i] for i in range(model.config.num_labels)])


def speech(best, path):
    from transformers import WhisperForConditionalGeneration, WhisperProcessor
    processor, model = WhisperProcessor.from_pretrained(best), WhisperForConditionalGeneration.from_pretrained(best).eval()
    texts = {}
    tokenizer = processor.tokenizer
    prompt = torch.tensor([tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|notimestamps|>"])])
    for name, file, _ in table(path):
        inputs = processor(heard(file), sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            ids = prompt
            while ids.shape[1] < 2 + model.config.max_target_positions // 2 and ids[0, -1] != tokenizer.eos_token_id:
                logits = model(input_features=inputs.input_features, decoder_input_ids=ids).logits[0, -1]
                if ids.shape[1] == 2:  # no text begins with its end, or with a blank alone
                    logits[[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("Ġ")]] = -torch.inf
                ids = torch.cat([ids, logits.argmax()[None, None]], 1)
        texts[name] = tokenizer.decode(ids[0], skip_special_tokens=True).strip()
    return dict(texts=texts)


result = {"report": report, "ctc": ctc, "audio": audio, "speech": speech}[mode](*rest)
json.dump(result, open(out, "w"))
