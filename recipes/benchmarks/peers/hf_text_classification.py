#!/usr/bin/env python3
"""The peer for text classification: Hugging Face's Trainer, set up as its own examples set it up.

    torchrun --standalone --nproc-per-node 2 hf_text_classification.py --model DIR --train train.tsv --eval test.tsv

Files are TSV: with a header, its columns `text` and `label`; without one, text and label in this order.
The last line is one JSON object. rows_per_s and tokens_per_s (padding not counted) are of the training loop alone,
first_step_at is the Unix time of its first step, value the accuracy on --eval after training.
"""
import argparse
import csv
import json
import os
import random
import tempfile
import time

import numpy
import torch
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
                          TrainerCallback, TrainingArguments, set_seed)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", required=True)
    add("--train", required=True)
    add("--eval", required=True)
    add("--select", help="evaluate on this file after each epoch, and keep the epoch that is best on it")
    add("--limit", type=int, default=0, help="train on so many rows, chosen at random")
    add("--rows", type=int, default=16, help="rows of a step on each rank")
    add("--epochs", type=float, default=1)
    add("--lr", type=float, default=5e-5)
    add("--warmup", type=float, default=0.1, help="part of all steps")
    add("--max-length", type=int, default=128)
    add("--seed", type=int, default=42)
    add("--threads", type=int, default=1)
    add("--bf16", action="store_true")
    add("--group-by-length", action="store_true")
    add("--phase", action="append", metavar="EPOCHS@LR:PREFIX,PREFIX…",
        help="a run of the Trainer in which only parameters of these prefixes learn (none: all); one after another")
    return parser.parse_args()


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    if "text" in rows[0] and "label" in rows[0]:
        header = rows.pop(0)
        text, label = header.index("text"), header.index("label")
        return [(row[text], row[label]) for row in rows]
    return [(row[0], row[1]) for row in rows]


class LoopClock(TrainerCallback):
    """When the first step began and the last one ended. What evaluations and saving take in between is `away`."""

    def __init__(self):
        self.began = self.ended = self.away = 0.0
        self.evaluated = False

    def on_step_begin(self, args, state, control, **kwargs):
        now = time.time()
        self.began = self.began or now
        if self.evaluated:
            self.away += now - self.ended
            self.evaluated = False

    def on_step_end(self, args, state, control, **kwargs):
        self.ended = time.time()

    def on_evaluate(self, args, state, control, **kwargs):
        self.evaluated = True


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    set_seed(options.seed)  # the new head is random too
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    gpu = torch.cuda.is_available()

    train = read_rows(options.train)
    if options.limit:
        train = random.Random(options.seed).sample(train, min(options.limit, len(train)))
    labels = sorted({label for _, label in train})
    tokenizer = AutoTokenizer.from_pretrained(options.model)

    def dataset(rows):
        encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=options.max_length)
        return [{"input_ids": ids, "attention_mask": mask, "labels": labels.index(label)}
                for ids, mask, (_, label) in zip(encoded["input_ids"], encoded["attention_mask"], rows)]

    train, test = dataset(train), dataset(read_rows(options.eval))
    select = dataset(read_rows(options.select)) if options.select else None
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=len(labels))
    phases = [parse_phase(text) for text in options.phase or [f"{options.epochs}@{options.lr}:"]]
    clocks = []
    for epochs, lr, prefixes in phases:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not prefixes or name.startswith(prefixes))
        clocks.append(LoopClock())
        trainer = train_once(options, epochs, lr, model, tokenizer, train, select, clocks[-1], gpu, ranks)
    accuracy = trainer.evaluate(test)["eval_accuracy"]

    if int(os.environ.get("RANK", 0)) == 0:
        seconds = [clock.ended - clock.began - clock.away for clock in clocks]
        rows = sum(len(train) * epochs for epochs, _, _ in phases)
        tokens = rows * sum(len(row["input_ids"]) for row in train) / len(train)
        print(json.dumps({
            "peer": "transformers.Trainer", "metric": "accuracy", "value": accuracy, "steps": trainer.state.global_step,
            "train_s": sum(seconds), "phases_s": seconds, "rows_per_s": rows / sum(seconds),
            "tokens_per_s": tokens / sum(seconds), "first_step_at": clocks[0].began, "ranks": ranks}))


def parse_phase(text):
    """EPOCHS@LR:PREFIX,PREFIX → epochs, rate, prefixes of the names that learn"""
    length, prefixes = text.split(":")
    epochs, lr = length.split("@")
    return float(epochs), float(lr), tuple(prefix for prefix in prefixes.split(",") if prefix)


def train_once(options, epochs, lr, model, tokenizer, train, select, clock, gpu, ranks):
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=scratch, seed=options.seed, num_train_epochs=epochs,
                per_device_train_batch_size=options.rows, per_device_eval_batch_size=64,
                learning_rate=lr, weight_decay=0.01, lr_scheduler_type="linear", warmup_steps=options.warmup,
                bf16=options.bf16, use_cpu=not gpu, ddp_backend=("nccl" if gpu else "gloo") if ranks > 1 else None,
                eval_strategy="epoch" if select else "no", save_strategy="epoch" if select else "no", save_total_limit=1,
                load_best_model_at_end=bool(select), metric_for_best_model="accuracy" if select else None,
                train_sampling_strategy="group_by_length" if options.group_by_length else "random",
                logging_steps=50, report_to=[], disable_tqdm=True),
            train_dataset=train, eval_dataset=select, data_collator=DataCollatorWithPadding(tokenizer), callbacks=[clock],
            compute_metrics=lambda result: {"accuracy": float((result.predictions.argmax(-1) == result.label_ids).mean())})
        trainer.train()
        return trainer


if __name__ == "__main__":
    main()
