"""Annotation under fire: 10,000 documents, a server that fails 30 % of requests, two kills; and requests a second.

    python benchmarks/annotate.py kill            # with and without idempotency keys: who was paid twice
    python benchmarks/annotate.py speed           # our client beside openai's async client and httpx, instant server
    python benchmarks/annotate.py memory          # peak memory of drawing and annotating 20,000 and 200,000 documents

Everything runs against a real server process on this machine (`curate.teacher.fake_server`), which bills each answer.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.corpus import Corpus, write_corpus
from curate.teacher.annotate import annotate
from curate.teacher.client import OpenAITeacher
from curate.teacher.rubric import WEB_EDU

IN_FLIGHT = 64


@contextmanager
def served(*options: str) -> Iterator[str]:
    """Run the fake server as a process and yield its base URL."""
    command = [sys.executable, "-m", "curate.teacher.fake_server", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def bill(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/bill") as response:
        return dict(json.load(response))


def documents(folder: Path, n: int, length: int = 400) -> Path:
    """Write `n` small documents."""
    starts = range(0, n, 5000)
    tables = (
        pa.table(
            {
                "text": [f"Page {i}. {'All about it. ' * (length // 14)}" for i in range(start, min(start + 5000, n))],
                "id": [f"id{i}" for i in range(start, min(start + 5000, n))],
            }
        )
        for start in starts
    )
    write_corpus(folder, (batch for table in tables for batch in table.to_batches()))
    return folder


def one_run(source: str, out: str, url: str, n: int) -> None:
    teacher = OpenAITeacher(url, "fake", max_in_flight=IN_FLIGHT, max_retries=20, backoff_s=0.002, timeout_s=20)
    print(annotate(Corpus(source), out, rubric=WEB_EDU, teacher=teacher, n=n))


def killed_twice(n: int, *, idempotent: bool) -> None:
    """Annotate `n` documents, kill -9 at a third and two thirds, and compare the bill with the annotations."""
    options = ["--fail", "0.3", "--delay-s", "0.01", *(["--idempotent"] if idempotent else [])]
    with tempfile.TemporaryDirectory() as folder, served(*options) as url:
        source, out = documents(Path(folder, "source"), n), Path(folder, "labels")
        command = [sys.executable, __file__, "run", str(source), str(out), url, str(n)]
        seconds = time.perf_counter()
        for share in (1 / 3, 2 / 3):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while bill(url)["prompts"] < share * n:
                assert process.poll() is None, "the run ended before it was killed"
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        seconds = time.perf_counter() - seconds
        table = Corpus(str(out)).table(["id", "score", "unknown_tries"])
        paid = bill(url)
    unknown = sum(table["unknown_tries"].to_pylist())
    print(f"\n{'honours' if idempotent else 'ignores'} Idempotency-Key; {seconds:.0f} s; the server's bill: {paid}")
    print(
        f"  rows {len(table):,}, distinct ids {len(set(table['id'].to_pylist())):,}, null {table['score'].null_count}"
    )
    print(f"  billed {paid['billed']:,}; billed again {paid['billed_again']:,}; reported as unknown {unknown:,}")
    print("  " + "\n  ".join(line for line in finished.stdout.splitlines() if "no known end" in line))


def speed(num_requests: int) -> None:
    """Requests a second against an instant server, three rounds interleaved, the best of each."""
    prompts = [WEB_EDU.prompt(f"Page {i}. {'All about it. ' * 100}") for i in range(num_requests)]
    clients = {"curate": ask_ours, "openai": ask_openai, "httpx": ask_httpx}
    if importlib.util.find_spec("openai") is None:
        del clients["openai"]
        print("openai is not installed: pip install openai==3.52.0 to have it in the table")
    with served() as url:
        for in_flight in (64, 128, 256):
            best = dict.fromkeys(clients, 0.0)
            for _ in range(3):
                for name, ask in clients.items():
                    seconds = time.perf_counter()
                    ask(url, prompts, in_flight)
                    best[name] = max(best[name], num_requests / (time.perf_counter() - seconds))
            rates = ", ".join(f"{name} {rate:,.0f} requests/s" for name, rate in best.items())
            print(f"{in_flight} in flight: {rates}")


def ask_ours(url: str, prompts: list[str], in_flight: int) -> None:
    replies = dict(OpenAITeacher(url, "fake", max_in_flight=in_flight).complete(prompts))
    assert len(replies) == len(prompts)
    assert all(reply.error is None for reply in replies.values())


def ask_openai(url: str, prompts: list[str], in_flight: int) -> None:
    from openai import AsyncOpenAI

    async def run() -> None:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=6) as client:
            gate = asyncio.Semaphore(in_flight)

            async def ask(prompt: str) -> str:
                async with gate:
                    messages: Any = [{"role": "user", "content": prompt}]
                    found = await client.chat.completions.create(model="fake", messages=messages, temperature=0)
                    return str(found.choices[0].message.content)

            assert all(await asyncio.gather(*map(ask, prompts)))

    asyncio.run(run())


def ask_httpx(url: str, prompts: list[str], in_flight: int) -> None:
    import httpx

    async def run() -> None:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=in_flight), timeout=60) as client:
            gate = asyncio.Semaphore(in_flight)

            async def ask(prompt: str) -> str:
                async with gate:
                    body = {"model": "fake", "messages": [{"role": "user", "content": prompt}], "temperature": 0}
                    found = await client.post(f"{url}/chat/completions", json=body)
                    return str(found.json()["choices"][0]["message"]["content"])

            assert all(await asyncio.gather(*map(ask, prompts)))

    asyncio.run(run())


def memory(sizes: list[int]) -> None:
    """Peak resident memory of a process that annotates all of a corpus, by its size."""
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder, served() as url:
            source = documents(Path(folder, "source"), n, length=3000)
            command = [sys.executable, __file__, "run", str(source), str(Path(folder, "labels")), url, str(n)]
            seconds = time.perf_counter()
            pid = os.spawnv(os.P_NOWAIT, sys.executable, command)
            _, status, usage = os.wait4(pid, 0)
            assert status == 0
            seconds = time.perf_counter() - seconds
            print(f"{n:,} documents of 3,000 characters: peak {usage.ru_maxrss / 1024:,.0f} MB, {n / seconds:,.0f}/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kill", "speed", "memory", "run"])
    parser.add_argument("arguments", nargs="*", help="numbers of documents or requests")
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    if given.what == "run":
        one_run(*given.arguments[:3], n=int(given.arguments[3]))
    elif given.what == "kill":
        for honours in (True, False):
            killed_twice(int((given.arguments or [10_000])[0]), idempotent=honours)
    elif given.what == "speed":
        speed(int((given.arguments or [4000])[0]))
    else:
        memory([int(n) for n in given.arguments] or [20_000, 200_000])
