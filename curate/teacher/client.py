"""Ask a teacher many questions at once, over any OpenAI-compatible server (vLLM, TGI, llama.cpp, hosted).

    teacher = OpenAITeacher("http://localhost:8000/v1", "meta-llama/Llama-3.3-70B-Instruct", max_in_flight=64)
    for index, reply in teacher.complete(prompts):      # as they arrive, not in the order of the prompts
        ...

Replies come one by one so that each can be written down the moment it is paid for, and prompts are taken one by one so
that whoever supplies them can stop (a budget is spent) while every question already asked is still answered.

A question that the server could not answer (429, 5xx, timeout, broken connection, something that is not a chat
completion) is asked again with exponential back-off; what remains unanswered comes back as a `Reply` with `error`,
never as an exception that loses the others; `refused` says of some that the server read them and will not answer (too
long, a moderator). Only a fault that all questions share (a wrong key, model or address) raises, once what is on the
wire has come back.

*Billed once.* When a connection breaks after a question was sent, nobody here can know whether it was answered and
billed. Every `Prompt` therefore carries a key that stays the same however often it is sent (`Idempotency-Key`, IETF
draft-ietf-httpapi-idempotency-key-header; Stripe's practice): a server that honours it sends the first answer again.
`Reply.unknown` counts the tries that another server may have billed.

Connections live in an event loop on a thread of their own, so this works inside a notebook's loop too.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from curate.teacher.pace import Pace

if TYPE_CHECKING:  # aiohttp takes 0.3 s to import: not before it is used
    import aiohttp

REFUSED = frozenset({400, 403, 413, 422, 451})  # too long, moderated, too large, not valid, unlawful: a text's own
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # 529: overloaded, at some hosts
LIMITS = ("max_tokens", "max_completion_tokens")  # OpenAI's reasoning models refuse the first and name the second
SHARED_FAULTS = {
    401: "the key was refused, or there is none; check api_key (OPENAI_API_KEY, --second-key)",
    404: "nothing answers there; base_url usually ends in /v1 and model must be one of GET {base}/models",
    405: "this is not a chat completions endpoint; base_url usually ends in /v1",
}


class Prompt(str):
    """A question, the key under which it is billed once, and the JSON schema of its answer if it has one."""

    __slots__ = ("key", "schema")
    key: str
    schema: Mapping[str, Any] | None

    def __new__(cls, text: str, key: str = "", schema: Mapping[str, Any] | None = None) -> Self:
        prompt = super().__new__(cls, text)
        prompt.key, prompt.schema = key, schema
        return prompt


@dataclass(frozen=True)
class Reply:
    """One answer. With `error` there is no text: the server did not answer."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = "stop"  # "length": cut at max_tokens
    error: str | None = None
    unknown: int = 0  # earlier tries whose end was never learnt: they may have been billed
    refused: str = ""  # with `error`: what the server said of this very text, which it will not answer


class Teacher(Protocol):
    """Anything that answers questions. `name` says who and how (model, sampling): it is part of every receipt."""

    @property
    def name(self) -> str: ...

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        """Yield (index of the prompt, reply) as they arrive, one for each prompt."""
        ...


@runtime_checkable
class InProcess(Protocol):
    """A teacher whose model runs in the process that asks: it bills nothing, and may run in many processes.

    Pickled, it is settings; its model is loaded at the first question, once in a process, and takes `memory_bytes`.
    """

    @property
    def memory_bytes(self) -> int: ...


@dataclass(frozen=True)
class OpenAITeacher:
    """A chat model behind `{base_url}/chat/completions`.

    Raises (from `complete`):
        ValueError: the server refuses every question (key, model or address).
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)  # kept out of reprs, receipts and error messages
    max_in_flight: int = 32  # requests at a time; a server that batches wants many
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = 120.0
    max_retries: int = 6
    backoff_s: float = 0.5  # doubled with each retry, times a factor from 0.5 to 1.5
    max_backoff_s: float = 60.0
    max_wait_s: float = 600.0  # a Retry-After is obeyed up to this; a longer one ends the question unanswered
    temperature: float = 0.0
    seed: int = 0  # sent to the server, and of the back-off's jitter
    max_tokens: int = 256  # reasons of 80 words and a grade fit twice

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/]", self.base_url):
            raise ValueError(f"{self.base_url!r} is no address of a server; give one such as http://127.0.0.1:8000/v1")
        if self.max_in_flight < 1:
            raise ValueError(f"max_in_flight={self.max_in_flight} lets no request through; give 1 or more")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens} leaves no room for an answer; give 256 or more")

    @property
    def name(self) -> str:
        return f"{self.model} (temperature={self.temperature:g}, seed={self.seed}, max_tokens={self.max_tokens})"

    def resampled(self, seed: int, temperature: float) -> "OpenAITeacher":
        """Return this teacher with another draw of its answers."""
        return replace(self, seed=seed, temperature=temperature)

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        """Yield (index, reply) as they arrive; at most `max_in_flight` prompts are taken ahead."""
        arrived: SimpleQueue[tuple[int, Future[Reply]]] = SimpleQueue()
        questions, on_wire, refused = enumerate(prompts), 0, None
        with Line(self) as line:
            while True:
                free = 0 if refused else self.max_in_flight - on_wire
                for index, prompt in islice(questions, free):
                    line.ask(prompt, index, arrived)
                    on_wire += 1
                if not on_wire:
                    break
                for _ in range(max(1, arrived.qsize())):
                    index, done = arrived.get()
                    on_wire -= 1
                    if isinstance(done.exception(), ValueError):
                        refused = done.exception()
                    else:
                        yield index, done.result()
        if refused is not None:
            raise refused


class Line:
    """Connections to one server, in an event loop on a thread of their own; a context."""

    def __init__(self, teacher: OpenAITeacher) -> None:
        self.teacher = teacher
        self.url = f"{teacher.base_url.rstrip('/')}/chat/completions"
        self.pace = Pace(teacher.requests_per_minute, teacher.tokens_per_minute)
        self.limit = LIMITS[0]  # the name under which this server takes `max_tokens`
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever, name="teacher", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        self.http = asyncio.run_coroutine_threadsafe(self._open(), self.loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave; questions still on the wire (the caller stopped listening) are given up."""
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def ask(self, prompt: str, index: int, arrived: "SimpleQueue[tuple[int, Future[Reply]]]") -> None:
        """Send a question on its way; (index, its end) will be put into `arrived`."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(prompt), self.loop)
        asked.add_done_callback(lambda done: arrived.put((index, done)))

    async def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        key = self.teacher.api_key
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.teacher.max_in_flight),
            timeout=aiohttp.ClientTimeout(total=self.teacher.timeout_s),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            trust_env=True,  # proxies, as every other client on the machine uses them
        )

    async def _close(self) -> None:
        asking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self.http.close()

    async def _ask(self, prompt: str) -> Reply:
        """Ask once and, as long as it may help, again."""
        fault, unknown = "", 0
        for attempt in range(self.teacher.max_retries + 1):
            if attempt:
                await asyncio.sleep(backoff_s(self.teacher, prompt, attempt - 1))
            reply, wait_s = await self._try(prompt)
            unknown += reply.unknown
            if reply.error is None:
                return replace(reply, unknown=unknown) if unknown else reply
            fault = reply.error
            if wait_s is None:
                return replace(reply, error=f"{fault} (not asked again: this does not pass)", unknown=unknown)
            if wait_s > self.teacher.max_wait_s:
                return Reply("", error=f"{fault} (it asks to wait {wait_s:,.0f} s: run again then)", unknown=unknown)
            if wait_s:
                self.pace.pause(time.monotonic() + wait_s)
        last = f"no answer in {self.teacher.max_retries + 1} attempts; the last: {fault}"
        return Reply("", error=last, unknown=unknown)

    async def _try(self, prompt: str) -> tuple[Reply, float | None]:
        """Send the question; return the reply and, if it has an error, the seconds to wait (None: for ever)."""
        import aiohttp

        reserved, limit = len(prompt) // 4 + self.teacher.max_tokens, self.limit
        start_s = self.pace.reserve(reserved, time.monotonic())
        while (wait_s := max(start_s, self.pace.paused_until_s) - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        try:
            body, headers = self._body(prompt, limit), self._headers(prompt)
            async with self.http.post(self.url, data=body, headers=headers) as response:
                content = await response.read()
                status, asked_to_wait = response.status, retry_after_s(response.headers)
        except aiohttp.ClientConnectorError as error:  # nothing was sent
            return Reply("", error=f"{type(error).__name__} from {self.url}: {error}"), 0.0
        except (aiohttp.ClientError, TimeoutError) as error:
            return Reply("", error=f"{type(error).__name__} from {self.url}: {error}", unknown=1), 0.0
        if status == 200:
            reply = read_completion(content, prompt, self.url)
            self.pace.settle(reserved, reply.prompt_tokens + reply.completion_tokens)
            return reply, 0.0
        if status == 400 and limit == LIMITS[0] and LIMITS[1].encode() in content:
            self.limit = LIMITS[1]  # for all further questions
            self.pace.settle(reserved, 0)
            return await self._try(prompt)
        fault = self._fault(status, content, prompt)
        refused = f"{status}: {content[:300].decode('utf-8', 'replace')}" if status in REFUSED else ""
        return Reply("", error=fault, refused=refused), asked_to_wait if status in RETRIED else None

    def _body(self, prompt: str, limit: str) -> bytes:
        teacher = self.teacher
        question: dict[str, Any] = {
            "model": teacher.model,
            "messages": [{"role": "user", "content": str(prompt)}],
            "temperature": teacher.temperature,
            "seed": teacher.seed,
            limit: teacher.max_tokens,
        }
        if getattr(prompt, "schema", None):
            schema = {"name": "grade", "strict": True, "schema": prompt.schema}  # type: ignore[attr-defined]
            question["response_format"] = {"type": "json_schema", "json_schema": schema}
        return json.dumps(question).encode()

    def _headers(self, prompt: str) -> dict[str, str]:
        key = getattr(prompt, "key", "")
        return {"Idempotency-Key": key} if key else {}

    def _fault(self, status: int, content: bytes, prompt: str) -> str:
        """Describe a refusal; raise if every further question would meet the same."""
        fault = f"{status} from {self.url}: {content[:300].decode('utf-8', 'replace')!r}"
        advice = SHARED_FAULTS.get(status)
        if advice:
            raise ValueError(f"{fault}; {advice.format(base=self.teacher.base_url)} (model {self.teacher.model!r})")
        if getattr(prompt, "schema", None) and status in (400, 422, 501):
            fault += "; if it does not know response_format, leave structured answers out"
        if status == 403:  # OpenRouter and firewalls say so of a single text, others of a key
            fault += "; this text was refused, or, if all are, the key may not use this model: check api_key and model"
        return fault


def backoff_s(teacher: OpenAITeacher, prompt: str, attempt: int) -> float:
    """Exponential back-off with jitter, so that refused requests do not all return at once; no clock, no state."""
    digest = blake2b(f"{teacher.seed}\0{attempt}\0{prompt}".encode("utf-8", "replace"), digest_size=8).digest()
    wait_s = teacher.backoff_s * 2.0**attempt * (0.5 + random.Random(digest).random())
    return min(wait_s, teacher.max_backoff_s)


def read_completion(content: bytes, prompt: str, url: str) -> Reply:
    """Read a chat completion; what is not one becomes a reply with `error`, which may have been billed.

    A server that does not report usage is charged four characters a token, so that a budget still ends.
    """
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text = choice["message"]["content"] or ""  # null: all tokens went into hidden reasoning
        usage = body.get("usage") or {}
        return Reply(
            str(text),
            int(usage.get("prompt_tokens") or len(prompt) // 4),
            int(usage.get("completion_tokens") or len(text) // 4),
            str(choice.get("finish_reason") or "stop"),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        shown = content[:200].decode("utf-8", "replace")
        return Reply("", error=f"200 from {url}, but not a chat completion: {shown!r}", unknown=1)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return the seconds a Retry-After header asks for (it may give a date), 0 without one."""
    milliseconds = headers.get("retry-after-ms", "").strip()  # OpenAI's own, finer
    if re.fullmatch(r"\d+(\.\d+)?", milliseconds):
        return float(milliseconds) / 1000.0
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def fake_answer(prompt: str) -> Reply:
    """Grade a prompt by its hash: reproducible, spread over 0-5, and no opinion at all."""
    grade = blake2b(prompt.encode("utf-8", "replace"), digest_size=1).digest()[0] % 6
    return Reply(f"A made-up reason.\nEducational score: {grade}", len(prompt) // 4, 9)


@dataclass(frozen=True)
class FakeTeacher:
    """A teacher for tests and documentation: `answer` is a function of the prompt."""

    answer: Callable[[str], Reply] = fake_answer
    name: str = "fake"

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        for index, prompt in enumerate(prompts):
            yield index, self.answer(prompt)
