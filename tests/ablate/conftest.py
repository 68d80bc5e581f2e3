"""Small corpora of two kinds, which a model of two layers tells apart in seconds."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.train.model import Size

TINY = Size(hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, ffn_size=48)
WORDS = ["light", "leaf", "cell", "sugar", "water", "sun", "root", "stem", "air", "soil", "seed", "flower", "green"]
WORDS += ["grows", "makes", "takes", "turns", "gives", "holds", "needs"]
SETTINGS = {
    "model": TINY,
    "tokens": 4096,
    "seq_len": 32,
    "batch_tokens": 256,
    "vocab": 320,
    "device": "cpu",
    "quiet": True,
}


def write(folder: Path, texts: list[str], prefix: str = "") -> str:
    ids = [f"{prefix or folder.name}-{n}" for n in range(len(texts))]
    return write_corpus(folder, [pa.RecordBatch.from_pydict({"id": ids, "text": texts})]).path


def sentences(seed: int, num: int, words: list[str] = WORDS) -> list[str]:
    """Documents of 40 words, each its own draw."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=40)) + "." for _ in range(num)]


def shuffled(texts: list[str], seed: int = 0) -> list[str]:
    """The same letters in another order within each document: nothing in it can be learned but their frequency."""
    draw = random.Random(seed)
    return ["".join(draw.sample(text, len(text))) for text in texts]


@pytest.fixture(scope="session")
def corpora(tmp_path_factory) -> dict[str, str]:
    """`good` and `more` are of one kind, `noise` is letters; `held` is of the first kind and in none of them."""
    folder = tmp_path_factory.mktemp("corpora")
    kinds = {"good": sentences(1, 300), "more": sentences(2, 300), "held": sentences(4, 40)}
    kinds["noise"] = [" ".join(chunk) for chunk in map(str.split, shuffled(sentences(3, 300)))]
    return {name: write(folder / name, texts) for name, texts in kinds.items()}
