#!/usr/bin/env bash
# What a supervisor costs a run on four ranks: `thaw launch` (ours) and plain mpirun (peer) in turn, the median step of each; beside it the
# supervisor's own share of a core. `restart_s`: from the death of a rank (SIGKILL) to the end of the first step after the restart,
# each of THAW_KILLS (5) in a run of its own; `heartbeats`: the supervisor's share of a core, and its memory, at 4,096 simulated ranks.
set -euo pipefail
# shellcheck source=recipes/benchmarks/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ranks=4
reviews_recipe "${THAW_ROWS:-1280}" 1
sed -i 's/^batch:.*/batch: {size: 32, grain: 8}/' "$out/recipe.yaml"

"$python" - "$out" "$thaw" "$ranks" "${THAW_ROUNDS:-5}" "${THAW_KILLS:-5}" "$(hardware_of)" "$(commit_of)" <<'END'
import json, os, re, shutil, signal, statistics, subprocess, sys, time
from pathlib import Path

out, thaw, ranks, rounds, kills, hardware, commit = sys.argv[1:]
out, ranks, rounds, kills = Path(out), int(ranks), int(rounds), int(kills)
ticks = os.sysconf("SC_CLK_TCK")


def of_process(pid):
    """Its own processor seconds, and its memory in MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    memory = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return (int(fields[11]) + int(fields[12])) / ticks, int(memory.group(1)) / 1e3 if memory else 0.0


def run(command, name, watched=False, environment=None, allowed=(0,)):
    """Its own share of a core once it had started, and the most that was seen of its memory."""
    first, seen, memory = None, None, 0.0
    with open(out / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
        while process.poll() is None:
            time.sleep(1)
            try:
                if watched:
                    seen = (time.monotonic(), *of_process(process.pid))
                    first, memory = first or seen, max(memory, seen[2])
            except (OSError, IndexError):
                pass
    if process.returncode not in allowed:
        sys.exit((out / f"{name}.log").read_text()[-3000:])
    return ((seen[1] - first[1]) / (seen[0] - first[0]), memory) if watched else None


def arguments(name):
    return [str(out / "recipe.yaml"), f"output_dir={out / name}"]


def middle_step(name):
    steps = [json.loads(line) for line in (out / name / "log.jsonl").read_text().splitlines()]
    return statistics.median([step["step_s"] for step in steps if "loss" in step][1:])


steps, shares = {"ours": [], "peer": []}, []
for number in range(rounds):
    run(["mpirun", "-n", str(ranks), thaw, "train", *arguments(f"peer{number}")], f"peer{number}")
    shares.append(run([thaw, "launch", "-n", str(ranks), *arguments(f"ours{number}")], f"ours{number}", True)[0])
    for side in steps:
        steps[side].append(middle_step(f"{side}{number}"))
    print(f"a step: supervised {1000 * steps['ours'][-1]:.1f} ms, alone {1000 * steps['peer'][-1]:.1f} ms; supervisor {100 * shares[-1]:.2f} % of a core", flush=True)

restarts = []
for number in range(kills):
    name = f"killed{number}"
    log = out / name / "log.jsonl"
    command = [thaw, "launch", "-n", str(ranks), "--no-page", *arguments(name), "checkpoint.every_steps=5"]
    with open(out / f"{name}.log", "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        while not (out / name / "checkpoints/latest").exists():
            time.sleep(0.01)
        rank = subprocess.run(["pgrep", "-f", f"thaw train.*{out / name}"], capture_output=True, text=True).stdout.split()[-1]
        killed = time.time()
        os.kill(int(rank), signal.SIGKILL)
        events, again = out / name / "launch/events.jsonl", None
        while not (again := [e for e in map(json.loads, events.read_text().splitlines()) if e["kind"] == "restart"]):
            time.sleep(0.01)
        while log.stat().st_mtime < again[0]["at"] + 0.1:  # the log is cut when the run goes on: then the first line comes
            time.sleep(0.005)
        size = log.stat().st_size
        while log.stat().st_size <= size:
            time.sleep(0.005)
        restarts.append(time.time() - killed)
        print(f"death to restart {again[0]['at'] - killed:.2f} s, to the first step {restarts[-1]:.2f} s", flush=True)
        process.send_signal(signal.SIGTERM)
        process.wait()

many = {}
if (Path("build/release/many_ranks")).exists():
    recipe = arguments("many")
    core, memory = run([thaw, "launch", "-n", "4096", "--hosts", "sim:4096", "--mpirun", "build/release/many_ranks", *recipe], "many", True,
                            {"MANY_RANKS_SECONDS": "30"}, (0, 69))
    many = {"ranks": 4096, "core": round(core, 4), "MB": round(memory, 1)}
    print(f"4096 simulated ranks: {100 * many['core']:.1f} % of a core, {many['MB']:.0f} MB", flush=True)
ours, peer = (statistics.median(steps[side]) for side in ("ours", "peer"))
ratio = statistics.median(a / b for a, b in zip(steps["ours"], steps["peer"]))
print(json.dumps({"name": "supervised", "ours": round(ours, 5), "peer": round(peer, 5), "ratio": round(ratio, 4), "unit": "s a step",
                  "supervisor_core": round(statistics.median(shares), 5), "restart_s": [round(s, 2) for s in restarts], "heartbeats": many,
                  "hardware": hardware, "commit": commit, "each": steps}))
END
