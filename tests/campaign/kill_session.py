"""A command in a session of its own, and all its processes: ranks have process groups of their own, but their launcher's session."""

import os
import signal
import subprocess
import time
from pathlib import Path


class Session:
    def __init__(self, command, environment, output):
        with open(output, "wb") as file:
            self.leader = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
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
