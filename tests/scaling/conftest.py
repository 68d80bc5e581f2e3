import itertools

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.scaling.law import Law
from curate.scaling.rows import Rows
from curate.tokenizer.bpe import train_tokenizer
from curate.tokenizer.pack import tokenize

TRUE = Law(E=1.8, A=400.0, B=2000.0, alpha=0.34, beta=0.36)


def rows_of_law(
    law: Law = TRUE, *, sizes: int = 5, budgets: int = 5, noise: float = 0.0, shared: float = 0.0, seed: int = 0
) -> Rows:
    """Return runs of sizes and budgets that double, each off the law by chance, alone and with its stable phase."""
    generator = np.random.default_rng(seed)
    pairs = list(itertools.product(1e6 * 2.0 ** np.arange(sizes), 5e6 * 2.0 ** np.arange(budgets)))
    n, d = np.array(pairs).T
    off = noise * generator.standard_normal(len(n)) + np.repeat(shared * generator.standard_normal(sizes), budgets)
    return Rows(n, d, law(n, d) * np.exp(off), tuple(f"{size}" for size in n))


def table_of(rows: Rows) -> pa.Table:
    columns = {"num_parameters": rows.num_parameters, "num_tokens": rows.num_tokens, "loss": rows.loss}
    return pa.table({**columns, "stable_run": list(rows.runs)})


@pytest.fixture(scope="session")
def token_folders(tmp_path_factory) -> tuple[str, str]:
    """Tokens to train on and tokens held out, of one tokenizer with 300 entries."""
    folder = tmp_path_factory.mktemp("tokens")
    kinds = ("sings in a tree", "sleeps on a stone", "flies over the river", "eats a red berry")
    texts = [f"Day {n}: bird {n * 7 % 13} {kinds[n % 4]}, and {n % 5} others listen.\n" * 3 for n in range(300)]
    corpora = {}
    for name, some in (("train", texts[:260]), ("held", texts[260:])):
        batch = pa.RecordBatch.from_pydict({"id": [f"{name}{n}" for n in range(len(some))], "text": some})
        corpora[name] = write_corpus(folder / f"{name}-corpus", [batch])
    train_tokenizer(corpora["train"], folder / "tokenizer", vocab_size=300)
    for name, corpus in corpora.items():
        tokenize(corpus, folder / name, tokenizer=folder / "tokenizer", ray="none")
    return f"{folder / 'train'}", f"{folder / 'held'}"
