from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.tokenizer.bpe import train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.train.model import Size

TINY = Size(hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, ffn_size=48)


def write_tokens(folder: Path, name: str, texts: list[str]) -> str:
    batch = pa.RecordBatch.from_pydict({"id": [f"{name}{n}" for n in range(len(texts))], "text": texts})
    corpus = write_corpus(folder / f"{name}-corpus", [batch])
    if not (folder / "tokenizer").exists():
        train_tokenizer(corpus, folder / "tokenizer", vocab_size=320)
    return str(tokenize(corpus, folder / name, tokenizer=folder / "tokenizer", ray="none").path)


@pytest.fixture(scope="session")
def token_folders(tmp_path_factory) -> dict[str, str]:
    """Two small token corpora with one tokenizer, by name."""
    folder = tmp_path_factory.mktemp("tokens")
    stories = [f"The {n}th day was like the day before, and {n} birds sang in {n + 1} trees.\n" * 4 for n in range(60)]
    sums = [f"{n} + {n} = {2 * n}; {n} * {n} = {n * n}\n" * 5 for n in range(40)]
    return {"stories": write_tokens(folder, "stories", stories), "sums": write_tokens(folder, "sums", sums)}
