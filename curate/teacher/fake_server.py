"""A chat completions server without a model, to try the loop with: it bills, it fails, it can honour idempotency keys.

    python -m curate.teacher.fake_server --fail 0.3 --idempotent          # prints http://127.0.0.1:PORT/v1
    curl http://127.0.0.1:PORT/bill                                       # what it would have charged for

Grades are the hash of the prompt (`client.fake_answer`). A share `fail` of the requests meets one of the ways hosts
fail: "429" and "500" before any work, "drop" (the connection breaks before any work), "garbage" (a proxy's page with
status 200), and the one that costs money: "lost", where the answer is made and billed, and the connection breaks
before it arrives. With `idempotent` an answer is kept under its `Idempotency-Key` and sent again unbilled; while the
first request of a key is still worked on, a second one gets 409, as at Stripe.
"""

import argparse
import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from curate.teacher.client import fake_answer

FAULTS = ("429", "500", "drop", "garbage", "lost")


@dataclass
class FakeServer:
    """State of the server: answers by key, and the bill."""

    fail: float = 0.0  # share of requests that meet a fault
    idempotent: bool = False
    delay_s: float = 0.0  # of each answer
    seed: int = 0
    num_requests: int = 0
    billed: Counter[str] = field(default_factory=Counter)  # answers by hash of the prompt
    faults: Counter[str] = field(default_factory=Counter)
    answers: dict[str, bytes] = field(default_factory=dict)  # by idempotency key
    working: set[str] = field(default_factory=set)  # keys
    most_at_once: int = 0
    _at_once: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def bill(self) -> dict[str, Any]:
        """Return the counts that GET /bill shows."""
        return {
            "requests": self.num_requests,
            "billed": self.billed.total(),
            "prompts": len(self.billed),
            "billed_again": self.billed.total() - len(self.billed),
            "most_at_once": self.most_at_once,
            "faults": dict(sorted(self.faults.items())),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                body = await reader.readexactly(int(headers.get("content-length") or 0))
                if lines[0].startswith("GET /bill"):
                    writer.write(_response(200, json.dumps(self.bill()).encode()))
                elif not lines[0].startswith("POST /v1/chat/completions"):
                    writer.write(_response(404, b"no such page"))
                else:
                    reply = await self.answer(body, headers.get("idempotency-key", ""))
                    if reply is None:
                        return
                    writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away: nobody is left to tell
        finally:
            writer.close()

    async def answer(self, body: bytes, key: str) -> bytes | None:
        """Return the response, or None to break the connection."""
        self.num_requests += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            fault = self._random.choice(FAULTS) if self._random.random() < self.fail else ""
            self.faults[fault] += bool(fault)
            if fault in ("429", "500"):
                return _response(int(fault), b"not now", "Retry-After: 0.01\r\n" if fault == "429" else "")
            if fault == "garbage":
                return _response(200, b"<html>a proxy's login page</html>")
            if fault == "drop":
                return None
            return await self._work(body, key, lost=fault == "lost")
        finally:
            self._at_once -= 1

    async def _work(self, body: bytes, key: str, *, lost: bool) -> bytes | None:
        if self.idempotent and key in self.working:
            return _response(409, b"this key is being worked on")
        if not (self.idempotent and key in self.answers):
            self.working.add(key)
            await asyncio.sleep(self.delay_s)
            prompt = json.loads(body)["messages"][0]["content"]
            self.billed[blake2b(prompt.encode("utf-8", "replace"), digest_size=16).hexdigest()] += 1
            self.working.discard(key)
            reply = fake_answer(prompt)
            choice = {"message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
            answer = json.dumps({"choices": [choice], "usage": usage}).encode()
            if not (self.idempotent and key):
                return None if lost else _response(200, answer)
            self.answers[key] = answer
        return None if lost else _response(200, self.answers[key])


def _response(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


async def run(server: FakeServer, port: int) -> None:
    """Serve until killed; the address is the first line on stdout."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, limit=2**24, backlog=1024)
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fail", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--idempotent", action="store_true", help="honour Idempotency-Key")
    parser.add_argument("--delay-s", type=float, default=0.0, help="seconds an answer takes")
    arguments = parser.parse_args()
    asyncio.run(run(FakeServer(arguments.fail, arguments.idempotent, arguments.delay_s), arguments.port))
