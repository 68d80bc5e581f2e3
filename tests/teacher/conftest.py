"""A real HTTP server that speaks enough of OpenAI's chat completions, and can be made to fail."""

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class TeachingServer:
    """Grades every prompt by its hash. `faults` are dealt out by the hash of (prompt, number of tries)."""

    faults: tuple[str, ...] = ()  # of FAULTS; "" is none
    delay_s: float = 0.0
    newer: bool = False  # knows max_completion_tokens only, as OpenAI's reasoning models
    headers: dict[str, str] = field(default_factory=dict)  # of the last request
    question: dict[str, object] = field(default_factory=dict)  # the body of the last request
    tries: Counter[str] = field(default_factory=Counter)  # requests by prompt
    paid: Counter[str] = field(default_factory=Counter)  # answers sent by prompt
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        teaching = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with contextlib.suppress(ConnectionResetError):  # a killed client's open connections
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with teaching.lock:
                    teaching.in_flight += 1
                    teaching.most_in_flight = max(teaching.most_in_flight, teaching.in_flight)
                try:
                    teaching.answer(self, json.loads(body))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client was killed or gave up waiting
                finally:
                    with teaching.lock:
                        teaching.in_flight -= 1

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, request: BaseHTTPRequestHandler, question: dict) -> None:
        prompt = question["messages"][0]["content"]
        with self.lock:
            self.headers, self.question = dict(request.headers), question
            self.tries[prompt] += 1
            turn = hashlib.sha256(f"{self.tries[prompt]} {prompt}".encode()).digest()[0]
        time.sleep(self.delay_s)
        fault = self.faults[turn % len(self.faults)] if self.faults else ""
        if request.path != "/v1/chat/completions":
            send(request, 404, b"no such page")
        elif self.newer and "max_tokens" in question:
            told = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            send(request, 400, json.dumps({"error": {"message": told, "param": "max_tokens"}}).encode())
        elif fault == "hang":
            time.sleep(1.0)  # longer than the client's timeout_s
            request.close_connection = True
        elif fault == "garbage":
            send(request, 200, b"<html>a proxy's login page</html>")
        elif fault:
            send(request, int(fault), b"not now", {"Retry-After": "0.01"} if fault == "429" else {})
        else:
            with self.lock:
                self.paid[prompt] += 1
            text = f"Because.\nEducational score: {hashlib.sha256(prompt.encode()).digest()[0] % 6}"
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            send(request, 200, json.dumps({"choices": [choice], "usage": usage}).encode())


def send(request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def server() -> Iterator[TeachingServer]:
    teaching = TeachingServer()
    thread = threading.Thread(target=teaching.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield teaching
    teaching.http.shutdown()
    teaching.http.server_close()
    thread.join()
