"""A proxy that stands between a client and an S3 server and, from a seed, does what networks and busy stores do.

Each request draws its fate by its number and the seed. `FAULTS` names them; `share` of all requests get one.
"""

import asyncio
import random
import threading
from collections import Counter

FAULTS = ("500", "503", "reset", "stall", "cut", "short", "slow")
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>%s</Message></Error>"
STALL_S = 1.5  # longer than the clients of these tests wait for an answer


class FaultProxy:
    """Serve on a free port of 127.0.0.1, as a context; `done` counts what was done to requests."""

    def __init__(self, port: int, *, share: float, seed: int = 0, faults: tuple[str, ...] = FAULTS) -> None:
        self.upstream, self.share, self.faults = port, share, faults
        self.fates = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> "FaultProxy":
        self.thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self.loop)
        self.server = starting.result(10)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self.server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"expect: 100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(length(head))
        fate = self.fates.choice(self.faults) if self.fates.random() < self.share else "none"
        self.done[fate] += 1
        if fate in ("500", "503"):
            code, words = {"500": (b"InternalError", b"try again"), "503": (b"SlowDown", b"reduce your request rate")}[
                fate
            ]
            xml = SLOW_DOWN % (code, words)
            writer.write(
                b"HTTP/1.1 %s Busy\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (fate.encode(), len(xml))
            )
            writer.write(b"" if head.startswith(b"HEAD") else xml)
        elif fate == "reset":
            writer.transport.abort()
        elif fate == "stall":
            await asyncio.sleep(STALL_S)
        else:
            answer_head, answer = await self._ask(head, body)
            if fate == "cut":  # after the server has acted: the client cannot know
                answer = answer[: len(answer) // 2]
                answer_head = answer_head if answer else b""
            elif fate == "short" and head.startswith(b"GET") and b"\r\nrange:" in head.lower():
                answer = answer[: len(answer) // 2]  # and the header says that this is all
                answer_head = with_length(answer_head, len(answer))
            elif fate == "slow":
                await asyncio.sleep(0.1)
            writer.write(answer_head + answer)
        if not writer.transport.is_closing():
            await writer.drain()

    async def _ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
        answer_head = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer_head, answer


def length(head: bytes) -> int:
    """Return the Content-Length of a request."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def with_length(head: bytes, num_bytes: int) -> bytes:
    """Return an answer's head with another Content-Length."""
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % num_bytes, b"", b""])
