# Distributed under the Boost Software License, Version 1.0. See LICENSE.
"""The consent broker as an operator uses it: every command, every error, real processes and files.

CONSENT_BROKER is the path of the program, or it is the first argument. Needs only Python's standard
library, and the `openssl` program for the tests of TLS.
"""

import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import unittest

PROGRAM = os.environ.get("CONSENT_BROKER", "")
VECTORS = pathlib.Path(__file__).parents[1] / "vectors"
TIMEOUT = 20  # seconds, for anything

ORGANIZATION = "1003000126"
PROVIDER = "1245319599"  # registered in neuron-v1.db
OTHER = "1234567893"
ACTIVE = "0d3b7c1e-0d53-4a0e-8f5e-7d7d0f6f9b01"  # in neuron-v1.db; of PROVIDER, as is the next
TERMINATED = "9c1f8f60-77f5-4a5e-8d0d-3e2d6d9c4d03"
NOBODYS = "00000000-0000-4000-8000-000000000000"


def environment(**variables):
    """Ours, without what would configure the broker, and with these NEURON_ variables."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("NEURON_")}
    return ours | {"NEURON_" + k: v for k, v in variables.items()}


def lines_of(path):
    """The lines of a log; `splitlines` would split at characters that JSON strings may hold."""
    return path.read_text().removesuffix("\n").split("\n")


def until(condition, what):
    """Waits for something that is to become true soon."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("not in time: " + what)


class Broker:
    """A running `serve`."""

    def __init__(self, directory, *arguments, **variables):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *arguments],
            cwd=directory,
            env=environment(**variables),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def log(self, event):
        """The lines of an event."""
        return [line for line in self.lines if f" event={event} " in line + " "]

    @property
    def port(self):
        ready = until(lambda: self.log("ready") or self.process.poll() is not None, "ready")
        assert ready is not True, "it ended: " + "\n".join(self.lines)
        return int(re.search(r" port=(\d+)", ready[0])[1])

    def end(self, how=signal.SIGTERM):
        """Ends it, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.wait(TIMEOUT)
            self.reader.join(TIMEOUT)
            self.process.stderr.close()


class WebSocket:
    """The least of a client that a test of the door needs."""

    def __init__(self, port, path="/ws/handshake"):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self.file = self.socket.makefile("rb")

    def head(self):
        """The status of the answer to the upgrade, once it comes, and its fields."""
        status = int(self.file.readline().split()[1])
        fields = {}
        while line := self.file.readline().strip():
            name, value = line.decode().split(":", 1)
            fields[name.lower()] = value.strip()
        return status, fields

    def send(self, text):
        data = text.encode()
        assert len(data) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)

    def receive(self):
        """The opcode and the content of a frame."""
        first, size = self.file.read(2)
        if size == 126:
            size = int.from_bytes(self.file.read(2), "big")
        return first & 15, self.file.read(size)

    def close_code(self):
        while True:
            opcode, content = self.receive()
            if opcode == 8:
                return int.from_bytes(content[:2], "big")

    def close(self):
        self.file.close()
        self.socket.close()


class CommandTest(unittest.TestCase):
    """A directory with a configuration in it, and what to do there."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="consent-broker-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.configure()

    @property
    def database(self):
        return self.directory / "data" / "neuron.db"

    @property
    def audit(self):
        return self.directory / "data" / "audit.jsonl"

    def configure(self, **sections):
        configuration = {
            "organization": {"npi": ORGANIZATION, "name": "A Practice", "type": "practice"},
            "server": {"port": 0, "host": "127.0.0.1"},
        }
        text = json.dumps(configuration | sections)
        (self.directory / "neuron.config.json").write_text(text)

    def take_over(self):
        """Puts the files of the original in place."""
        self.database.parent.mkdir()
        shutil.copy(VECTORS / "neuron-v1.db", self.database)
        shutil.copy(VECTORS / "audit-chain.jsonl", self.audit)

    def run_program(self, *arguments, **variables):
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.directory,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    def ok(self, *arguments, **variables):
        """What a command prints that must go well."""
        done = self.run_program(*arguments, **variables)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def fails(self, status, *arguments, saying=(), **variables):
        """What a command prints that must fail with this status, and say all this on stderr."""
        done = self.run_program(*arguments, **variables)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        for text in [saying] if isinstance(saying, str) else saying:
            self.assertIn(text, done.stderr)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.ok(*arguments, "--json"))

    def serve(self, *arguments, **variables):
        broker = Broker(self.directory, *arguments, **variables)
        self.addCleanup(broker.end, signal.SIGKILL)
        self.assertTrue(broker.port)
        return broker

    def stop(self, broker):
        self.assertEqual(broker.end(), 0, broker.lines)

    def connect(self, broker, **arguments):
        line = WebSocket(broker.port, **arguments)
        self.addCleanup(line.close)
        return line

    def entries(self):
        return [json.loads(line) for line in lines_of(self.audit)]

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(self.database, timeout=TIMEOUT)) as database:
            with database:
                return database.execute(sql).fetchall()

    def patient(self, broker, name, provider=PROVIDER):
        """A handshake; the relationship's id."""
        answer = self.json(
            "connect", f"ws://127.0.0.1:{broker.port}/ws/handshake",
            "--provider", provider, "--patient", name, "--key", name + ".key",
        )  # fmt: skip
        return answer["relationship_id"]


class Help(CommandTest):
    def test_each_command_explains_itself(self):
        commands = (
            ["init"], ["serve"], ["status"], ["connect"], ["demo"],
            ["provider"], ["provider", "add"], ["provider", "list"], ["provider", "remove"],
            ["relationship"], ["relationship", "list"], ["relationship", "show"],
            ["relationship", "terminate"], ["audit"], ["audit", "verify"],
        )  # fmt: skip
        for command in commands:
            with self.subTest(command):
                text = self.ok(*command, "--help")
                self.assertIn("Usage: consent-broker " + " ".join(command), text)
                self.assertIn("Examples:\n  consent-broker " + command[0], text)
                self.assertIn("Exit status:", text)
                if command not in (["provider"], ["relationship"], ["audit"]):
                    self.assertRegex(text, r"--config FILE=\S+\s+The config")
                    self.assertRegex(text, r"--json +\S")

    def test_the_program_explains_itself(self):
        self.assertIn("Exit status:", self.ok("--help"))
        self.assertRegex(self.ok("--version"), r"^\d+\.\d+\.\d+\n$")

    def test_what_is_mistyped_is_named_with_the_nearest(self):
        for arguments, typed, meant in (
            (["provder", "list"], "command 'provder'", "'provider'"),
            (["provider", "lst", "--json"], "command 'lst'", "'list'"),
            (["serve", "--threds", "2"], "option '--threds'", "'--threads'"),
            (["serve", "--config", "--x", "--grce=3"], "option '--grce'", "'--grace'"),
            (["relationship", "show", ACTIVE, "-json"], "option '-json'", "'--json'"),
            (["provder\x1b[2J"], "command 'provder\\x1b[2J'", "'provider'"),
        ):  # fmt: skip
            with self.subTest(arguments):
                said = f"unknown {typed}; did you mean {meant}?\n"
                self.fails(2, *arguments, saying=("consent-broker: " + said, "--help"))

    def test_errors_are_json_for_those_who_want_that(self):
        for status, command in (
            (1, ["relationship", "show", NOBODYS]), (2, ["provider", "add", "1"]),
            (2, ["status", "--config", "none.json"]), (2, ["serve", "--dance"]),
            (2, ["connect", "http://localhost", "--provider", PROVIDER]),
        ):  # fmt: skip
            with self.subTest(command):
                out = self.fails(status, *command, "--json", saying="consent-broker: ")
                self.assertTrue(json.loads(out)["error"])

    def test_what_is_not_understood_ends_with_status_2(self):
        for arguments in (
            [], ["dance"], ["serve", "--dance"], ["serve", "--threads", "0"],
            ["serve", "--log-level", "loud"], ["serve", "--tls-cert", "chain.pem"],
            ["provider"], ["provider", "add"], ["relationship", "show"],
            ["relationship", "list", "--status", "odd"],
        ):  # fmt: skip
            with self.subTest(arguments):
                self.fails(2, *arguments, saying="--help")


class Init(CommandTest):
    def setUp(self):
        super().setUp()
        (self.directory / "neuron.config.json").unlink()

    def configuration(self):
        return (self.directory / "neuron.config.json").read_text()

    def test_writes_what_is_to_be_edited(self):
        said = self.ok("init")
        self.assertIn("organization.npi", said)
        text = self.configuration()
        self.assertEqual(json.loads(text)["websocket"]["maxConcurrentHandshakes"], 10)
        self.assertEqual(text, json.dumps(json.loads(text), indent=2) + "\n")
        self.fails(2, "serve", saying=("organization.npi", "organization.name"))

    def test_tells_machines_what_is_to_be_edited(self):
        told = self.json("init", "--npi", ORGANIZATION)
        self.assertEqual(told["config"], "./neuron.config.json")
        self.assertIn("organization.name", told["edit"])
        self.assertNotIn("organization.npi", told["edit"])

    def test_can_write_what_is_complete(self):
        self.ok("init", "--npi", ORGANIZATION, "--name", "A \"Practice\"")
        self.assertEqual(json.loads(self.configuration())["organization"]["name"], 'A "Practice"')
        broker = self.serve(SERVER__PORT="0", SERVER__HOST="127.0.0.1")
        self.stop(broker)

    def test_overwrites_nothing(self):
        self.ok("init")
        before = self.configuration()
        self.fails(1, "init", "--npi", ORGANIZATION, saying="is there already")
        self.assertEqual(self.configuration(), before)

    def test_writes_elsewhere(self):
        self.ok("init", "--config", "other.json")
        self.assertTrue((self.directory / "other.json").exists())
        self.fails(1, "init", "--config", "missing/other.json", saying="missing/other.json")

    def test_writes_nothing_that_cannot_be_read(self):
        for option in ("--name", "--type"):
            for text in (os.fsdecode(b"\xff"), "a\nb", "x" * 1001):
                self.fails(2, "init", option, text, saying=option)
        self.fails(2, "init", "--type", "", saying="--type")
        self.assertFalse((self.directory / "neuron.config.json").exists())

    def test_takes_no_mistyped_npi(self):
        self.fails(2, "init", "--npi", "1234567890", saying="check digit")
        self.assertFalse((self.directory / "neuron.config.json").exists())


class Configuration(CommandTest):
    def test_all_problems_are_said_at_once(self):
        self.configure(
            organization={"npi": "1234567890", "type": "practice"},
            server={"port": 70000, "hots": "::1"},
            websocket={"path": "ws", "authTimeoutMs": "soon"},
            audit={"enabled": 1},
        )
        self.fails(
            2,
            "serve",
            saying=(
                'organization.npi: expected a string of 10 digits with a valid NPI check digit, '
                'found the string "1234567890"',
                "organization.name: ", "found nothing",
                "server.port: expected a whole number from 0 to 65535, found 70000",
                "websocket.path: ", 'found the string "ws"',
                "websocket.authTimeoutMs: ", 'found the string "soon"',
                "audit.enabled: expected true or false, found 1",
                "server.hots is not a known member; the nearest is server.host",
                "neuron.config.json",
            ),
        )  # fmt: skip
        self.assertFalse(self.database.exists())

    def test_variables_override_the_file(self):
        self.configure(server={"port": "wrong", "host": "127.0.0.1"})
        self.stop(self.serve(SERVER__PORT="0"))
        self.fails(2, "status", saying="NEURON_SERVER__PORT", SERVER__PORT="far")

    def test_a_file_that_is_missing_or_no_json(self):
        self.fails(2, "status", "--config", "none.json", saying=("none.json", "init"))
        (self.directory / "neuron.config.json").write_text('{"organization": \n ?}')
        self.fails(2, "status", saying=("neuron.config.json", "line 2, column 2"))

    def test_a_byte_order_mark_is_passed_over(self):
        file = self.directory / "neuron.config.json"
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
        self.fails(1, "status")

    def test_unknown_members_are_warnings(self):
        self.configure(websocket={"maxConcurrentHandshake": 3})
        warning = "websocket.maxConcurrentHandshake is not a known member; the nearest is "
        self.fails(1, "status", saying=warning + "websocket.maxConcurrentHandshakes")
        broker = self.serve()
        self.assertIn(warning, broker.log("configuration")[0])

    def test_what_is_not_acted_on_is_said(self):
        self.configure(
            heartbeat={"intervalMs": 1}, api={}, axon={"registryUrl": "http://localhost:9"}
        )
        log = "\n".join(self.serve().log("configuration"))
        for member in ("heartbeat", "api", "axon.registryUrl"):
            self.assertIn(f"member={member} ", log)
        self.assertIn("not acted on", log)

    def test_a_path_that_is_long(self):
        path = "directory/" * 20 + "neuron.db"
        self.configure(storage={"path": path})
        self.fails(1, "status")
        self.ok("provider", "add", PROVIDER)
        broker = self.serve()
        relationship = self.patient(broker, "patient-001")
        self.assertEqual(self.json("status")["pid"], broker.process.pid)
        self.json(
            "relationship", "terminate", relationship, "--provider", PROVIDER, "--reason", "moved"
        )
        said = until(lambda: broker.log("terminate"), "a line in the log")
        self.assertIn(f"relationship={relationship}", said[0])
        self.stop(broker)
        self.assertFalse((self.directory / (path + ".control")).exists())

    def test_a_name_that_is_too_long_for_a_socket(self):
        self.configure(storage={"path": "d" * 100})
        for command in ("serve", "status"):
            self.fails(2, command, saying=("storage.path", "shorter"))

    def test_a_name_that_just_fits(self):
        room = 107 - len(f"{self.directory.resolve()}/.control")
        self.configure(storage={"path": "d" * room})
        self.ok("provider", "add", PROVIDER)
        broker = self.serve()
        self.assertEqual(self.json("status")["pid"], broker.process.pid)

    def test_a_host_that_is_none(self):
        self.configure(server={"port": 0, "host": "no host"})
        self.fails(2, "serve", saying="server.host")


class Providers(CommandTest):
    def test_are_added_listed_and_removed(self):
        self.assertIn("added", self.ok("provider", "add", PROVIDER))
        endpoint = "wss://ada.example/agent"
        self.ok(
            "provider", "add", OTHER, "--name", "Ada", "--specialty", "Cardiology",
            "--endpoint", endpoint,
        )  # fmt: skip
        expected = {"npi": OTHER, "name": "Ada", "specialty": "Cardiology", "endpoint": endpoint}
        self.assertEqual(
            self.json("provider", "list"),
            [expected | {"types": []}, {"npi": PROVIDER, "types": []}],
        )
        table = self.ok("provider", "list").splitlines()
        self.assertEqual(table[0].split(), ["NPI", "NAME", "SPECIALTY", "ENDPOINT"])
        self.assertEqual(table[1].split(), [OTHER, "Ada", "Cardiology", endpoint])

        self.assertIn("removed", self.ok("provider", "remove", OTHER))
        self.assertEqual(len(self.json("provider", "list")), 1)
        self.fails(1, "provider", "remove", OTHER, saying="not registered")
        out = self.fails(1, "provider", "remove", OTHER, "--json")
        self.assertEqual(json.loads(out), {"npi": OTHER, "outcome": "not_found"})

    def test_columns_line_up(self):
        for npi, name in ((OTHER, "李医生"), (PROVIDER, "Zoe\u0308"), (ORGANIZATION, "Ada")):
            self.ok("provider", "add", npi, "--name", name, "--specialty", "Cardiology")

        def column(line):
            wide = unicodedata.east_asian_width
            before = line[: line.index("Cardiology")]
            return sum((wide(c) == "W") + (not unicodedata.combining(c)) for c in before)

        rows = self.ok("provider", "list").splitlines()[1:]
        self.assertEqual([column(row) for row in rows], [len(PROVIDER) + 2 + 6 + 2] * 3)

    def test_keep_what_is_not_given_anew(self):
        self.take_over()
        answer = self.json("provider", "add", PROVIDER, "--endpoint", "ws://localhost:1")
        self.assertEqual(answer, {"npi": PROVIDER, "outcome": "updated"})
        (row,) = self.json("provider", "list")
        self.assertEqual(row["name"], "Dr. Example")
        self.assertEqual(row["specialty"], "neurosurgery")
        self.assertEqual(row["types"], ["physician"])
        self.assertEqual(row["endpoint"], "ws://localhost:1")
        self.ok("provider", "add", PROVIDER, "--endpoint", "", "--specialty", "")
        (row,) = self.json("provider", "list")
        self.assertNotIn("endpoint", row)
        self.assertNotIn("specialty", row)

    def test_are_checked(self):
        self.fails(2, "provider", "add", "1245319598", saying="check digit")
        self.fails(2, "provider", "remove", "dr-ada", saying="10 digits")
        for url in ("ada.example", "ftp://ada.example", "wss://", "wss:///agent", "wss://a b",
                    "wss://a\n", "wss://a/" + "x" * 2048):  # fmt: skip
            self.fails(2, "provider", "add", PROVIDER, "--endpoint", url, saying="--endpoint")
        for name in ("A\x1b[2J", "x" * 1001, os.fsdecode(b"\xff")):
            self.fails(2, "provider", "add", PROVIDER, "--name", name, saying="--name")
        self.fails(1, "provider", "list", saying="no database")
        self.assertFalse(self.database.exists())

    def test_are_none_in_the_beginning(self):
        self.ok("provider", "add", PROVIDER)
        self.ok("provider", "remove", PROVIDER)
        self.assertIn("provider add", self.ok("provider", "list"))
        self.assertEqual(self.json("provider", "list"), [])

    def test_are_seen_by_a_running_broker_at_once(self):
        broker = self.serve()
        url = f"ws://127.0.0.1:{broker.port}"
        self.fails(1, "connect", url, "--provider", PROVIDER)
        self.ok("provider", "add", PROVIDER, "--endpoint", "wss://ada.example")
        answer = self.json("connect", url, "--provider", PROVIDER)
        self.assertEqual(answer["provider_endpoint"], "wss://ada.example")
        self.ok("provider", "remove", PROVIDER)
        self.fails(1, "connect", url, "--provider", PROVIDER)
        self.stop(broker)


class Relationships(CommandTest):
    def setUp(self):
        super().setUp()
        self.take_over()

    def test_are_listed(self):
        every = self.json("relationship", "list")
        self.assertEqual(len(every), 3)
        self.assertEqual(every[0]["relationship_id"], ACTIVE)
        self.assertEqual(every[0]["consented_actions"], ["office_visit", "lab_results"])
        for options, expected in (
            (["--patient", "patient-001"], 2),
            (["--provider", PROVIDER], 2),
            (["--status", "terminated"], 1),
            (["--patient", "patient-001", "--provider", OTHER, "--status", "active"], 1),
            (["--patient", "nobody"], 0),
        ):
            self.assertEqual(len(self.json("relationship", "list", *options)), expected)
        table = self.ok("relationship", "list").splitlines()
        self.assertEqual(len(table), 4)
        self.assertEqual(table[1].split()[:4], [ACTIVE, "patient-001", PROVIDER, "active"])
        self.assertIn("no such", self.ok("relationship", "list", "--patient", "nobody"))
        self.fails(2, "relationship", "list", "--provider", "x", saying="10 digits")

    def test_are_shown(self):
        shown = self.json("relationship", "show", TERMINATED)
        self.assertEqual(shown["status"], "terminated")
        self.assertEqual(shown["termination"]["reason"], "moved away")
        text = self.ok("relationship", "show", ACTIVE)
        self.assertIn("office_visit, lab_results", text)
        self.fails(1, "relationship", "show", NOBODYS, saying=(NOBODYS, "relationship list"))
        out = self.fails(1, "relationship", "show", NOBODYS, "--json")
        self.assertIn(NOBODYS, json.loads(out)["error"])

    def test_a_peers_text_does_not_steer_the_terminal(self):
        self.rows(
            "UPDATE relationships SET patient_agent_id = 'x' || char(27) || '[2J' || char(155)"
        )
        self.assertIn(r"x\x1b[2J\x9b", self.ok("relationship", "list"))
        self.assertEqual(self.json("relationship", "list")[0]["patient_agent_id"], "x\x1b[2J\x9b")

    def test_a_peers_text_does_not_look_like_another(self):
        for code in (0x200B, 0x200F, 0x202A, 0x202E, 0x2060, 0x2069, 0xFEFF):
            self.rows(f"UPDATE relationships SET patient_agent_id = 'a' || char({code}) || 'b'")
            self.assertIn(rf"a\u{code:04x}b ", self.ok("relationship", "list"))
        self.rows("UPDATE relationships SET patient_agent_id = 'Zoë 李'")
        self.assertIn("Zoë 李 ", self.ok("relationship", "list"))

    def terminate(self, relationship=ACTIVE, provider=PROVIDER, reason="moved away"):
        return (
            "relationship", "terminate", relationship, "--provider", provider, "--reason", reason,
        )  # fmt: skip

    def check_refusals(self):
        self.fails(1, *self.terminate(NOBODYS), saying="no relationship")
        self.fails(1, *self.terminate(provider=OTHER), saying="only its own provider")
        self.fails(1, *self.terminate(TERMINATED), saying="terminated already")
        out = json.loads(self.fails(1, *self.terminate(provider=OTHER), "--json"))
        self.assertEqual(out, {"outcome": "not_owner"})

    def check_terminated(self, sequence):
        shown = self.json("relationship", "show", ACTIVE)
        self.assertEqual(shown["status"], "terminated")
        self.assertEqual(shown["termination"]["audit_entry_sequence"], sequence)
        entry = self.entries()[sequence - 1]
        self.assertEqual(entry["sequence"], sequence)
        self.assertEqual(entry["category"], "termination")
        self.assertEqual(entry["action"], "termination.relationship_terminated")
        self.assertEqual(entry["actor"], PROVIDER)
        self.assertEqual(
            entry["details"], {"relationship_id": ACTIVE, "reason": "moved away"}
        )
        self.assertEqual(self.rows("SELECT * FROM parley_audit_outbox"), [])
        self.ok("audit", "verify")

    def test_are_terminated_without_a_broker(self):
        self.check_refusals()
        before = len(self.entries())
        self.assertIn(f"Audit entry: {before + 1}.", self.ok(*self.terminate()))
        self.check_terminated(before + 1)
        self.fails(1, *self.terminate(), saying="terminated already")
        self.assertEqual(len(self.entries()), before + 1)

    def test_are_terminated_by_the_running_broker(self):
        broker = self.serve()
        self.check_refusals()
        before = len(self.entries())
        answer = self.json(*self.terminate())
        self.assertEqual(answer, {"outcome": "terminated", "audit_sequence": before + 1})
        self.check_terminated(before + 1)
        self.fails(1, *self.terminate(), saying="terminated already")
        until(lambda: "outcome=not_owner" in "\n".join(broker.log("terminate")), "a line in the log")
        self.stop(broker)
        self.ok("audit", "verify")

    def test_are_terminated_once(self):
        broker = self.serve()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda _: self.run_program(*self.terminate()), range(8)))
        self.assertEqual(sorted(d.returncode for d in done), [0] + [1] * 7)
        self.stop(broker)
        actions = [e["action"] for e in self.entries()]
        self.assertEqual(actions.count("termination.relationship_terminated"), 1)

    def test_are_terminated_without_an_audit_log(self):
        self.configure(audit={"enabled": False})
        before = self.audit.read_bytes()
        answer = self.json(*self.terminate())
        self.assertEqual(answer, {"outcome": "terminated"})
        broker = self.serve()
        self.ok("relationship", "terminate", "5f0a9a52-3d4f-4f0a-a1c5-1b1b8e9e2c02",
                "--provider", OTHER, "--reason", "moved")  # fmt: skip
        self.stop(broker)
        self.assertEqual(self.rows("SELECT * FROM parley_audit_outbox"), [])
        self.assertEqual(self.audit.read_bytes(), before)

    def test_are_not_terminated_where_there_is_no_database(self):
        shutil.rmtree(self.database.parent)
        self.fails(1, *self.terminate(), saying="no database")
        self.database.parent.mkdir()
        self.fails(1, *self.terminate(), saying="no database")
        self.assertEqual(list(self.database.parent.iterdir()), [])

    def test_need_a_reason_and_a_provider(self):
        for reason in ("", "x" * 1001, "a\nb"):
            self.fails(2, *self.terminate(reason=reason), saying="--reason")
        self.fails(2, *self.terminate(provider="1"), saying="10 digits")
        self.fails(2, "relationship", "terminate", ACTIVE, saying="--provider")

    def test_can_begin_anew_after_their_end(self):
        broker = self.serve()
        first = self.patient(broker, "patient-009")
        self.assertEqual(self.patient(broker, "patient-009"), first)
        self.ok(*self.terminate(first))
        self.assertNotEqual(self.patient(broker, "patient-009"), first)
        self.stop(broker)
        self.ok("audit", "verify")


class Reading(CommandTest):
    """Commands that change nothing, on a database that they may not, or cannot now, change."""

    COMMANDS = (
        ("relationship", "list"), ("relationship", "show", ACTIVE), ("provider", "list"),
    )  # fmt: skip

    def setUp(self):
        super().setUp()
        self.take_over()
        self.ok("relationship", "list")  # brings it up to date
        self.directory.chmod(0o755)
        self.addCleanup(self.database.parent.chmod, 0o755)

    def stranger(self, *arguments):
        """What a command prints for a user who owns none of the files."""
        program = self.directory / "consent-broker"  # the build may be in a folder of root's alone
        if not program.exists():
            shutil.copy(PROGRAM, program)
        done = subprocess.run(
            [program, *arguments],
            cwd=self.directory, env=environment(), capture_output=True, text=True, timeout=TIMEOUT,
            **({"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}),
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def test_needs_no_right_to_write(self):
        self.database.chmod(0o444)
        self.database.parent.chmod(0o555)
        files = sorted(self.database.parent.iterdir())
        for command in self.COMMANDS:
            self.assertIn(PROVIDER, self.stranger(*command))
        self.assertEqual(sorted(self.database.parent.iterdir()), files)

    def test_needs_no_right_to_write_beside_a_running_broker(self):
        broker = self.serve()
        new = self.patient(broker, "patient-003")
        for file in self.database.parent.glob("neuron.db*"):
            file.chmod(0o444)
        self.database.parent.chmod(0o555)
        self.assertIn(new, self.stranger("relationship", "list"))

    def test_waits_for_no_writer(self):
        writer = sqlite3.connect(self.database, isolation_level=None)
        self.addCleanup(writer.close)
        writer.execute("BEGIN IMMEDIATE")  # never ended: who waits for it fails
        for command in self.COMMANDS:
            self.assertIn(PROVIDER, self.ok(*command))

    def test_leaves_nothing_behind(self):
        files = sorted(self.database.parent.iterdir())
        for command in self.COMMANDS:
            self.ok(*command)
        self.assertEqual(sorted(self.database.parent.iterdir()), files)

    def test_brings_an_older_database_up_to_date(self):
        shutil.copy(VECTORS / "neuron-v1.db", self.database)
        self.assertEqual(self.rows("SELECT * FROM sqlite_master WHERE name = 'parley_schema'"), [])
        self.assertIn(PROVIDER, self.ok("provider", "list"))
        self.assertEqual(len(self.rows("SELECT DISTINCT 1 FROM parley_schema")), 1)


class Audit(CommandTest):
    def test_a_good_log(self):
        path = str(VECTORS / "audit-chain.jsonl")
        text = self.ok("audit", "verify", path)
        self.assertIn("all 6 entries are good", text)
        last = json.loads(lines_of(VECTORS / "audit-chain.jsonl")[-1])
        self.assertIn(last["hash"], text)
        answer = self.json("audit", "verify", path)
        self.assertTrue(answer["good"])
        self.assertEqual(answer["last"], {"sequence": 6, "hash": last["hash"]})

    def test_a_log_that_was_tampered_with(self):
        path = str(VECTORS / "audit-chain-tampered.jsonl")
        lines = self.fails(1, "audit", "verify", path).splitlines()
        self.assertEqual(lines[0], "line 3: hash mismatch")
        self.assertIn("1 of 6 lines", lines[1])
        answer = json.loads(self.fails(1, "audit", "verify", path, "--json"))
        self.assertEqual(answer["bad_lines"], [{"line": 3, "faults": ["hash mismatch"]}])

    def test_every_bad_line_is_printed(self):
        lines = lines_of(VECTORS / "audit-chain.jsonl")
        del lines[3]
        lines[1] = "no JSON"
        path = self.directory / "bad.jsonl"
        path.write_text("\n".join(lines) + "\n")
        out = self.fails(1, "audit", "verify", str(path)).splitlines()
        self.assertEqual([line.split(":")[0] for line in out[:-1]], ["line 2", "line 4"])

    def test_the_configured_log_is_the_default(self):
        self.fails(1, "audit", "verify", saying="audit.jsonl")
        self.take_over()
        self.assertIn("./data/audit.jsonl", self.ok("audit", "verify"))
        self.fails(1, "audit", "verify", "none.jsonl", saying="none.jsonl")

    def test_a_file_needs_no_configuration(self):
        (self.directory / "neuron.config.json").unlink()
        self.ok("audit", "verify", str(VECTORS / "audit-chain.jsonl"))
        self.fails(2, "audit", "verify", saying="init")


class Status(CommandTest):
    def test_nothing_runs(self):
        out = self.fails(1, "status")
        self.assertIn("consent-broker serve", out)
        self.assertEqual(json.loads(self.fails(1, "status", "--json")), {"running": False})

    def test_a_broker_runs(self):
        self.take_over()
        self.configure(websocket={"maxConcurrentHandshakes": 1})
        broker = self.serve()
        first = self.connect(broker)
        self.assertEqual(first.head()[0], 101)
        self.connect(broker)
        now = until(lambda: (s := self.json("status"))["queued"] == 1 and s, "the queue")
        self.assertTrue(now["running"])
        self.assertEqual(now["pid"], broker.process.pid)
        self.assertEqual((now["address"], now["port"]), ("127.0.0.1", broker.port))
        self.assertEqual((now["active"], now["completed"], now["failed"]), (1, 0, 0))
        self.assertEqual((now["providers"], now["relationships"]), (1, 3))
        self.assertEqual(now["active_relationships"], 2)
        (session,) = now["sessions"]
        self.assertEqual(session["status"], "active")
        self.assertRegex(session["started_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        text = self.ok("status")
        self.assertIn(session["id"], text)
        self.assertRegex(text, r"\bpid +%d\n" % broker.process.pid)
        self.stop(broker)

    def test_health_is_told_over_http(self):
        self.ok("provider", "add", PROVIDER)
        broker = self.serve("--threads", "2")
        self.patient(broker, "patient-001")
        line = self.connect(broker)
        self.assertEqual(line.head()[0], 101)
        web = http.client.HTTPConnection("127.0.0.1", broker.port, timeout=TIMEOUT)
        self.addCleanup(web.close)
        web.request("GET", "/health")
        answer = web.getresponse()
        self.assertEqual(answer.getheader("Content-Type"), "application/json")
        health = json.loads(answer.read())
        self.assertGreaterEqual(health.pop("uptime"), 0)
        self.assertRegex(health.pop("version"), r"^\d+\.\d+\.\d+$")
        expected = {"completed": 1, "failed": 0}
        self.assertEqual(
            health, {"status": "ok", "active": 1, "queued": 0, "handshakes": expected}
        )
        web.request("POST", "/health")
        self.assertEqual(web.getresponse().status, 405)
        self.stop(broker)

    def health(self, broker):
        web = http.client.HTTPConnection("127.0.0.1", broker.port, timeout=TIMEOUT)
        self.addCleanup(web.close)
        web.request("GET", "/health")
        answer = web.getresponse()
        return answer.status, json.loads(answer.read())

    def test_health_tells_that_nothing_can_be_written(self):
        self.ok("provider", "add", PROVIDER)
        broker = self.serve()
        self.patient(broker, "patient-001")
        self.assertEqual(self.health(broker)[0], 200)
        unlimited = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (1, -1))
        url = f"ws://127.0.0.1:{broker.port}"
        self.fails(1, "connect", url, "--provider", PROVIDER)
        status, health = self.health(broker)
        self.assertEqual((status, health["status"]), (503, "degraded"))
        self.assertIn("audit", health["failing"])
        self.assertEqual(health["handshakes"], {"completed": 1, "failed": 1})
        time.sleep(6)  # in which the broker tries again
        status, health = self.health(broker)
        self.assertEqual((status, health["failing"]), (503, ["storage", "audit"]))

        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, unlimited)
        self.patient(broker, "patient-002")
        status, health = self.health(broker)
        self.assertEqual((status, health["status"]), (200, "ok"))
        self.assertNotIn("failing", health)
        self.stop(broker)
        self.ok("audit", "verify")


class Serve(CommandTest):
    def test_starts_and_stops_cleanly(self):
        for how, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
            broker = self.serve()
            self.assertEqual(broker.end(how), 0)
            self.assertIn("signal=" + name, broker.log("stopping")[0])
            self.assertEqual(len(broker.log("stopped")), 1)
            for line in broker.lines:
                self.assertRegex(line, r"^ts=\S+Z level=\w+ event=\w+")
        actions = [entry["action"] for entry in self.entries()]
        self.assertEqual(actions, ["neuron_start", "neuron_stop"] * 2)
        self.assertEqual(self.entries()[0]["details"], {"npi": ORGANIZATION})
        self.ok("audit", "verify")

    def test_serves_on_several_threads(self):
        self.ok("provider", "add", PROVIDER)
        broker = self.serve("--threads", "3")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(lambda i: self.patient(broker, f"patient-{i}"), range(8)))
        self.assertEqual(len(set(ids)), 8)
        self.ok("relationship", "terminate", ids[0], "--provider", PROVIDER, "--reason", "moved")
        self.assertEqual(self.json("status")["completed"], 8)
        self.stop(broker)
        self.ok("audit", "verify")
        self.assertEqual(self.rows("SELECT * FROM parley_audit_outbox"), [])

    def test_tells_its_peers_that_it_stops(self):
        self.configure(websocket={"maxConcurrentHandshakes": 1})
        broker = self.serve()
        inside = self.connect(broker)
        self.assertEqual(inside.head()[0], 101)
        waiting = self.connect(broker)
        until(lambda: self.json("status")["queued"] == 1, "the queue")
        broker.process.send_signal(signal.SIGTERM)
        status, fields = waiting.head()
        self.assertEqual(status, 503)
        self.assertIn("retry-after", fields)
        self.assertEqual(inside.close_code(), 1001)
        self.stop(broker)

    def test_cuts_off_after_the_grace(self):
        broker = self.serve("--grace", "0")
        line = self.connect(broker)
        self.assertEqual(line.head()[0], 101)
        begin = time.monotonic()
        self.stop(broker)
        self.assertLess(time.monotonic() - begin, 1.5)

    def test_goes_on_with_the_files_of_the_original(self):
        self.take_over()
        broker = self.serve()
        new = self.patient(broker, "patient-003")
        self.stop(broker)
        entries = self.entries()
        self.assertEqual([e["sequence"] for e in entries], list(range(1, len(entries) + 1)))
        self.assertEqual(entries[6]["action"], "neuron_start")
        self.assertEqual(entries[6]["prev_hash"], entries[5]["hash"])
        self.ok("audit", "verify")
        ids = [row["relationship_id"] for row in self.json("relationship", "list")]
        self.assertIn(ACTIVE, ids)
        self.assertIn(new, ids)
        versions = self.rows("SELECT max(version), count(*) FROM schema_version")
        self.assertEqual(versions, [(8, 8)])

    def test_keeps_others_from_its_files(self):
        broker = self.serve()
        self.fails(1, "serve", saying=("neuron.db", "consent-broker status"))
        self.configure(storage={"path": "other.db"})
        self.fails(1, "serve", saying=("audit.jsonl", "another process"))
        self.configure(audit={"enabled": False})
        self.fails(1, "serve", saying="neuron.db")
        self.assertEqual(self.json("status")["pid"], broker.process.pid)
        self.stop(broker)

    def test_needs_its_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.configure(server={"port": port, "host": "127.0.0.1"})
            self.fails(1, "serve", saying=(f"port {port}", "in use", "server.port"))
        self.assertNotIn("neuron_start", self.audit.read_text())

    def test_needs_a_database_that_is_one(self):
        self.database.parent.mkdir()
        self.database.write_text("no database, but a text that is long enough " * 100)
        self.fails(1, "serve", saying="neuron.db: expected an SQLite database")
        self.fails(1, "relationship", "list", saying="neuron.db: expected an SQLite database")

    def test_survives_being_killed(self):
        self.ok("provider", "add", PROVIDER)
        broker = self.serve()
        self.patient(broker, "patient-001")
        broker.end(signal.SIGKILL)
        self.assertTrue(self.database.with_suffix(".db.control").exists())
        self.fails(1, "status")
        broker = self.serve()
        self.patient(broker, "patient-002")
        self.stop(broker)
        self.ok("audit", "verify")
        self.assertEqual(self.rows("SELECT * FROM parley_audit_outbox"), [])
        actions = [entry["action"] for entry in self.entries()]
        self.assertEqual(actions.count("consent.relationship_established"), 2)

    def test_completes_the_audit_log_after_a_crash(self):
        self.ok("provider", "add", PROVIDER)
        broker = self.serve()
        known = self.patient(broker, "patient-001")
        self.stop(broker)
        (there,) = [e for e in self.entries() if e["category"] == "consent"]
        missing = {"relationship_id": NOBODYS, "provider_npi": PROVIDER, "consented_actions": []}
        for name, details in (("a", there["details"]), ("b", missing)):
            self.rows(
                "INSERT INTO parley_audit_outbox VALUES "
                f"('{name}', 'consent', 'consent.relationship_established', 'patient-001', "
                f"'{json.dumps(details)}', '2026-01-01T00:00:00.000Z')"
            )
        broker = self.serve()
        self.assertIn("found=1 appended=1", broker.log("audit_recovered")[0])
        self.stop(broker)
        self.assertEqual(self.rows("SELECT * FROM parley_audit_outbox"), [])
        consents = [e["details"] for e in self.entries() if e["category"] == "consent"]
        self.assertEqual([d["relationship_id"] for d in consents], [known, NOBODYS])
        self.ok("audit", "verify")

    def test_names_duplicates_and_starts(self):
        self.take_over()
        self.rows(
            "INSERT INTO relationships SELECT 'copy', patient_agent_id, provider_npi, status, "
            "consented_actions, '2026-03-01T00:00:00.000Z', updated_at, patient_public_key "
            f"FROM relationships WHERE relationship_id = '{ACTIVE}'"
        )
        broker = self.serve()
        (line,) = broker.log("duplicate_relationships")
        self.assertIn(f"patient=patient-001 provider={PROVIDER} ", line)
        self.assertIn(f"relationships={ACTIVE},copy ", line)
        self.assertEqual(len(self.json("relationship", "list")), 4)
        self.stop(broker)

    def test_logs_handshakes_and_nothing_that_a_patient_wrote(self):
        self.ok("provider", "add", PROVIDER)
        broker = self.serve()
        relationship = self.patient(broker, "patient-001")
        line = self.connect(broker)
        self.assertEqual(line.head()[0], 101)
        line.send('{"type":"handshake.auth","patient_agent_id":"a diagnosis"}')
        self.assertEqual(line.close_code(), 4002)
        line = self.connect(broker)
        self.assertEqual(line.head()[0], 101)
        line.send('{"type":"a diagnosis"}')
        self.assertEqual(line.close_code(), 4002)
        good, *bad = until(lambda: len(h := broker.log("handshake")) == 3 and h, "three outcomes")
        self.assertIn(f"provider={PROVIDER} result=new relationship={relationship}", good)
        for text in bad:
            self.assertIn("level=warning", text)
            self.assertIn("result=INVALID_MESSAGE", text)
        key = json.loads((self.directory / "patient-001.key").read_text())
        self.stop(broker)
        log = "\n".join(broker.lines)
        for secret in ("diagnosis", key["d"], key["x"]):
            self.assertNotIn(secret, log)

    def test_logs_no_less_severe_lines_than_asked_for(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        broker = Broker(self.directory, "--log-level", "error", SERVER__PORT=str(port))
        self.addCleanup(broker.end, signal.SIGKILL)
        until(lambda: self.run_program("status").returncode == 0, "running")
        self.stop(broker)
        self.assertEqual(broker.lines, [])

    def test_logs_json_for_machines(self):
        self.ok("provider", "add", PROVIDER)
        broker = Broker(self.directory, "--json")
        self.addCleanup(broker.end, signal.SIGKILL)

        def events(name):
            return [e for e in map(json.loads, list(broker.lines)) if e["event"] == name]

        (ready,) = until(lambda: events("ready"), "ready")
        self.assertRegex(ready["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual((ready["level"], ready["pid"]), ("info", str(broker.process.pid)))
        url = f"ws://127.0.0.1:{ready['port']}"
        self.fails(1, "connect", url, "--provider", OTHER)
        (handshake,) = until(lambda: events("handshake"), "a handshake")
        self.assertEqual(handshake["result"], "PROVIDER_NOT_FOUND")
        self.stop(broker)
        self.assertEqual(len(events("stopped")), 1)

    def test_logs_as_json_why_it_does_not_start(self):
        done = self.run_program("serve", "--json", "--config", "none.json")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        line = json.loads(done.stderr)
        self.assertEqual((line["level"], line["event"]), ("error", "failed"))
        self.assertIn("none.json", line["message"])

    def test_has_nothing_to_reload_without_tls(self):
        broker = self.serve()
        broker.process.send_signal(signal.SIGHUP)
        until(lambda: broker.log("nothing_to_reload"), "a line in the log")
        self.stop(broker)


class Connect(CommandTest):
    def test_finds_the_broker_of_the_configuration(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.configure(
            server={"port": port, "host": "0.0.0.0"}, websocket={"path": "/another/path"}
        )
        (self.directory / "neuron.config.json").rename(self.directory / "other.json")
        self.ok("provider", "add", PROVIDER, "--config", "other.json")
        broker = self.serve("--config", "other.json")
        options = ("connect", "--provider", PROVIDER, "--config", "other.json")
        self.assertIn(f"Connecting to ws://127.0.0.1:{port}/another/path", self.ok(*options))
        self.assertEqual(self.json(*options)["status"], "existing")
        self.stop(broker)

    def test_needs_a_url_or_a_configuration_with_a_port(self):
        self.fails(2, "connect", "--provider", PROVIDER, saying="server.port is 0")
        self.fails(2, "connect", "--provider", PROVIDER, "--config", "none", saying="none")


class Control(CommandTest):
    """The socket by which commands reach the running broker."""

    def setUp(self):
        super().setUp()
        self.broker = self.serve()
        self.path = self.database.with_suffix(".db.control")

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(TIMEOUT)
            line.connect(str(self.path))
            line.sendall(request)
            with line.makefile("rb") as answers:
                return answers.read()

    def test_is_for_this_user_and_this_run(self):
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.stop(self.broker)
        self.assertFalse(self.path.exists())

    def test_takes_nothing_but_requests(self):
        for request in (b"\n", b"hello\n", b"[]\n", b'{"type":"stop"}\n', b'{"type":"terminate"}\n',
                        b"\xff\n"):  # fmt: skip
            self.assertEqual(json.loads(self.ask(request))["type"], "refused", request)
        self.assertEqual(json.loads(self.ask(b'{"type":"status"}\n'))["type"], "running")

    def test_bounds_requests(self):
        for size in (5_000, 100_000):
            with contextlib.suppress(ConnectionError):
                self.assertEqual(self.ask(b"x" * size + b"\n"), b"")
        self.assertEqual(self.json("status")["port"], self.broker.port)

    def test_records_only_what_is_fit_for_it(self):
        good = {"relationship_id": NOBODYS, "provider_npi": PROVIDER, "reason": "moved away"}
        request = {"type": "terminate"} | good
        answer = json.loads(self.ask(json.dumps(request).encode() + b"\n"))
        self.assertEqual(answer, {"type": "terminated", "outcome": "not_found"})
        for bad in ({"reason": "x" * 1001}, {"reason": ""}, {"reason": "a\nb"},
                    {"relationship_id": "x" * 1001}, {"provider_npi": "1"}):  # fmt: skip
            answer = json.loads(self.ask(json.dumps(request | bad).encode() + b"\n"))
            self.assertEqual(answer["type"], "refused", bad)

    def silent(self, count):
        """Clients who connect and say nothing."""
        for _ in range(count):
            line = socket.socket(socket.AF_UNIX)
            self.addCleanup(line.close)
            line.connect(str(self.path))

    def test_answers_while_others_are_silent(self):
        self.silent(7)
        begin = time.monotonic()
        self.assertEqual(self.json("status")["port"], self.broker.port)
        self.assertLess(time.monotonic() - begin, 3)

    def test_answers_once_the_silent_are_gone(self):
        self.silent(12)
        self.assertEqual(self.json("status")["port"], self.broker.port)

    def test_does_not_wait_for_ever(self):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.settimeout(TIMEOUT)
            silent.connect(str(self.path))
            begin = time.monotonic()
            self.assertEqual(silent.recv(1), b"")
            self.assertLess(time.monotonic() - begin, 8)
        self.assertEqual(self.json("status")["port"], self.broker.port)

    def test_does_not_hold_up_the_stop(self):
        for count in (1, 10):
            self.silent(count)
            time.sleep(0.1)
            begin = time.monotonic()
            self.stop(self.broker)
            self.assertLess(time.monotonic() - begin, 2)
            self.broker = self.serve()


@unittest.skipUnless(shutil.which("openssl"), "makes certificates with openssl")
class Tls(CommandTest):
    def certify(self, name):
        """Makes a certificate for `localhost` in chain.pem and key.pem, its subject being `name`."""
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", "key.pem", "-out", "chain.pem", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"],
            cwd=self.directory, check=True, capture_output=True, timeout=TIMEOUT,
        )  # fmt: skip

    def certificate(self, broker):
        """What the broker shows, as PEM."""
        return ssl.get_server_certificate(("127.0.0.1", broker.port), timeout=TIMEOUT)

    def test_serves_and_reloads(self):
        self.certify("first")
        self.ok("provider", "add", PROVIDER)
        broker = self.serve("--tls-cert", "chain.pem", "--tls-key", "key.pem")
        self.assertTrue(self.json("status")["tls"])
        first = (self.directory / "chain.pem").read_text()
        self.assertEqual(self.certificate(broker), first)
        shutil.copy(self.directory / "chain.pem", self.directory / "ca.pem")
        answer = self.json(
            "connect", f"wss://localhost:{broker.port}/ws/handshake", "--ca", "ca.pem",
            "--provider", PROVIDER,
        )  # fmt: skip
        self.assertEqual(answer["status"], "new")

        (self.directory / "key.pem").write_text("no key")
        broker.process.send_signal(signal.SIGHUP)
        until(lambda: broker.log("certificate_not_reloaded"), "a line in the log")
        self.assertEqual(self.certificate(broker), first)

        self.certify("second")
        broker.process.send_signal(signal.SIGHUP)
        until(lambda: broker.log("certificate_reloaded"), "a line in the log")
        self.assertEqual(self.certificate(broker), (self.directory / "chain.pem").read_text())
        self.stop(broker)

    def test_needs_files_that_fit(self):
        files = ("--tls-cert", "chain.pem", "--tls-key", "key.pem")
        self.fails(2, "serve", *files, saying=("chain.pem", "PEM"))
        self.certify("first")
        (self.directory / "key.pem").rename(self.directory / "old.pem")
        self.fails(2, "serve", *files, saying=("key.pem", "PEM"))
        self.certify("second")
        self.fails(2, "serve", *files[:3], "old.pem", saying="old.pem: key values mismatch")


class Demo(CommandTest):
    def test_shows_a_handshake(self):
        (self.directory / "neuron.config.json").unlink()
        self.assertIn("handshake.complete", self.ok("demo"))
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_prints_a_json_object_a_step(self):
        steps = [json.loads(line) for line in self.ok("demo", "--json").splitlines()]
        self.assertEqual(len(set(step["scene"] for step in steps[1:])), 8)
        outcomes = [step["ok"] for step in steps if "ok" in step]
        self.assertEqual(outcomes, [True] * 8)
        self.assertEqual(len([step for step in steps if "relationship" in step]), 5)
        self.assertIn("handshake.complete", [step.get("receives") for step in steps])

    def test_has_the_settings_of_the_configuration(self):
        self.configure(
            organization={"npi": ORGANIZATION, "name": "Our House", "type": "practice"},
            websocket={"maxConcurrentHandshakes": 3, "authTimeoutMs": 5000},
            audit={"enabled": False},
        )
        before = sorted(self.directory.iterdir())
        for options in ([], ["--config", "neuron.config.json"]):
            start, *_ = self.json_lines("demo", *options)
            self.assertEqual((start["organization"], start["max_concurrent"]), ("Our House", 3))
        self.assertEqual(sorted(self.directory.iterdir()), before)

    def json_lines(self, *arguments):
        return [json.loads(line) for line in self.ok(*arguments, "--json").splitlines()]

    def test_needs_no_configuration_that_is_complete(self):
        (self.directory / "neuron.config.json").unlink()
        self.ok("init")
        done = self.run_program("demo")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("settings of its own", done.stderr)
        self.fails(2, "demo", "--config", "neuron.config.json", saying="organization.npi")
        self.fails(2, "demo", "--config", "none.json", saying="none.json")

    def test_keeps_its_files_where_it_is_told(self):
        *_, kept = self.json_lines("demo", "--keep", "kept")
        self.assertEqual(kept, {"kept": "kept", "config": "kept/neuron.config.json"})
        self.assertEqual(len(self.json("relationship", "list", "--config", kept["config"])), 5)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and os.access(sys.argv[1], os.X_OK):
        PROGRAM = sys.argv.pop(1)
    if not PROGRAM:
        sys.exit("usage: cli_test.py PROGRAM [unittest's arguments], or set CONSENT_BROKER")
    PROGRAM = str(pathlib.Path(PROGRAM).resolve())
    unittest.main()
