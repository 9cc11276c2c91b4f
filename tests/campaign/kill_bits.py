"""What a run left, and what differs between two runs. Without what was measured: times, memory, and the activation cache's
counters, which differ where a killed run began it anew."""

import json
import struct

MEASURED = {"train_s", "saves", "saving_s", "rows_per_s", "tokens_per_s", "wall_s", "startup_s", "first_step_at", "peak_memory_bytes",
            "cache_hits", "cache_misses", "cache_received", "step_s", "comm_wait_s", "evaluation_s"}
OF_RANKS = {"ranks", "threads", "comm_bytes", "made_with"}


def without(keys, value):
    if isinstance(value, dict):
        return {key: without(keys, inner) for key, inner in value.items() if key not in keys}
    return [without(keys, inner) for inner in value] if isinstance(value, list) else value


def read_safetensors(path):
    """Tensors by name as (dtype, shape, bytes), and the metadata; ValueError where the file is not whole."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0] if len(content) >= 8 else len(content) + 1
    if end > len(content):
        raise ValueError(f"{path}: the header is cut")
    header = json.loads(content[8:end])
    metadata = header.pop("__metadata__", {})
    if end + max((entry["data_offsets"][1] for entry in header.values()), default=0) != len(content):
        raise ValueError(f"{path}: {len(content)} bytes are not what the header says")
    return {name: (entry["dtype"], entry["shape"], content[end + entry["data_offsets"][0]:end + entry["data_offsets"][1]])
            for name, entry in header.items()}, metadata


def read_checkpoint(directory, ignored):
    """All tensors of all its files, and the values beside them."""
    tensors, values = {}, {}
    for path in sorted(directory.glob("**/*.safetensors")):
        of_file, metadata = read_safetensors(path)
        tensors.update(of_file)
        for key, text in metadata.items():
            try:
                values[key] = without(ignored, json.loads(text)) or values.get(key)  # one file has them, the others none
            except ValueError:
                values[key] = text
    return tensors, values


def checkpoints(run):
    """The finished ones, newest first, as (step, directory)."""
    try:
        names = [path for path in (run / "checkpoints").iterdir() if path.name[:5] == "step-" and path.name[5:].isdigit()]
    except OSError:
        return []
    return sorted(((int(path.name[5:]), path) for path in names), reverse=True)


def damage(directory):
    """Empty where the files of the checkpoint's manifest are there in their sizes."""
    try:
        for name, file in json.loads((directory / "manifest.json").read_text())["files"].items():
            size = (directory / name).stat().st_size
            if size != file["bytes"]:
                return f"{directory.name}/{name} has {size} bytes instead of {file['bytes']}"
    except (OSError, ValueError, KeyError) as error:
        return f"{directory.name}: {error}"
    return ""


def newest_step(run):
    """Of the newest whole checkpoint; 0 where there is none."""
    return next((step for step, directory in checkpoints(run) if not damage(directory)), 0)


def wounds(run, keep):
    """What must not be, at whatever moment the run was struck. Checkpoints beyond the newest `keep` may be half removed."""
    found = [wound for _, directory in checkpoints(run)[:keep] if (wound := damage(directory))]
    for name in "status.json", "result.json":
        try:
            json.loads((run / name).read_text())
        except FileNotFoundError:
            pass
        except ValueError as error:
            found.append(f"{name}: {error}")
    for name in "best", "best.old":
        try:
            read_safetensors(run / name / "model.safetensors")
        except FileNotFoundError:
            if name == "best" and (run / name).exists():
                found.append("best/ has no model.safetensors")
        except ValueError as error:
            found.append(str(error))
    return found


def read_log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def differences(reference, run, other_ranks=False):
    """Lines that say what `run` has otherwise than `reference`; empty where the bits are the same."""
    ignored = MEASURED | OF_RANKS if other_ranks else MEASURED
    found = []
    for path in sorted((reference / "best").iterdir()):
        if not (run / "best" / path.name).exists() or path.read_bytes() != (run / "best" / path.name).read_bytes():
            found.append(f"best/{path.name}")
    if json.loads((run / "status.json").read_text())["state"] != "done":
        found.append("status.json: not done")
    results = [without(ignored, json.loads((folder / "result.json").read_text())) for folder in (reference, run)]
    found += [f"result.json: {key}: {results[1].get(key)} instead of {results[0].get(key)}"
              for key in sorted(set(results[0]) | set(results[1])) if results[0].get(key) != results[1].get(key)]

    (step, wanted), (last, got) = checkpoints(reference)[0], checkpoints(run)[0]
    if step != last:
        found.append(f"the last checkpoint is of step {last} instead of {step}")
    (tensors, values), (other_tensors, other_values) = read_checkpoint(wanted, ignored), read_checkpoint(got, ignored)
    found += [f"{got.name}: {name}" for name in sorted(set(tensors) | set(other_tensors)) if tensors.get(name) != other_tensors.get(name)]
    found += [f"{got.name}: value {name}" for name in sorted(set(values) | set(other_values)) if values.get(name) != other_values.get(name)]

    logs = [[without(ignored, entry) for entry in read_log(folder)] for folder in (reference, run)]
    if len(logs[0]) != len(logs[1]):
        found.append(f"log.jsonl has {len(logs[1])} lines instead of {len(logs[0])}")
    found += [f"log.jsonl: step {a.get('step')}: {b} instead of {a}" for a, b in zip(*logs) if a != b][:3]
    return found
