"""Ask a teacher many questions at once, over any OpenAI-compatible server (vLLM, TGI, llama.cpp, hosted).

    teacher = OpenAITeacher("http://localhost:8000/v1", "meta-llama/Llama-3.3-70B-Instruct", max_in_flight=64)
    for index, reply in teacher.complete(prompts):      # as they arrive, not in the order of the prompts
        ...

Replies come one by one so that each can be written down the moment it is paid for, and prompts are taken one by one so
that whoever supplies them can stop (a budget is spent) while every question already asked is still answered.

A question that the server could not answer (429, 5xx, timeout, broken connection, something that is not a chat
completion) is asked again with exponential back-off; what remains unanswered comes back as a `Reply` with `error`,
never as an exception that loses the others. Only a fault that all questions share (a wrong key, model or address)
raises.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # httpx takes 0.1 s to import: not before it is used
    import httpx

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # 529: overloaded, at some hosts
SHARED_FAULTS = {
    401: "the key was refused; check api_key",
    403: "the key may not use this model; check api_key and model",
    404: "nothing answers there; base_url usually ends in /v1 and model must be one of GET {base}/models",
    405: "this is not a chat completions endpoint; base_url usually ends in /v1",
}


@dataclass(frozen=True)
class Reply:
    """One answer. With `error` there is no text: the server did not answer."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = "stop"  # "length": cut at max_tokens
    error: str | None = None


class Teacher(Protocol):
    """Anything that answers questions. `name` says who and how (model, sampling): it is part of every receipt."""

    @property
    def name(self) -> str: ...

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        """Yield (index of the prompt, reply) as they arrive, one for each prompt."""
        ...


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
    timeout_s: float = 120.0
    max_retries: int = 6
    backoff_s: float = 0.5  # doubled with each retry, times a factor from 0.5 to 1.5
    max_wait_s: float = 60.0  # no single wait is longer; a Retry-After beyond it is cut to it
    temperature: float = 0.0
    seed: int = 0  # sent to the server, and of the back-off's jitter
    max_tokens: int = 256  # reasons of 80 words and a grade fit twice

    @property
    def name(self) -> str:
        return f"{self.model} (temperature={self.temperature:g}, seed={self.seed}, max_tokens={self.max_tokens})"

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        """Yield (index, reply) as they arrive; at most `max_in_flight` prompts are taken ahead."""
        import httpx

        limits = httpx.Limits(max_connections=self.max_in_flight)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        questions = enumerate(prompts)
        pool = ThreadPoolExecutor(self.max_in_flight)
        with httpx.Client(timeout=self.timeout_s, limits=limits, headers=headers) as http:
            try:
                asked: dict[Future[Reply], int] = {}
                while True:
                    for index, prompt in islice(questions, self.max_in_flight - len(asked)):
                        asked[pool.submit(self._ask, http, prompt)] = index
                    if not asked:
                        return
                    for done in wait(asked, return_when=FIRST_COMPLETED).done:
                        yield asked.pop(done), done.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, http: "httpx.Client", prompt: str) -> Reply:
        """Ask once and, as long as it may help, again."""
        import httpx

        url, fault = f"{self.base_url.rstrip('/')}/chat/completions", ""
        for attempt in range(self.max_retries + 1):
            wait_s = self._wait_s(prompt, attempt)
            try:
                response = http.post(url, json=self._question(prompt))
            except httpx.RequestError as error:  # timeouts, broken connections, undecodable bodies
                fault = f"{type(error).__name__} from {url}: {error}"
            else:
                if response.status_code == 200:
                    reply = read_completion(response, prompt)
                    if reply.error is None:
                        return reply
                    fault = str(reply.error)
                else:
                    fault = self._fault(response)
                    if response.status_code not in RETRIED:
                        return Reply("", error=f"{fault} (not asked again: this status does not pass)")
                    wait_s = max(wait_s, retry_after_s(response))
            if attempt < self.max_retries:
                time.sleep(min(wait_s, self.max_wait_s))
        return Reply("", error=f"no answer in {self.max_retries + 1} attempts; the last: {fault}")

    def _question(self, prompt: str) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
        }

    def _fault(self, response: "httpx.Response") -> str:
        """Describe a refusal; raise if every further question would meet the same."""
        fault = f"{response.status_code} from {response.url}: {response.text[:300]!r}"
        advice = SHARED_FAULTS.get(response.status_code)
        if advice:
            raise ValueError(f"{fault}; {advice.format(base=self.base_url)} (model {self.model!r})")
        return fault

    def _wait_s(self, prompt: str, attempt: int) -> float:
        """Exponential back-off with jitter, so that refused requests do not all return at once; no clock, no state."""
        digest = blake2b(f"{self.seed}\0{attempt}\0{prompt}".encode("utf-8", "replace"), digest_size=8).digest()
        return self.backoff_s * 2.0**attempt * (0.5 + random.Random(digest).random())


def read_completion(response: "httpx.Response", prompt: str) -> Reply:
    """Read a chat completion; what is not one becomes a reply with `error`.

    A server that does not report usage is charged four characters a token, so that a budget still ends.
    """
    try:
        body = response.json()
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
        return Reply("", error=f"200 from {response.url}, but not a chat completion: {response.text[:200]!r}")


def retry_after_s(response: "httpx.Response") -> float:
    """Return the seconds a Retry-After header asks for (it may give a date), 0 without one."""
    value = response.headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdigit():
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
