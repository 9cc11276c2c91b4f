#!/usr/bin/python3 -IS
"""In place of Python, where THAW_JUDGES names the socket of judges.py: ask_judges.py SCRIPT ARGUMENTS, or -c PROGRAM"""
import json, os, socket, struct, sys, time

if sys.argv[1].startswith("-"):  # a program, not a script
    venv = os.environ.get("THAW_VENV") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../build/venv")
    os.execv(f"{venv}/bin/python", [f"{venv}/bin/python", *sys.argv[1:]])  # by its path it knows its packages

with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as judges:
    for patience in range(600, -1, -1):  # tenths of a second: they may still import
        try:
            judges.connect(os.environ["THAW_JUDGES"])
            break
        except OSError as error:
            if patience == 0:
                sys.exit(f"ask_judges.py: nobody listens at {os.environ['THAW_JUDGES']}: {error}; see build/tests/judges.log")
            time.sleep(0.1)
    asked = {"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(judges, [json.dumps(asked).encode()], [0, 1, 2])
    answer = judges.recv(4)
sys.exit(struct.unpack("i", answer)[0] if answer else f"ask_judges.py: {sys.argv[1]} ended without an answer")
