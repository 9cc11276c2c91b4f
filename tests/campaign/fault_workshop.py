"""What the campaign of faults runs on: a small random BERT, rows and recipes, made without a library; and what a run leaves, read back."""

import json
import os
import random
import re
import struct
from pathlib import Path

GOOD = "good fine great moving fun".split()
BAD = "bad dull poor weak slow".split()
OTHER = "the a film plot actor is was and very scene".split()
WIDTH, INNER, BLOCKS, POSITIONS = 32, 48, 2, 32

# Three steps of 32 rows, a checkpoint after each, so that the last one removes the first; the best model is exported
# at each phase's end, the second time over the first. The head has few moments, and each tensor is a call more.
RECIPE = """recipe: 1
task: text-classification
model: {shop}/model
output_dir: {out}
data: {{train: {shop}/train.tsv, eval: {shop}/dev.tsv, cache_dir: {shop}/cache, max_length: 32}}
batch: {{size: 32, grain: 8}}
optimizer: {{lr: 1.0e-03}}
schedule: {{name: linear, warmup_ratio: 0.2}}
evaluate: {{every_steps: 4, metric: dev/loss}}
checkpoint: {{every_steps: 1, keep: 2}}
thaw:
  phases:
    - {{trainable: head, until: {{steps: 2}}}}
    - {{trainable: [head, top 1], until: {{steps: 1}}}}
"""

# What was measured differs between runs.
MEASURED = {"train_s", "saves", "saving_s", "rows_per_s", "tokens_per_s", "wall_s", "startup_s", "first_step_at", "peak_memory_bytes", "cache_hits", "cache_misses",
            "step_s", "comm_wait_s", "evaluation_s"}


def make_workshop(shop: Path):
    (shop / "model").mkdir(parents=True)
    words = "[PAD] [UNK] [CLS] [SEP] [MASK]".split() + GOOD + BAD + OTHER
    (shop / "model/vocab.txt").write_text("".join(word + "\n" for word in words))
    (shop / "model/config.json").write_text(json.dumps({
        "model_type": "bert", "hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 4, "intermediate_size": INNER,
        "vocab_size": len(words), "max_position_embeddings": POSITIONS, "initializer_range": 0.1}))
    write_safetensors(shop / "model/model.safetensors", bert_shapes(len(words)), random.Random(7))
    (shop / "train.tsv").write_text(rows(random.Random(1), 90))
    (shop / "dev.tsv").write_text(rows(random.Random(2), 41))
    for name in ("train.tsv", "dev.tsv"):  # what changed in the last seconds is not remembered in the cache
        os.utime(shop / name, (1.7e9, 1.7e9))


def bert_shapes(vocabulary: int) -> dict[str, list[int]]:
    shapes = {"word_embeddings.weight": [vocabulary, WIDTH], "position_embeddings.weight": [POSITIONS, WIDTH],
              "token_type_embeddings.weight": [2, WIDTH], "LayerNorm.weight": [WIDTH], "LayerNorm.bias": [WIDTH]}
    shapes = {"embeddings." + name: shape for name, shape in shapes.items()}
    for block in range(BLOCKS):
        linears = {"attention.self.query": [WIDTH, WIDTH], "attention.self.key": [WIDTH, WIDTH], "attention.self.value": [WIDTH, WIDTH],
                   "attention.output.dense": [WIDTH, WIDTH], "intermediate.dense": [INNER, WIDTH], "output.dense": [WIDTH, INNER]}
        for name, shape in linears.items():
            shapes |= {f"encoder.layer.{block}.{name}.weight": shape, f"encoder.layer.{block}.{name}.bias": shape[:1]}
        for name in ("attention.output", "output"):
            shapes |= {f"encoder.layer.{block}.{name}.LayerNorm.{kind}": [WIDTH] for kind in ("weight", "bias")}
    shapes |= {"pooler.dense.weight": [WIDTH, WIDTH], "pooler.dense.bias": [WIDTH]}
    return {"bert." + name: shape for name, shape in shapes.items()}


def write_safetensors(path: Path, shapes: dict[str, list[int]], numbers: random.Random):
    header, data = {}, b""
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        middle = 1 if name.endswith("LayerNorm.weight") else 0
        values = struct.pack(f"<{count}f", *(middle + numbers.uniform(-0.2, 0.2) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def rows(numbers: random.Random, count: int) -> str:
    """Rows of 3 to 14 words; the label is whether good words outnumber bad ones."""
    text = "text\tlabel\n"
    for _ in range(count):
        words = numbers.choices(GOOD + BAD + OTHER, k=numbers.randint(3, 14))
        balance = sum(word in GOOD for word in words) - sum(word in BAD for word in words)
        text += " ".join(words) + ("\tgood\n" if balance > 0 else "\tbad\n")
    return text


def tensors_of(checkpoint: Path) -> dict[str, bytes]:
    """Every tensor of a checkpoint by its name (dtype, shape and bytes), whichever of its files holds it."""
    found = {}
    for path in sorted(checkpoint.glob("**/*.safetensors")):
        content = path.read_bytes()
        size = struct.unpack_from("<Q", content)[0]
        for name, entry in json.loads(content[8:8 + size]).items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            found[name] = f"{entry['dtype']} {entry['shape']} ".encode() + content[8 + size + begin:8 + size + end]
    return found


def checkpoints_of(run: Path) -> list[str]:
    """Names of the finished checkpoints, the newest last."""
    return sorted(path.name for path in run.glob("checkpoints/step-*") if re.fullmatch(r"step-\d+", path.name))


def without_measured(value):
    if isinstance(value, dict):
        return {key: without_measured(inner) for key, inner in value.items() if key not in MEASURED}
    return [without_measured(inner) for inner in value] if isinstance(value, list) else value


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.glob("**/*")) if path.is_file()}


def outcome_of_run(run: Path) -> dict:
    """What two runs of one recipe have in common, wherever they were interrupted."""
    outcome = {"result.json": without_measured(json.loads((run / "result.json").read_text())),
               "the state in status.json": json.loads((run / "status.json").read_text())["state"],
               "checkpoints/latest": (run / "checkpoints/latest").read_text()}
    outcome |= {f"best/{name}": content for name, content in files_of(run / "best").items()}
    for checkpoint in checkpoints_of(run)[-2:]:  # the last one has no moments: its phase was over
        outcome |= {f"{checkpoint}: {name}": tensor for name, tensor in tensors_of(run / "checkpoints" / checkpoint).items()}
    return outcome


def log_of_run(run: Path) -> list:
    return [without_measured(json.loads(line)) for line in (run / "log.jsonl").read_text().splitlines()]


def differences(found: dict, expected: dict) -> str:
    names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
