"""Published ways of thawing, as plain PyTorch in double precision: thaw_reference.py METHOD MODEL ROWS OUT

transformers' model, torch's AdamW with a group a parameter, requires_grad, clip_grad_norm_; rates and schedules written down
from the papers and their code. Every step takes all rows, so that no order of rows is needed. Frozen modules are in evaluation
mode. OUT is a safetensors file: the weights at the end, and "loss", "grad_norm" of every step.
"""
import math, sys

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertForSequenceClassification

WEIGHT_DECAY, EPS, CLIP = 0.1, 1e-6, 0.5


class Training:
    def __init__(self, directory, rows):
        self.model = BertForSequenceClassification.from_pretrained(directory, num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        self.model = self.model.double().eval()
        lines = [line.split("\t") for line in open(rows, encoding="utf-8").read().splitlines()[1:]]
        tokenizer = AutoTokenizer.from_pretrained(directory)
        self.inputs = tokenizer([text for text, _ in lines], padding=True, return_tensors="pt")
        self.targets = torch.tensor([["bad", "good"].index(label) for _, label in lines])
        self.blocks = len(self.model.bert.encoder.layer)
        bert = self.model.bert
        self.layers = {"embeddings": [bert.embeddings], **{f"block {i}": [bert.encoder.layer[i]] for i in range(self.blocks)},
                       "head": [bert.pooler, self.model.classifier]}
        self.layer_of = {p: layer for layer, modules in self.layers.items() for module in modules for p in module.parameters()}
        self.names = {p: name for name, p in self.model.named_parameters()}
        assert set(self.layer_of) == set(self.names)
        self.losses, self.norms = [], []
        self.fresh_moments()

    def fresh_moments(self, undecayed_layers=()):
        groups = [{"params": [p], "weight_decay": 0.0 if p.dim() == 1 or self.layer_of[p] in undecayed_layers else WEIGHT_DECAY} for p in self.names]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=EPS)

    def top(self, count):
        return [f"block {i}" for i in range(self.blocks - count, self.blocks)]

    def everything(self):
        return list(self.layers)

    def thaw(self, layers, also=lambda name: False):
        for p, name in self.names.items():
            p.requires_grad_(self.layer_of[p] in layers or also(name))
            p.grad = None
        for layer, modules in self.layers.items():
            for module in modules:
                module.train(any(p.requires_grad for p in module.parameters()))

    def step(self, rates):  # of layers
        for group in self.optimizer.param_groups:
            group["lr"] = rates[self.layer_of[group["params"][0]]]
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self.model(**self.inputs).logits, self.targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for p in self.names if p.requires_grad], CLIP)
        self.optimizer.step()
        self.losses.append(loss.item())
        self.norms.append(norm.item())

    def below_head(self, layer):  # 0: the head, 1: the top block, …, blocks + 1: the embeddings
        return list(reversed(self.layers)).index(layer)

    def rates(self, base, factor):
        return {layer: base * factor(self.below_head(layer)) for layer in self.layers}


def scaled(rates, factor):
    return {layer: rate * factor for layer, rate in rates.items()}


# ---- schedules: a factor of the rate at step t of T

def slanted_triangle(t, T, cut_frac=0.1, ratio=32):  # ULMFiT, section 3.2
    cut = math.floor(T * cut_frac)
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
    return (1 + p * (ratio - 1)) / ratio


def one_cycle(t, T, pct_start=0.25, div=25.0, div_final=1e5):  # fastai: combined_cos(pct_start, lr/div, lr, lr/div_final)
    def cosine(start, end, pos):
        return start + (1 + math.cos(math.pi * (1 - pos))) * (end - start) / 2

    pos = t / T
    return cosine(1 / div, 1, pos / pct_start) if pos < pct_start else cosine(1, 1 / div_final, (pos - pct_start) / (1 - pct_start))


def tri_stage(t, T, parts=(0.1, 0.4, 0.5), initial=0.01, final=0.05):  # fairseq: tri_stage_lr_scheduler.py
    warm, hold, decay = (int(T * part) for part in parts)
    if t < warm:
        return initial + (1 - initial) / warm * t
    if t < warm + hold:
        return 1.0
    return math.exp(math.log(final) / decay * (t - warm - hold)) if t <= warm + hold + decay else final


def warm_linear(t, T, warm):
    return t / warm if t < warm else (T - t) / (T - warm)


def warm_cosine(t, T, warm):
    return t / warm if t < warm else 0.5 * (1 + math.cos(math.pi * (t - warm) / (T - warm)))


# ---- methods

def ulmfit(training, base=2e-3, lengths=(10, 10, 20)):
    """Howard and Ruder 2018: gradual unfreezing, a triangle a phase, each layer's rate that of the one above / 2.6."""
    rates = training.rates(base, lambda below: 1 / 2.6**below)
    for layers, T in zip((["head"], ["head", *training.top(1)], training.everything()), lengths):
        training.thaw(layers)
        for t in range(T):
            training.step(scaled(rates, slanted_triangle(t, T)))


def fastai(training, base=2e-3):
    """fine_tune, with a phase between: the head with pct_start .99, then at base / 2; all by slice(base / 100, base)."""
    training.thaw(["head"])
    for t in range(8):
        training.step(training.rates(base * one_cycle(t, 8, pct_start=0.99), lambda below: 1))
    base /= 2
    training.thaw(["head", *training.top(1)])
    for t in range(8):
        training.step(training.rates(base * one_cycle(t, 8, pct_start=0.3, div=5), lambda below: 1))
    training.thaw(training.everything())
    steps_between = training.blocks + 1  # even_mults over all groups of layers
    spread = training.rates(base, lambda below: (1 / 100) ** (below / steps_between))
    for t in range(16):
        training.step(scaled(spread, one_cycle(t, 16, pct_start=0.3, div=5)))


def allennlp(training):
    """slanted_triangular with gradual_unfreezing and discriminative_fine_tuning: decay_factor .38."""
    rates = training.rates(1e-3, lambda below: 0.38**below)
    for thawed in range(1, training.blocks + 3):
        training.thaw([layer for layer in training.layers if training.below_head(layer) < thawed])
        T = 20 if thawed == training.blocks + 2 else 10
        for t in range(T):
            training.step(scaled(rates, slanted_triangle(t, T)))


def lp_ft(training):
    """Kumar et al. 2022: a linear probe, then everything from there, each with an optimizer and a cosine of its own; ELECTRA's rates."""
    electra = lambda below: 1 if below == 0 else 0.8 ** (below + 1)
    for layers, base, T in ((["head"], 5e-3, 15), (training.everything(), 5e-4, 20)):
        training.fresh_moments()
        training.thaw(layers)
        for t in range(T):
            training.step(scaled(training.rates(base, electra), warm_cosine(t, T, math.ceil(0.1 * T))))


def freeze_n_steps(training):
    """wav2vec2 in fairseq: the head alone for N updates, then the trunk too, the lowest part never but (here) its norms at last."""
    done, T = 0, 40
    for layers, norms, steps in ((["head"], False, 8), (["head", *training.top(training.blocks)], False, 20),
                                 (["head", *training.top(training.blocks)], True, 12)):
        training.thaw(layers, also=lambda name: norms and "LayerNorm" in name)
        for _ in range(steps):
            training.step(training.rates(1e-3 * tri_stage(done, T), lambda below: 1))
            done += 1


def few_sample(training):
    """Zhang et al. 2021: decay .95 down the layers (here never below .9), no weight decay on the head; linear with warm-up."""
    training.fresh_moments(undecayed_layers=["head"])
    rates = training.rates(1e-3, lambda below: max(0.95**below, 0.9))
    done, T = 0, 30
    for layers in (["head"], ["head", *training.top(2)], training.everything()):
        training.thaw(layers)
        for _ in range(10):
            training.step(scaled(rates, warm_linear(done, T, math.ceil(0.1 * T))))
            done += 1


def chain_thaw(training):
    """DeepMoji: the new layer, each layer alone from the lowest block up, then all; each at a rate of its own. Sun et al. 2019's decay."""
    def rates(base):
        # the top block and the head: base; embeddings as the lowest block
        return training.rates(base, lambda below: 0.95 ** (min(max(below, 1), training.blocks) - 1))

    done = 0
    phases = [(["head"], 1e-3, 5), *(([f"block {i}"], 5e-4, 5) for i in range(training.blocks)), (training.everything(), 5e-4, 10)]
    for layers, base, T in phases:
        training.thaw(layers)
        for _ in range(T):
            training.step(scaled(rates(base), min(1.0, done / 2)))
            done += 1


def minilm(training):
    ulmfit(training, base=5e-5, lengths=(10, 10, 10))


method, directory, rows, out = sys.argv[1:]
torch.set_num_threads(1)
run = Training(directory, rows)
{f.__name__: f for f in (ulmfit, fastai, allennlp, lp_ft, freeze_n_steps, few_sample, chain_thaw, minilm)}[method](run)
tensors = {name: p.detach().contiguous() for p, name in run.names.items()}
save_file({**tensors, "loss": torch.tensor(run.losses, dtype=torch.double), "grad_norm": torch.tensor(run.norms, dtype=torch.double)}, out)
