"""What speech_training.sh compares with: transformers' Seq2SeqTrainer on Whisper with a frozen encoder, as its documentation sets it up:
features are extracted before training, labels are padded batch by batch.

    hf_whisper_training.py MODEL ROWS.tsv ROWS-OF-A-STEP THREADS

ROWS.tsv: columns audio and text. Two epochs; the last line is one JSON object: rows_per_s and the last loss of each.
"""
import csv, json, sys, tempfile, time

import torch
from faster_whisper.audio import decode_audio
from tokenizers import Tokenizer
from transformers import (Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback, WhisperFeatureExtractor,
                          WhisperForConditionalGeneration, set_seed)

directory, table, rows_of_step, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
set_seed(42)
model = WhisperForConditionalGeneration.from_pretrained(directory, dtype=torch.float32)
model.freeze_encoder()
model.config.use_cache = False

english = model.config.vocab_size == 51864
prompt, end = ([50257, 50362], 50256) if english else ([50258, 50259, 50359, 50363], 50257)
extract = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
tokenizer = Tokenizer.from_file(directory + "/tokenizer.json")
dataset = []
for row in csv.DictReader(open(table, encoding="utf-8", newline=""), delimiter="\t", quoting=csv.QUOTE_NONE):
    features = extract(decode_audio(row["audio"], sampling_rate=16000), sampling_rate=16000, return_tensors="pt").input_features[0]
    tokens = tokenizer.encode(" " + row["text"], add_special_tokens=False).ids
    dataset.append({"input_features": features, "labels": prompt[1:] + tokens + [end]})


def collate(rows):
    longest = max(len(row["labels"]) for row in rows)
    return {"input_features": torch.stack([row["input_features"] for row in rows]),
            "labels": torch.tensor([row["labels"] + [-100] * (longest - len(row["labels"])) for row in rows])}


class Clock(TrainerCallback):
    def __init__(self):
        self.began, self.ended, self.losses = [], [], []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.began.append(time.perf_counter())

    def on_epoch_end(self, args, state, control, **kwargs):
        self.ended.append(time.perf_counter())

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.losses.append(logs["loss"])


clock = Clock()
with tempfile.TemporaryDirectory() as scratch:
    Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(
            output_dir=scratch, num_train_epochs=2, per_device_train_batch_size=rows_of_step, learning_rate=1e-5, weight_decay=0.01,
            lr_scheduler_type="linear", use_cpu=True, save_strategy="no", eval_strategy="no", logging_steps=1, report_to=[], disable_tqdm=True),
        train_dataset=dataset, data_collator=collate, callbacks=[clock]).train()
print(json.dumps({"rows_per_s": [len(dataset) / (ended - began) for began, ended in zip(clock.began, clock.ended)],
                  "loss": [clock.losses[len(clock.losses) // 2 - 1], clock.losses[-1]]}))
