"""What the campaigns train: a tiny BERT and data as tests/launcher/program.cpp makes them, and recipes that differ in what they keep."""

import json
import os
import random
import struct

WORDS = ("good fine great moving fun bad dull poor weak slow "
         "the a film plot actor is was and very scene").split()

# Each ends within a few seconds, and each loses something else if a checkpoint lacks it. Steps of 16 of 90 rows: six an epoch.
RECIPES = {
    # Sleepers' moments, the best weights, fresh blocks, patience within a phase.
    "phases": """
checkpoint: {every_steps: 7, keep: 2}
evaluate: {every_steps: 5, metric: dev/loss}
dropout: 0.1
thaw:
  layer_decay: {convention: sun}
  phases:
    - {trainable: head, until: {steps: 15}, lr: 3.0e-03}
    - {trainable: encoder.layer.0, until: {epochs: 3}}
    - {trainable: encoder.layer.1, until: {rows: 200}, lr: 3.0e-01, schedule: restart}
    - {trainable: head, until: {epochs: 20, patience: 2}, lr: 1.0e-12}
    - trainable: all
      until: {epochs: 5}
      schedule: {name: one_cycle}
      moments: fresh
      restore_best: true
      reinitialise_top: 1
""",
    # Activations that a killed run had kept are made again, row by row.
    "cache": """
checkpoint: {every_steps: 6, keep: 1}
cache: {activations: "on"}
thaw:
  phases:
    - {trainable: head, until: {epochs: 6}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {epochs: 5}}
    - {trainable: all, until: {epochs: 3}}
""",
    # The working copy is bf16, the checkpoint's weights are not; the last phases leave activations on the way.
    "bf16": """
precision: bf16
checkpoint: {every_steps: 9, keep: 2}
thaw:
  phases:
    - {trainable: head, until: {epochs: 1}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {epochs: 7}}
    - {trainable: all, until: {epochs: 6}}
""",
    # Batches by tokens, dropout keyed by step and token, a checkpoint and an evaluation at nearly every step.
    "tokens": """
steps: 70
dropout: 0.3
batch: {tokens: 144, grain: 36}
checkpoint: {every_steps: 2, keep: 2}
evaluate: {every_steps: 1, metric: dev/loss}
""",
    # Ranks share the moments; those of the head sleep for a phase.
    "sharded": """
optimizer: {lr: 1.0e-03, sharded: true}
precision: bf16
checkpoint: {every_steps: 5, keep: 2}
thaw:
  phases:
    - {trainable: head, until: {epochs: 3}, lr: 1.0e-02}
    - {trainable: encoder.layer.2, until: {epochs: 2}}
    - {trainable: all, until: {epochs: 8}}
""",
    # Stops early; a killed run must not have more or less patience.
    "patience": """
epochs: 40
dropout: 0.2
optimizer: {lr: 1.0e-02}
schedule: {name: constant}
checkpoint: {every_steps: 3, keep: 3}
evaluate: {every_steps: 4, metric: dev/loss, patience: 16}
""",
    # No evaluation at all: the model is written once, at the very end.
    "blind": """
steps: 80
dropout: 0.1
data: {train: FOLDER/train.tsv, cache_dir: FOLDER/cache, max_length: 32}
checkpoint: {every_steps: 10}
""",
}

# For --across-ranks.
REPRODUCIBLE = {
    "sharded": """
reproducible: true
optimizer: {lr: 1.0e-03, sharded: true}
checkpoint: {every_steps: 4, keep: 2}
thaw:
  phases:
    - {trainable: [head, top 1], until: {epochs: 4}}
    - {trainable: all, until: {epochs: 6}}
""",
    "reproducible": """
reproducible: true
dropout: 0.1
checkpoint: {every_steps: 3, keep: 2}
evaluate: {every_steps: 4, metric: dev/loss}
thaw:
  phases:
    - {trainable: head, until: {epochs: 4}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {epochs: 4}}
    - {trainable: all, until: {epochs: 6}, restore_best: true}
""",
}

# For faults: three steps of 32 rows, a checkpoint after each, so that the last one removes the first; the best model is exported
# at each phase's end, the second time over the first. The head has few moments, and each tensor is a call more.
BRIEF = """
batch: {size: 32, grain: 8}
schedule: {name: linear, warmup_ratio: 0.2}
evaluate: {every_steps: 4, metric: dev/loss}
checkpoint: {every_steps: 1, keep: 2}
thaw:
  phases:
    - {trainable: head, until: {steps: 2}}
    - {trainable: [head, top 1], until: {steps: 1}}
"""

# A recipe's own line of the same key takes the place of one of these.
COMMON = {
    "recipe": "1",
    "task": "text-classification",
    "model": "FOLDER/model",
    "output_dir": "FOLDER/run",
    "data": "{train: FOLDER/train.tsv, eval: FOLDER/dev.tsv, cache_dir: FOLDER/cache, max_length: 32}",
    "batch": "{size: 16, grain: 4}",
    "optimizer": "{lr: 1.0e-03}",
    "schedule": "{name: linear, warmup_ratio: 0.1}",
}


def make(folder, blocks=3):
    """model/ (a random BERT), train.tsv and dev.tsv."""
    (folder / "model").mkdir(parents=True)
    config = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": blocks, "num_attention_heads": 4, "intermediate_size": 48,
              "vocab_size": 25, "max_position_embeddings": 32, "initializer_range": 0.1}
    (folder / "model/config.json").write_text(json.dumps(config))
    (folder / "model/vocab.txt").write_text("\n".join("[PAD] [UNK] [CLS] [SEP] [MASK]".split() + WORDS) + "\n")
    write_safetensors(folder / "model/model.safetensors", bert_shapes(config))
    (folder / "train.tsv").write_text(rows(1, 90))
    (folder / "dev.tsv").write_text(rows(2, 41))
    for name in "train.tsv", "dev.tsv":  # what changed in the last seconds is not remembered in the cache
        os.utime(folder / name, (1.7e9, 1.7e9))


def write_recipe(folder, name, text):
    own = {line.split(":")[0] for line in text.splitlines()}
    common = "".join(f"{key}: {value}\n" for key, value in COMMON.items() if key not in own)
    path = folder / f"{name}.yaml"
    path.write_text((common + text.lstrip("\n")).replace("FOLDER", str(folder)))
    return path


def bert_shapes(config):
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {f"bert.embeddings.{name}_embeddings.weight": [count, width]
              for name, count in (("word", config["vocab_size"]), ("position", config["max_position_embeddings"]), ("token_type", 2))}

    def linear(name, out, into):
        shapes[name + ".weight"], shapes[name + ".bias"] = [out, into], [out]

    def norm(name):
        shapes[name + ".weight"] = shapes[name + ".bias"] = [width]

    norm("bert.embeddings.LayerNorm")
    for block in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{block}."
        for part in "query", "key", "value":
            linear(layer + "attention.self." + part, width, width)
        linear(layer + "attention.output.dense", width, width)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", inner, width)
        linear(layer + "output.dense", width, inner)
        norm(layer + "output.LayerNorm")
    linear("bert.pooler.dense", width, width)
    return shapes


def write_safetensors(path, shapes):
    """Random values within 0.2 of nothing; a norm's weight within 0.2 of one."""
    draw = random.Random(7)
    header, content = {}, b""
    for name, shape in shapes.items():
        middle = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = struct.pack(f"<{count}f", *(middle + draw.uniform(-0.2, 0.2) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(content), len(content) + len(values)]}
        content += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


def rows(seed, count):
    """Rows of 3 to 14 words; the label is whether good words outnumber bad ones."""
    draw = random.Random(seed)
    lines = ["text\tlabel"]
    for _ in range(count):
        words = draw.choices(WORDS, k=draw.randint(3, 14))
        balance = sum((word in WORDS[:5]) - (word in WORDS[5:10]) for word in words)
        lines.append(" ".join(words) + ("\tgood" if balance > 0 else "\tbad"))
    return "\n".join(lines) + "\n"
