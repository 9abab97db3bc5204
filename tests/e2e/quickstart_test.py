# Distributed under the Boost Software License, Version 1.0. See LICENSE.
"""The first program that a newcomer sees: it is short, and it works.

Builds nothing. QUICKSTART is the path of the program.
"""

import asyncio
import json
import os
import pathlib
import select
import signal
import subprocess
import unittest

import websockets

SOURCE = pathlib.Path(__file__).parents[2] / "examples" / "quickstart" / "main.cpp"
TIMEOUT = 10  # seconds, for anything


class Quickstart(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.server = subprocess.Popen(
            [os.environ["QUICKSTART"]], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.end)
        ready, _, _ = select.select([self.server.stdout], [], [], TIMEOUT)
        self.assertTrue(ready, "it does not print where it listens")
        self.url = self.server.stdout.readline().strip()

    def end(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.wait(TIMEOUT)
        self.server.stdout.close()

    def connect(self):
        return websockets.connect(self.url, open_timeout=TIMEOUT, close_timeout=TIMEOUT)

    async def test_it_greets(self):
        async with self.connect() as line:
            await line.send(json.dumps({"type": "hello", "name": "Ada"}))
            answer = json.loads(await asyncio.wait_for(line.recv(), TIMEOUT))
            self.assertEqual(answer, {"type": "welcome", "text": "Welcome, Ada!"})
            await asyncio.wait_for(line.wait_closed(), TIMEOUT)
            self.assertEqual((line.close_code, line.close_reason), (1000, "Goodbye"))

    async def test_it_greets_nobody_else(self):
        for text in ("hello", '{"type":"hello"}', '{"type":"good-bye","name":"Ada"}', "[]"):
            async with self.connect() as line:
                await line.send(text)
                await asyncio.wait_for(line.wait_closed(), TIMEOUT)
                self.assertEqual(line.close_code, 4000)

    async def test_it_stops_when_told(self):
        async with self.connect() as line:
            self.server.send_signal(signal.SIGINT)
            await asyncio.wait_for(line.wait_closed(), TIMEOUT)
        self.assertEqual(self.server.wait(TIMEOUT), 0)

    def test_it_is_short(self):
        self.assertLessEqual(len(SOURCE.read_text().splitlines()), 40)


if __name__ == "__main__":
    unittest.main()
