from pathlib import Path

import pytest

from curate.cluster import connect
from curate.train.log import read_log
from curate.train.loop import pretrain

from .conftest import TINY

SETTINGS = {"model": TINY, "steps": 4, "seq_len": 16, "batch_tokens": 64, "device": "cpu", "threads": 1, "quiet": True}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of its data context
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_two_ray_workers_learn_as_this_process(token_folders, tmp_path, monkeypatch):
    here = pretrain(token_folders["stories"], tmp_path / "here", **SETTINGS)
    tokens = Path(token_folders["stories"])
    connect("local", 3)  # here, where its workers find the tests' modules
    monkeypatch.chdir(tokens.parent)  # Ray Train's workers stand elsewhere
    there = pretrain(tokens.name, tmp_path / "there", ray="local", workers=2, **SETTINGS)
    losses = [[line["loss"] for line in read_log(run.path)] for run in (here, there)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert there.model is not None
    assert (there.model / "config.json").exists()


def test_workers_without_an_engine_are_refused(token_folders, tmp_path):
    with pytest.raises(ValueError, match="2 workers need an engine"):
        pretrain(token_folders["stories"], tmp_path, workers=2, **SETTINGS)
