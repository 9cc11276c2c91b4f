"""A command in a session of its own, and all its processes: ranks have process groups of their own, but their launcher's session."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MPIRUN = shutil.which("mpirun.openmpi") or shutil.which("mpirun")


class Session:
    def __init__(self, command, environment, output):
        self.leader = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                       start_new_session=True)

    def ended(self):
        return self.leader.poll() is not None

    def code(self):
        return self.leader.returncode

    def processes(self):
        """Living ones, the leader first."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except (OSError, UnicodeDecodeError):
                continue
            if int(fields[3]) == self.leader.pid and fields[0] not in "ZX":
                found.append(int(entry))
        return sorted(found, key=lambda process: (process != self.leader.pid, process))

    def ranks(self):
        """The program's processes, or those about to become it; without a launcher the leader itself."""
        processes = self.processes()
        return [process for process in processes if process != self.leader.pid] or processes

    def wait(self, seconds):
        """Whether the leader has ended."""
        try:
            self.leader.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def outlived(self, seconds):
        """How many processes are there so long after their leader's end."""
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.02)
        return len(left)

    def kill_all(self):
        """Afterwards they are gone, and the next start's owner of the directory is alone."""
        for _ in range(500):
            processes = self.processes()
            send(processes, signal.SIGKILL)
            self.leader.poll()
            if not processes:
                break
            time.sleep(0.005)
        self.leader.wait()


def send(processes, which):
    for process in processes:
        try:
            os.kill(process, which)
        except ProcessLookupError:
            pass  # it came to its end meanwhile


def on_ranks(count, command):
    """The command for so many ranks, with Open MPI's settings for one machine."""
    launcher = [MPIRUN, "-n", str(count)] if count > 1 else []
    return ["bash", "-c", '. "$0"; exec "$@"', str(ROOT / "cluster/mpi.sh"), *launcher, *command]


def run(command, environment, limit_s):
    """Exit code and output; no code where it took longer and was killed."""
    session = Session(command, environment, subprocess.PIPE)
    try:
        output, code = session.leader.communicate(timeout=limit_s)[0], session.code()
    except subprocess.TimeoutExpired:
        session.kill_all()
        output, code = session.leader.communicate()[0], None
    return code, output.decode(errors="replace")
