"""Reference for BERT: transformers, in double precision, on random small configs with odd settings and on real weights.

    bert_reference.py OUT [MINILM_DIRECTORY]

Writes OUT/CASE/{config.json, model*.safetensors} as transformers saves them, and OUT/CASE/reference.safetensors with the
inputs (ids, token types, lengths, labels), logits, loss and the gradient of every parameter.
"""
import json, pathlib, sys

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification

out = pathlib.Path(sys.argv[1])

CASES = {
    "plain": dict(num_labels=2),
    "odd": dict(hidden_size=42, num_attention_heads=3, intermediate_size=55, type_vocab_size=3, layer_norm_eps=1e-3,
                hidden_act="gelu_new", num_labels=5, initializer_range=0.2),
    "relu_multi": dict(hidden_act="relu", num_labels=4, problem_type="multi_label_classification", type_vocab_size=1),
    "tanh_regression": dict(hidden_act="tanh", num_labels=1, problem_type="regression", num_hidden_layers=1),
    "sharded": dict(num_labels=3, num_hidden_layers=4),
    "bare_names": dict(num_labels=3),
}


def random_model(settings, seed):
    torch.manual_seed(seed)
    base = dict(vocab_size=101, hidden_size=48, num_hidden_layers=2, num_attention_heads=6, intermediate_size=96,
                max_position_embeddings=41, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, initializer_range=0.1)
    model = BertForSequenceClassification(BertConfig(**{**base, **settings}))
    with torch.no_grad():  # biases and norms start at 0 and 1: move them, so that a swapped one shows
        for p in model.parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
    return model


def reference(model, directory, seed, longest):
    g = torch.Generator().manual_seed(seed)
    c = model.config
    lengths = torch.randint(1, longest + 1, (7,), generator=g)
    lengths[0], lengths[1] = longest, 1
    ids = torch.zeros(7, longest, dtype=torch.long)
    types = torch.zeros(7, longest, dtype=torch.long)
    mask = torch.zeros(7, longest, dtype=torch.long)
    for row, n in enumerate(lengths.tolist()):
        ids[row, :n] = torch.randint(1, c.vocab_size, (n,), generator=g)
        types[row, n // 2:n] = c.type_vocab_size - 1
        mask[row, :n] = 1
    if c.problem_type == "regression":
        labels = torch.randn(7, generator=g, dtype=torch.double)
    elif c.problem_type == "multi_label_classification":
        labels = (torch.rand(7, c.num_labels, generator=g) > 0.5).double()
    else:
        labels = torch.randint(0, c.num_labels, (7,), generator=g)
    model = model.double().eval()
    model.set_attn_implementation("eager")
    result = model(input_ids=ids, token_type_ids=types, attention_mask=mask, labels=labels)
    result.loss.backward()
    tensors = {"ids": ids[mask.bool()], "types": types[mask.bool()], "lengths": lengths, "labels": labels,
               "logits": result.logits.detach(), "loss": result.loss.detach()}
    for name, p in model.named_parameters():
        tensors["grad/" + name] = p.grad if p.grad is not None else torch.zeros_like(p)
    save_file({k: v.contiguous() for k, v in tensors.items()}, directory / "reference.safetensors")


for number, (name, settings) in enumerate(CASES.items()):
    directory = out / name
    model = random_model(settings, number)
    model.save_pretrained(directory, max_shard_size="40KB" if name == "sharded" else "5GB")
    if name == "bare_names":
        tensors = {k.removeprefix("bert."): v for k, v in load_file(directory / "model.safetensors").items()}
        tensors = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v for k, v in tensors.items()}
        save_file(tensors, directory / "model.safetensors")
    config = json.loads((directory / "config.json").read_text())
    config["problem_type"] = model.config.problem_type
    (directory / "config.json").write_text(json.dumps(config))
    reference(model, directory, number, longest=23)

if len(sys.argv) > 2:
    torch.manual_seed(99)
    model = BertForSequenceClassification.from_pretrained(sys.argv[2], num_labels=2)
    model.save_pretrained(out / "minilm")
    reference(model, out / "minilm", 99, longest=64)
