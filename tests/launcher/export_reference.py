"""What transformers makes of an exported directory: export_reference.py DIRECTORY TEXTS OUT

Loads model and tokenizer as any user would, and writes a JSON list of {label, probabilities} for each line of TEXTS.
"""
import json
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

directory, texts, out = sys.argv[1:]
model, loading = AutoModelForSequenceClassification.from_pretrained(directory, output_loading_info=True)
assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
tokenizer = AutoTokenizer.from_pretrained(directory)
lines = []
with torch.no_grad():
    for text in open(texts, encoding="utf-8").read().splitlines():
        logits = model.eval()(**tokenizer(text, return_tensors="pt", truncation=True, max_length=32)).logits[0]
        names = [model.config.id2label[i] for i in range(len(logits))]
        if model.config.problem_type == "multi_label_classification":
            p = torch.sigmoid(logits)
            label = [name for name, value in zip(names, p) if value > 0.5]
        else:
            p = torch.softmax(logits, 0)
            label = names[int(p.argmax())]
        lines.append({"label": label, "probabilities": dict(zip(names, p.tolist()))})
json.dump(lines, open(out, "w"))
