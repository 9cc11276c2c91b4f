"""Metrics by scikit-learn and scipy, and losses by torch, on random and degenerate cases."""
import json, random, sys, warnings

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, mean_absolute_error, mean_squared_error, recall_score

warnings.filterwarnings("ignore")
rng = random.Random(1)
single, several, numbers, losses, selective = [], [], [], [], []


def classes(targets, predictions, n):
    single.append({
        "classes": n, "targets": targets, "predictions": predictions,
        "accuracy": accuracy_score(targets, predictions),
        "macro": f1_score(targets, predictions, average="macro", zero_division=0),
        "micro": f1_score(targets, predictions, average="micro", zero_division=0),
        "each": f1_score(targets, predictions, average=None, labels=list(range(n)), zero_division=0).tolist(),
        "recalls": recall_score(targets, predictions, average=None, labels=list(range(n)), zero_division=0).tolist(),
        "matthews": matthews_corrcoef(targets, predictions)})


for n in (2, 3, 7):
    for rows in (1, 5, 300):
        targets = [rng.randrange(n) for _ in range(rows)]
        classes(targets, [t if rng.random() < 0.6 else rng.randrange(n) for t in targets], n)
classes([0] * 9, [0] * 9, 2)
classes([0, 1] * 4, [1] * 8, 2)
classes([0, 1, 2, 0], [0, 0, 0, 0], 4)

for rows, n in ((6, 3), (200, 5)):
    t = (np.random.RandomState(rows).rand(rows, n) > 0.6).astype(int)
    p = (np.random.RandomState(rows + 1).rand(rows, n) > 0.5).astype(int)
    p[:, 0] = 0
    several.append({"targets": t.tolist(), "predictions": p.tolist(), "accuracy": accuracy_score(t, p),
                    "macro": f1_score(t, p, average="macro", zero_division=0), "micro": f1_score(t, p, average="micro", zero_division=0),
                    "each": f1_score(t, p, average=None, zero_division=0).tolist()})

for rows in (3, 100):
    a = np.round(np.random.RandomState(rows).randn(rows), 1)
    b = np.round(a + np.random.RandomState(rows + 1).randn(rows), 1)
    numbers.append({"targets": a.tolist(), "predictions": b.tolist(), "mse": mean_squared_error(a, b), "mae": mean_absolute_error(a, b),
                    "pearson": pearsonr(a, b)[0], "spearman": spearmanr(a, b)[0]})

for rows, high in ((0, 1), (1, 0.3), (400, 1), (50, 0.7)):
    confidences = np.round(np.random.RandomState(rows).rand(rows) ** 0.5 * high, 2)
    right = np.random.RandomState(rows + 1).rand(rows) < confidences
    points = []
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99):
        kept = confidences >= threshold
        points.append([threshold, float(kept.mean()) if rows else 0.0, float(right[kept].mean()) if kept.any() else None])
    selective.append({"confidences": confidences.tolist(), "right": right.tolist(), "points": points})

torch.manual_seed(3)
logits = torch.randn(9, 4, dtype=torch.double)
labels = torch.randint(0, 4, (9,))
weights = torch.tensor([0.5, 1.0, 2.0, 3.5], dtype=torch.double)
hot = (torch.rand(9, 4) > 0.5).double()
for smoothing in (0.0, 0.1):
    for w in (None, weights):
        mean = torch.nn.functional.cross_entropy(logits, labels, weight=w, label_smoothing=smoothing)
        losses.append({"kind": "single", "logits": logits.tolist(), "labels": labels.tolist(), "weights": [] if w is None else w.tolist(),
                       "smoothing": smoothing, "mean": mean.item()})
for w in (None, weights):
    mean = torch.nn.functional.binary_cross_entropy_with_logits(logits, hot, weight=w)
    losses.append({"kind": "several", "logits": logits.tolist(), "labels": hot.tolist(), "weights": [] if w is None else w.tolist(),
                   "smoothing": 0.0, "mean": mean.item()})
json.dump({"single": single, "several": several, "numbers": numbers, "losses": losses, "selective": selective}, open(sys.argv[1], "w"))
