#!/usr/bin/env python3
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
"""Measures what an idle consent broker costs: time from its start until it accepts a connection,
and resident memory. Usage: footprint.py PATH-TO-consent-broker [RUNS]

Prints the median of the runs (default 9) beside the goals; exits 1 when a goal is missed.
"""

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


def measure(program):
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = os.path.join(folder, "neuron.config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({
                "organization": {"npi": "1234567893", "name": "Example", "type": "practice"},
                "server": {"port": port, "host": "127.0.0.1"},
                "storage": {"path": os.path.join(folder, "neuron.db")},
                "audit": {"path": os.path.join(folder, "audit.jsonl")},
            }, file)
        started = time.monotonic()
        broker = subprocess.Popen([program, "serve", "--config", config],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ready = wait_until_accepting(port, started + 10)
            time.sleep(0.5)  # what start-up still had to do is over
            return ready - started, resident_kib(broker.pid)
        finally:
            broker.terminate()
            broker.wait(timeout=10)


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
    sys.exit(ready > GOAL_READY_S or resident > GOAL_RESIDENT_KIB)


if __name__ == "__main__":
    main()
