"""A hub, a corpus with a history, and the settings of the hub's client for both."""

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.decontaminate import decontaminate
from curate.dedup import dedup
from curate.document import QUARANTINED, Batch, with_columns
from curate.run import run
from curate.signals.pii import ReplaceAddresses
from curate.signals.secrets import ReplaceSecrets
from curate.stage import Keep, Measure, Rule
from tests.publish.hub import TOKEN, FakeHub

QUESTION = "A farmer has seventeen blue marbles, loses four in the tall grass and finds three more. How many are there?"
LESSON = "Lesson {i}. {words} Write to teacher{i}@school.example for the answers of exercise {i}."
WORDS = ["leaf", "light", "sugar", "water", "carbon", "cell", "root", "stem", "flower", "seed", "soil", "rain"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on this machine, and its client told to use it as `hf auth login` and HF_HUB_DISABLE_XET would."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with FakeHub() as hub:
        yield hub


def length(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


def odd(batch: Batch) -> Batch:
    bad = ["OddError: bad byte" if i == "doc-39" else None for i in batch["id"].to_pylist()]
    return with_columns(batch, {QUARANTINED: pa.array(bad, pa.string())})


def scored(batch: Batch) -> Batch:
    raw = np.array([int(i[-2:]) % 5 + 0.2 for i in batch["id"].to_pylist()], dtype=np.float32)
    rounded = np.floor(raw + 0.5).astype(np.int64)
    return with_columns(batch, {"score": pa.array(raw), "int_score": pa.array(rounded)})


@pytest.fixture(scope="session")
def edu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over 40 pages in four shards.

    One cannot be read, pages 0-2 are too short, 5 is a copy of 4, those that score under 2 leave (20 % twice), page 8
    holds a benchmark's question, and every page has an address that is replaced.
    """
    folder = tmp_path_factory.mktemp("publish")
    texts = []
    for i in range(40):
        drawn = np.random.default_rng(i).choice(WORDS, 120)
        texts.append(LESSON.format(i=i, words=" ".join(drawn)) if i > 2 else "short")
    texts[5] = texts[4]
    texts[8] += f"\n{QUESTION}"
    table = pa.table(
        {
            "text": texts,
            "id": [f"doc-{i:02}" for i in range(40)],
            "url": [f"https://site{i % 3}.example/{i}" for i in range(40)],
            "dump": ["CC-MAIN-2024-10"] * 40,
            "language": ["en"] * 30 + ["fr"] * 10,
        }
    )
    write_corpus(folder / "in", table.to_batches(max_chunksize=10), shard_rows=10)
    out = folder / "edu"
    run(
        (odd, Measure((length,)), Keep((Rule("t.chars", at_least=10, source="ours"),))),
        Corpus(folder / "in"),
        f"{out}/1-clean",
    )
    run((scored,), Corpus(out / "1-clean"), f"{out}/2-scored")
    dedup(Corpus(out / "2-scored"), f"{out}/3-unique", max_source_loss=1.0)
    cut = Keep((Rule("int_score", at_least=2, source="ours"),))
    run((cut, ReplaceSecrets(), ReplaceAddresses()), Corpus(out / "3-unique"), f"{out}/4-edu")
    (folder / "marbles.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "16"}) + "\n")
    decontaminate(Corpus(out / "4-edu"), f"{out}/5-final", str(folder / "marbles.jsonl"))
    return out
