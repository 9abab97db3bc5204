#!/usr/bin/env python3
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
"""Measures what an idle consent broker costs: time from its start until it accepts a connection,
and resident memory. Usage: footprint.py PATH-TO-consent-broker [RUNS]

Prints the median of the runs (default 9) beside the goals; exits 1 when a goal is missed. Then, once,
the memory with many peers there and after they left, which has no goal.
"""

import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

GOAL_READY_S = 0.2
GOAL_RESIDENT_KIB = 16 * 1024
PEERS = 400  # fewer than the usual limit of open files
UPGRADE = (
    b"GET /ws/handshake HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_accepting(port, deadline):
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return time.monotonic()
        except ConnectionRefusedError:
            time.sleep(0.001)
    sys.exit("the broker did not accept a connection within 10 s")


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))


@contextlib.contextmanager
def running(program):
    """A broker: its process, its port, and how long it took to be ready."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = os.path.join(folder, "neuron.config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({
                "organization": {"npi": "1234567893", "name": "Example", "type": "practice"},
                "server": {"port": port, "host": "127.0.0.1"},
                "websocket": {"maxConcurrentHandshakes": PEERS},
                "storage": {"path": os.path.join(folder, "neuron.db")},
                "audit": {"path": os.path.join(folder, "audit.jsonl")},
            }, file)
        started = time.monotonic()
        broker = subprocess.Popen([program, "serve", "--config", config],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ready = wait_until_accepting(port, started + 10)
            time.sleep(0.5)  # what start-up still had to do is over
            yield broker, port, ready - started
        finally:
            broker.terminate()
            broker.wait(timeout=10)


def measure(program):
    with running(program) as (broker, _, ready):
        return ready, resident_kib(broker.pid)


def measure_peak(program):
    """The memory before, while and after many peers are in."""
    with running(program) as (broker, port, _):
        before = resident_kib(broker.pid)
        with contextlib.ExitStack() as peers:
            lines = [
                peers.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                for _ in range(PEERS)
            ]
            for line in lines:
                line.sendall(UPGRADE)
            for line in lines:
                line.recv(1024)
            peak = resident_kib(broker.pid)
        time.sleep(12)  # the broker gives memory back some seconds after the last peer has left
        return before, peak, resident_kib(broker.pid)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    results = [measure(sys.argv[1]) for _ in range(runs)]
    ready = statistics.median(r[0] for r in results)
    resident = statistics.median(r[1] for r in results)
    print(f"ready to accept after {ready * 1000:6.1f} ms    goal {GOAL_READY_S * 1000:.0f} ms"
          f"    ratio {ready / GOAL_READY_S:.2f}")
    print(f"resident when idle    {resident / 1024:6.1f} MiB   goal"
          f" {GOAL_RESIDENT_KIB / 1024:.0f} MiB    ratio {resident / GOAL_RESIDENT_KIB:.2f}")
    before, peak, after = (kib / 1024 for kib in measure_peak(sys.argv[1]))
    print(f"resident with {PEERS} peers {peak:5.1f} MiB; before {before:.1f}, after {after:.1f}")
    sys.exit(ready > GOAL_READY_S or resident > GOAL_RESIDENT_KIB)


if __name__ == "__main__":
    main()
