# Distributed under the Boost Software License, Version 1.0. See LICENSE.
"""The consent broker, as an independent client sees it: `websockets` for the line, `cryptography`
for the keys. Knows nothing but the specification and the program's own `--help`.

Builds nothing. CONSENT_BROKER is the path of the program.
"""

import asyncio
import base64
import contextlib
import datetime
import json
import logging
import os
import pathlib
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import websockets
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

logging.getLogger("asyncio").setLevel(logging.ERROR)  # a command that runs blocks the loop

PROGRAM = os.path.abspath(os.environ["CONSENT_BROKER"])
TIMEOUT = 10  # seconds, for anything that is expected to happen
ORGANIZATION = "1003000126"
PROVIDER = "1245319599"
UNREGISTERED = "1234567893"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def follow(pipe, lines):
    """Reads a program's log to its end, so that it never has to wait."""
    with pipe:
        for line in pipe:
            lines.put(line)


class Broker:
    """`consent-broker serve` in a directory of its own, on a free port."""

    process = None

    def __init__(self, **websocket):
        self._directory = tempfile.TemporaryDirectory()
        self.directory = pathlib.Path(self._directory.name)
        configuration = {
            "organization": {"npi": ORGANIZATION, "name": "Example", "type": "practice"},
            "server": {"host": "127.0.0.1", "port": 0},
            "websocket": websocket,
            "storage": {"path": str(self.directory / "neuron.db")},
            "audit": {"path": str(self.directory / "audit.jsonl")},
            "axon": {"endpointUrl": "https://broker.example"},
        }
        (self.directory / "neuron.config.json").write_text(json.dumps(configuration))
        self.cli("provider", "add", PROVIDER)

    def start(self, *arguments):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *arguments], cwd=self.directory, stderr=subprocess.PIPE, text=True
        )
        log = queue.Queue()
        threading.Thread(target=follow, args=(self.process.stderr, log), daemon=True).start()
        ready = None
        while not ready:
            ready = re.search(r"event=ready .*port=(\d+)", log.get(timeout=TIMEOUT))
        self.port = int(ready[1])
        self.authority = f"127.0.0.1:{self.port}"
        self.url = f"ws://{self.authority}/ws/handshake"

    def run(self, *arguments):
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.directory, capture_output=True, text=True,
            timeout=TIMEOUT,
        )

    def cli(self, *arguments):
        """Runs a command that is expected to do well, and returns what it prints."""
        done = self.run(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode}: {done.stderr}")
        return done.stdout

    def relationships(self):
        return json.loads(self.cli("relationship", "list", "--json"))

    def health(self):
        with urllib.request.urlopen(f"http://{self.authority}/health", timeout=TIMEOUT) as answer:
            return json.load(answer)

    def audit(self):
        with open(self.directory / "audit.jsonl", encoding="utf-8") as log:
            return [json.loads(line) for line in log]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def discard(self):
        if self.process:
            self.process.kill()
            self.process.wait(TIMEOUT)
        self._directory.cleanup()


class Patient:
    def __init__(self, name="patient-001"):
        self.name = name
        self.key = Ed25519PrivateKey.generate()

    def public_key(self):
        return base64url(
            self.key.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw
            )
        )

    def auth(self, **claims):
        now = int(time.time())
        payload = json.dumps(
            {
                "patient_agent_id": self.name,
                "provider_npi": PROVIDER,
                "consented_actions": ["office_visit", "lab_results"],
                "iat": now,
                "exp": now + 3600,
                **claims,
            }
        ).encode()
        return {
            "type": "handshake.auth",
            "consent_token_payload": base64url(payload),
            "consent_token_signature": base64url(self.key.sign(payload)),
            "patient_agent_id": self.name,
            "patient_public_key": self.public_key(),
            "patient_endpoint": "wss://patient.example/agent",
        }

    def answer(self, challenge):
        return {
            "type": "handshake.challenge_response",
            "signed_nonce": base64url(self.key.sign(bytes.fromhex(challenge["nonce"]))),
        }


def connect(broker, path="/ws/handshake"):
    return websockets.connect(
        f"ws://{broker.authority}{path}", open_timeout=TIMEOUT, close_timeout=TIMEOUT
    )


async def say(line, message):
    await line.send(json.dumps(message))


async def hear(line):
    return json.loads(await asyncio.wait_for(line.recv(), TIMEOUT))


async def closed(line):
    """The close code, after whatever messages there still are."""
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await asyncio.wait_for(line.recv(), TIMEOUT)
    return line.close_code


async def shake_hands(line, patient, **claims):
    """Goes through a handshake, and returns everything that the broker said."""
    await say(line, patient.auth(**claims))
    said = [await hear(line)]
    if said[0]["type"] == "handshake.challenge":
        await say(line, patient.answer(said[0]))
        said.append(await hear(line))
    return said


class HandshakeCase(unittest.IsolatedAsyncioTestCase):
    def serve(self, *arguments, **websocket):
        """A broker that must end well: with status 0, and with an audit log that verifies."""
        broker = Broker(**websocket)
        self.addCleanup(broker.discard)
        broker.start(*arguments)
        self.addCleanup(self.check_end, broker)
        return broker

    def check_end(self, broker):
        broker.terminate()
        self.assertEqual(broker.process.wait(TIMEOUT), 0)
        broker.cli("audit", "verify")
        actions = [entry["action"] for entry in broker.audit()]
        self.assertEqual((actions[0], actions[-1]), ("neuron_start", "neuron_stop"))

    async def check_refusal(self, broker, message, code, close):
        async with connect(broker) as line:
            await line.send(message)
            answer = await hear(line)
            self.assertEqual((answer["type"], answer["code"]), ("handshake.error", code))
            self.assertTrue(answer["message"])
            self.assertEqual(await closed(line), close)


class Handshakes(HandshakeCase):
    async def test_new_then_existing(self):
        broker = self.serve()
        patient = Patient()
        async with connect(broker) as line:
            challenge, complete = await shake_hands(line, patient)
            self.assertEqual(await closed(line), 1000)
            self.assertEqual(line.close_reason, "Handshake complete")
        self.assertRegex(challenge["nonce"], r"^[0-9a-f]{64}$")
        self.assertEqual(challenge["provider_npi"], PROVIDER)
        self.assertEqual(challenge["organization_npi"], ORGANIZATION)
        self.assertRegex(complete["relationship_id"], UUID)
        self.assertEqual(complete["status"], "new")
        self.assertEqual(
            complete["provider_endpoint"], f"https://broker.example/ws/provider/{PROVIDER}"
        )

        async with connect(broker) as line:
            (again,) = await shake_hands(line, patient)
            self.assertEqual(await closed(line), 1000)
        self.assertEqual(again, {**complete, "status": "existing"})

        (kept,) = broker.relationships()
        self.assertEqual(kept["relationship_id"], complete["relationship_id"])
        self.assertEqual(kept["patient_public_key"], patient.public_key())
        self.assertEqual(kept["consented_actions"], ["office_visit", "lab_results"])
        self.assertEqual(kept["status"], "active")

    async def test_a_registered_endpoint_is_told(self):
        broker = self.serve()
        broker.cli("provider", "add", PROVIDER, "--endpoint", "wss://ada.example/agent")
        async with connect(broker) as line:
            complete = (await shake_hands(line, Patient()))[-1]
        self.assertEqual(complete["provider_endpoint"], "wss://ada.example/agent")

    async def test_consent_that_is_not_proven(self):
        broker = self.serve()
        async with connect(broker) as line:
            await shake_hands(line, Patient())
        other = Patient("patient-002")
        forged = {**other.auth(), "consent_token_signature": base64url(bytes(64))}
        refusals = {
            "another key": Patient().auth(),
            "expired": other.auth(exp=int(time.time()) - 1),
            "forged": forged,
            "a short signature": {**other.auth(), "consent_token_signature": "AAAA"},
            "for another": {**other.auth(), "patient_agent_id": "patient-003"},
        }
        for why, auth in refusals.items():
            with self.subTest(why):
                await self.check_refusal(broker, json.dumps(auth), "CONSENT_FAILED", 4003)
        self.assertEqual(len(broker.relationships()), 1)

    async def test_a_provider_that_is_not_registered(self):
        broker = self.serve()
        auth = Patient().auth(provider_npi=UNREGISTERED)
        await self.check_refusal(broker, json.dumps(auth), "PROVIDER_NOT_FOUND", 4004)

    async def test_messages_that_are_none(self):
        broker = self.serve()
        auth = Patient().auth()
        incomplete = {key: auth[key] for key in auth if key != "patient_endpoint"}
        for message in (
            "not JSON",
            "[]",
            "{}",
            '{"type":"handshake.challenge_response","signed_nonce":"AAAA"}',
            json.dumps(incomplete),
            json.dumps({**auth, "patient_agent_id": 7}),
            json.dumps(auth).encode(),  # binary
        ):
            with self.subTest(message[:60]):
                await self.check_refusal(broker, message, "INVALID_MESSAGE", 4002)
        for why, auth in {
            "not base64url": {**auth, "consent_token_payload": "a+b/"},
            "no key": {**auth, "patient_public_key": base64url(bytes(31))},
            "the key under which anyone can sign": {
                **auth, "patient_public_key": base64url(bytes(32))
            },
            "wrong claims": Patient().auth(consented_actions="all"),
        }.items():
            with self.subTest(why):
                await self.check_refusal(broker, json.dumps(auth), "INVALID_MESSAGE", 4003)

    async def test_a_message_that_is_too_big(self):
        broker = self.serve(maxPayloadBytes=4096)
        async with connect(broker) as line:
            await line.send("x" * 4097)
            self.assertEqual(await closed(line), 1009)
        async with connect(broker) as line:
            self.assertEqual((await shake_hands(line, Patient()))[-1]["status"], "new")

    async def test_a_wrong_answer_to_the_challenge(self):
        broker = self.serve()
        async with connect(broker) as line:
            await say(line, Patient().auth())
            await say(line, Patient().answer(await hear(line)))  # of somebody else
            self.assertEqual((await hear(line))["code"], "CONSENT_FAILED")
            self.assertEqual(await closed(line), 4003)
        self.assertEqual(broker.relationships(), [])

    async def test_an_answer_is_good_for_one_connection(self):
        broker = self.serve()
        patient = Patient()
        async with connect(broker) as line:
            await say(line, patient.auth())
            answer = patient.answer(await hear(line))
        async with connect(broker) as line:
            await say(line, patient.auth())
            await hear(line)
            await say(line, answer)
            self.assertEqual((await hear(line))["code"], "CONSENT_FAILED")

    async def test_a_message_out_of_turn_is_ignored(self):
        broker = self.serve()
        patient = Patient()
        async with connect(broker) as line:
            await say(line, patient.auth())
            challenge = await hear(line)
            await say(line, Patient("patient-002").auth())
            await say(line, patient.answer(challenge))
            self.assertEqual((await hear(line))["status"], "new")
            self.assertEqual(await closed(line), 1000)
        self.assertEqual([r["patient_agent_id"] for r in broker.relationships()], [patient.name])

    async def test_silence(self):
        broker = self.serve(authTimeoutMs=200)
        async with connect(broker) as line:
            self.assertEqual((await hear(line))["code"], "AUTH_TIMEOUT")
            self.assertEqual(await closed(line), 4001)

    async def test_handshakes_that_race_leave_one_relationship(self):
        broker = self.serve()
        patient = Patient()

        async def visit():
            async with connect(broker) as line:
                return (await shake_hands(line, patient))[-1]["relationship_id"]

        ids = await asyncio.gather(*(visit() for _ in range(20)))
        self.assertEqual(len(set(ids)), 1)
        self.assertEqual([r["relationship_id"] for r in broker.relationships()], ids[:1])


class Doors(HandshakeCase):
    async def test_whoever_waits_gets_in(self):
        broker = self.serve(maxConcurrentHandshakes=1)
        async with connect(broker) as first:
            waiting = asyncio.create_task(self.visit(broker, "patient-002"))
            while broker.health()["queued"] != 1:
                await asyncio.sleep(0.01)
            self.assertFalse(waiting.done())
            said = await shake_hands(first, Patient("patient-001"))
            self.assertEqual(said[-1]["status"], "new")
        self.assertEqual(await asyncio.wait_for(waiting, TIMEOUT), "new")

    async def visit(self, broker, name):
        async with connect(broker) as line:
            return (await shake_hands(line, Patient(name)))[-1]["status"]

    async def test_whoever_waits_too_long_is_told(self):
        broker = self.serve(maxConcurrentHandshakes=1, queueTimeoutMs=200)
        async with connect(broker):
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await connect(broker)
        self.assertEqual(refused.exception.status_code, 503)
        self.assertIn("Retry-After", refused.exception.headers)

    async def test_the_wrong_door(self):
        broker = self.serve()
        with self.assertRaises(websockets.InvalidStatusCode) as refused:
            await connect(broker, "/elsewhere")
        self.assertEqual(refused.exception.status_code, 404)

    async def test_health(self):
        broker = self.serve()
        await self.visit(broker, "patient-001")
        async with connect(broker):
            health = broker.health()
        self.assertEqual(health["status"], "ok")
        self.assertEqual((health["active"], health["queued"]), (1, 0))
        self.assertEqual(health["handshakes"], {"completed": 1, "failed": 0})


class Operation(HandshakeCase):
    async def test_a_termination_is_for_ever(self):
        broker = self.serve()
        patient = Patient()
        async with connect(broker) as line:
            ended = (await shake_hands(line, patient))[-1]["relationship_id"]
        command = ("relationship", "terminate", ended, "--reason", "moved away", "--provider")
        self.assertEqual(broker.run(*command, UNREGISTERED).returncode, 1)
        broker.cli(*command, PROVIDER)
        self.assertEqual(broker.run(*command, PROVIDER).returncode, 1)
        async with connect(broker) as line:
            challenge, complete = await shake_hands(line, patient)
        self.assertEqual(complete["status"], "new")
        self.assertNotEqual(complete["relationship_id"], ended)
        self.assertEqual(
            {r["relationship_id"]: r["status"] for r in broker.relationships()},
            {ended: "terminated", complete["relationship_id"]: "active"},
        )
        self.assertIn("termination.relationship_terminated", [e["action"] for e in broker.audit()])

    async def test_the_audit_log_tells_the_story(self):
        broker = self.serve()
        async with connect(broker) as line:
            complete = (await shake_hands(line, Patient()))[-1]
        await self.check_refusal(broker, json.dumps(Patient().auth()), "CONSENT_FAILED", 4003)
        entries = [e for e in broker.audit() if e["category"] != "admin"]
        self.assertEqual(
            [e["action"] for e in entries],
            [
                "connection.handshake_started",
                "consent.relationship_established",
                "connection.handshake_completed",
                "connection.handshake_started",
                "connection.handshake_failed",
            ],
        )
        self.assertEqual({e["actor"] for e in entries}, {"patient-001"})
        self.assertEqual(
            entries[1]["details"],
            {
                "relationship_id": complete["relationship_id"],
                "provider_npi": PROVIDER,
                "consented_actions": ["office_visit", "lab_results"],
            },
        )
        self.assertEqual(entries[4]["details"]["error"], "CONSENT_FAILED")

    async def test_a_stop_tells_everybody(self):
        broker = self.serve(maxConcurrentHandshakes=2)
        async with connect(broker) as silent, connect(broker) as challenged:
            await say(challenged, Patient().auth())
            await hear(challenged)
            waiting = asyncio.create_task(connect(broker).__aenter__())
            while broker.health()["queued"] != 1:
                await asyncio.sleep(0.01)
            broker.terminate()
            self.assertEqual(await closed(silent), 1001)
            self.assertEqual(await closed(challenged), 1001)
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await asyncio.wait_for(waiting, TIMEOUT)
            self.assertEqual(refused.exception.status_code, 503)
        self.assertEqual(broker.process.wait(TIMEOUT), 0)

    async def test_a_stopped_broker_starts_again_where_it_was(self):
        broker = self.serve()
        patient = Patient()
        async with connect(broker) as line:
            before = (await shake_hands(line, patient))[-1]
        broker.terminate()
        self.assertEqual(broker.process.wait(TIMEOUT), 0)
        broker.start()
        async with connect(broker) as line:
            (after,) = await shake_hands(line, patient)
        self.assertEqual(after, {**before, "status": "existing"})


class Connect(HandshakeCase):
    """The program's own patient, and its exit status."""

    def visit(self, broker, url, *arguments, provider=PROVIDER):
        done = broker.run("connect", url, "--provider", provider, "--json", *arguments)
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    async def test_plain(self):
        broker = self.serve()
        status, new = self.visit(broker, broker.url, "--action", "a", "--action", "b")
        self.assertEqual((status, new["outcome"], new["status"]), (0, "completed", "new"))
        self.assertEqual(broker.relationships()[0]["consented_actions"], ["a", "b"])
        self.assertEqual((broker.directory / "patient-key.json").stat().st_mode & 0o777, 0o600)
        status, again = self.visit(broker, broker.url)
        self.assertEqual((status, again["status"]), (0, "existing"))
        self.assertEqual(again["relationship_id"], new["relationship_id"])

        status, refused = self.visit(broker, broker.url, provider=UNREGISTERED)
        self.assertEqual((status, refused["code"]), (1, "PROVIDER_NOT_FOUND"))
        status, wrong = self.visit(broker, "http://127.0.0.1")
        self.assertEqual((status, list(wrong)), (2, ["error"]))
        status, wrong = self.visit(broker, broker.url, provider="1234567890")
        self.assertEqual((status, list(wrong)), (2, ["error"]))
        self.assertEqual(self.visit(broker, broker.url + "/elsewhere")[0], 3)
        self.assertEqual(self.visit(broker, "ws://127.0.0.1:1")[0], 3)
        shown = broker.cli("connect", broker.url, "--provider", PROVIDER)
        self.assertIn("<- handshake.complete  existing", shown)

    async def test_tls(self):
        with tempfile.TemporaryDirectory() as directory:
            certificate, key = make_certificate(pathlib.Path(directory))
            broker = self.serve("--tls-cert", certificate, "--tls-key", key)
            trusted = f"wss://localhost:{broker.port}"
            status, new = self.visit(broker, trusted, "--ca", certificate)
            self.assertEqual((status, new["status"]), (0, "new"))
            status, stranger = self.visit(broker, trusted)
            self.assertEqual((status, stranger["outcome"]), (3, "disconnected"))
            self.assertIn("certificate is not accepted", stranger["message"])
            status, misnamed = self.visit(broker, f"wss://{broker.authority}", "--ca", certificate)
            self.assertEqual(status, 3)
            self.assertIn("certificate is not accepted", misnamed["message"])
            self.assertEqual(self.visit(broker, broker.url)[0], 3)  # not over TLS

    async def test_a_busy_broker(self):
        broker = self.serve(maxConcurrentHandshakes=1, queueTimeoutMs=200)
        async with connect(broker):
            status, busy = await asyncio.to_thread(self.visit, broker, broker.url)
            self.assertEqual((status, busy["http_status"]), (3, 503))

    async def test_a_broker_that_takes_too_long(self):
        broker = self.serve(maxConcurrentHandshakes=1)
        async with connect(broker):
            status, late = await asyncio.to_thread(
                self.visit, broker, broker.url, "--timeout", "1"
            )
            self.assertEqual((status, late["outcome"]), (3, "timed_out"))


def make_certificate(directory):
    """For `localhost`, signed with its own key. Returns the two paths: certificate and key."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, None)
    )
    pem = serialization.Encoding.PEM
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(directory / "certificate.pem"), str(directory / "key.pem")


if __name__ == "__main__":
    unittest.main()
