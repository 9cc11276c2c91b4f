"""What a run left, and what differs between two runs. Without what was measured: times, memory, and the activation cache's
counters, which differ where a killed run began it anew."""

import json
import struct

MEASURED = {"train_s", "saves", "saving_s", "rows_per_s", "tokens_per_s", "wall_s", "startup_s", "first_step_at", "peak_memory_bytes",
            "cache_hits", "cache_misses", "cache_received", "step_s", "comm_wait_s", "comm_hidden_s", "evaluation_s"}
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
    """All tensors of all its files, as (dtype, bytes), pieces put together, and the values beside them."""
    tensors, pieces, values = {}, {}, {}
    for path in sorted(directory.glob("**/*.safetensors")):
        of_file, metadata = read_safetensors(path)
        for name, (dtype, _, content) in of_file.items():
            whole, _, first = name.partition("@")
            if first:
                pieces.setdefault((whole, dtype), []).append((int(first), content))
            else:
                tensors[name] = dtype, content
        for key, text in metadata.items():
            try:
                values[key] = without(ignored, json.loads(text)) or values.get(key)  # one file has them, the others none
            except ValueError:
                values[key] = text
    for (whole, dtype), parts in pieces.items():
        tensors[whole] = dtype, b"".join(content for _, content in sorted(parts))
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


def files(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def other_keys(wanted, got):
    return sorted(key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key))


def file_differences(reference, directory):
    return [f"{directory.name}/{name}" for name in other_keys(files(reference), files(directory))]


def differences(reference, run, other_ranks=False, last=1, log=True):
    """Lines that say what `run` has otherwise than `reference`; empty where the bits are the same. Of checkpoints the `last`."""
    ignored = MEASURED | OF_RANKS if other_ranks else MEASURED
    found = log_differences(reference, run, other_ranks) if log else []
    found += file_differences(reference / "best", run / "best")
    if json.loads((run / "status.json").read_text())["state"] != "done":
        found.append("status.json: not done")
    wanted, got = (without(ignored, json.loads((folder / "result.json").read_text())) for folder in (reference, run))
    found += [f"result.json: {key}: {got.get(key)} instead of {wanted.get(key)}" for key in other_keys(wanted, got)]

    names = [[directory.name for _, directory in checkpoints(folder)[:last]] for folder in (reference, run)]
    if names[0] != names[1]:
        return found + [f"the last checkpoints are {names[1]} instead of {names[0]}"]
    latest = (run / "checkpoints/latest").read_text()
    if latest != (reference / "checkpoints/latest").read_text():
        found.append(f"checkpoints/latest: {latest}")
    for name in names[0]:
        both = [read_checkpoint(folder / "checkpoints" / name, ignored) for folder in (reference, run)]
        for kind, wanted, got in zip(("", "value "), *both):
            found += [f"{name}: {kind}{key}" for key in other_keys(wanted, got)]
    return found


def log_differences(reference, run, other_ranks=False):
    """The same of their logs."""
    ignored = MEASURED | OF_RANKS if other_ranks else MEASURED
    logs = [[without(ignored, entry) for entry in read_log(folder)] for folder in (reference, run)]
    found = [f"log.jsonl: step {a.get('step')}: {b} instead of {a}" for a, b in zip(*logs) if a != b][:3]
    return found if len(logs[0]) == len(logs[1]) else [f"log.jsonl has {len(logs[1])} lines instead of {len(logs[0])}", *found]
