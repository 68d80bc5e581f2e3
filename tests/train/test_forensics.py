import pytest

from curate.tokenizer.tokens import Tokens
from curate.train.data import Mixture
from curate.train.forensics import batch_documents, spikes
from curate.train.loop import anneal, pretrain

from .conftest import TINY

SETTINGS = {"model": TINY, "seq_len": 16, "batch_tokens": 64, "threads": 1, "device": "cpu", "quiet": True}


@pytest.fixture(scope="module")
def stable(token_folders, tmp_path_factory):
    weights = {token_folders["stories"]: 0.5, token_folders["sums"]: 0.5}
    return pretrain(weights, tmp_path_factory.mktemp("runs") / "stable", steps=6, decay=0, **SETTINGS)


def read_at(run, tokens: str, step: int) -> set[str]:
    """The ids of the documents of `tokens` in a step, looked up token by token."""
    return {document.id for document in batch_documents(run, step) if document.corpus == tokens}


def test_a_step_names_the_documents_whose_tokens_it_read(stable, token_folders):
    path = token_folders["stories"]
    weights = {path: 0.5, token_folders["sums"]: 0.5}
    mixture, tokens = Mixture(weights, seq_len=16, batch_windows=4, seed=0), Tokens(path)
    corpus, start = mixture.locate(range_of(step=3, windows=4))
    expected = {
        tokens.document_of((first + 1 + n) % tokens.num_tokens)
        for number, first in zip(corpus.tolist(), start.tolist(), strict=True)
        if number == 0
        for n in range(16)
    }
    assert read_at(stable.path, path, 3) == expected
    assert {document.row for document in batch_documents(stable.path, 3)} == {0, 1, 2, 3}


def range_of(step: int, windows: int):
    import numpy as np

    return np.arange(step * windows, (step + 1) * windows)


def test_an_annealing_run_names_what_it_read_after_the_stable_phase(stable, token_folders, tmp_path):
    path = token_folders["stories"]
    run = anneal(stable.path, path, tmp_path, steps=2, threads=1, quiet=True)
    longer = pretrain(path, tmp_path / "longer", steps=20, decay=0, stop_after=1, **SETTINGS)
    first_steps = [read_at(longer.path, path, step) for step in range(6)]
    assert read_at(run.path, path, 0) != first_steps[0]  # goes on where the stable phase stopped: 6 steps of 2 windows
    assert read_at(run.path, path, 0) == read_at(longer.path, path, 3)


def test_spikes_are_the_steps_furthest_above_the_steps_before(tmp_path):
    losses = [4.0, 3.5, 3.4, 5.0, 3.3, 3.6, 3.2]
    lines = [f'{{"step": {n}, "loss": {loss}, "grad_norm": 1.0}}\n' for n, loss in enumerate(losses)]
    (tmp_path / "log.jsonl").write_text("".join(lines))
    assert [spike.step for spike in spikes(tmp_path)] == [3, 5]
    assert spikes(tmp_path)[0].expected == 3.5  # the middle of 4.0, 3.5, 3.4


def test_a_step_that_was_not_is_refused(stable):
    with pytest.raises(ValueError, match="has steps 0 to 5, not 6"):
        batch_documents(stable.path, 6)
