#!/usr/bin/env python3
"""relay.py LINK TAP DELAY LOSS: frames from the interface LINK to a new interface TAP, late by DELAY ("5ms"), a share LOSS
("20%") of them dropped; and from TAP to LINK at once. What hosts.sh uses where the kernel has no netem.

Frames come and go with their virtio header, so that the kernel's large ones (64 KiB) need not be cut."""
import collections
import fcntl
import random
import select
import socket
import struct
import os
import re
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 15, 23, 33
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1e-3}


def seconds(text):
    match = re.fullmatch(r"([0-9.]+)(us|ms|s|)", text)
    if not match:
        sys.exit(f"expected a delay such as 5ms, found {text!r}")
    return float(match[1]) * UNITS[match[2]]


def main():
    link_name, tap_name, delay, loss = sys.argv[1], sys.argv[2], seconds(sys.argv[3]), float(sys.argv[4].rstrip("%")) / 100
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    link.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    link.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    link.bind((link_name, 0))
    link.setblocking(False)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", tap_name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(tap, TUNSETVNETHDRSZ, struct.pack("i", 10))
    fcntl.ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
    waiting = collections.deque()  # (when it is due, frame)
    chance = random.Random()
    poll = select.epoll()
    poll.register(link.fileno(), select.EPOLLIN)
    poll.register(tap, select.EPOLLIN)
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        # epoll counts in milliseconds: the rest of a shorter wait is spun.
        if timeout is not None and timeout < 0.001:
            timeout = 0.0
        for number, _ in poll.poll(timeout):
            try:
                if number == tap:
                    for _ in range(64):
                        frame = os.read(tap, 70000)
                        try:
                            link.send(frame)
                        except OSError:
                            pass  # the link is down or its queue is full: lost
                else:
                    for _ in range(64):
                        frame = link.recv(70000)
                        if loss and chance.random() < loss:
                            continue
                        waiting.append((time.monotonic() + delay, frame))
            except OSError:
                pass  # nothing more for now
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            try:
                os.write(tap, waiting.popleft()[1])
            except OSError:
                pass


main()
