import resource
import shutil

import pytest

from curate.train.checkpoint import checkpoint_at, checkpoints, read_state
from curate.train.claim import claimed
from curate.train.log import read_log
from curate.train.loop import anneal, pretrain

from .conftest import TINY

SETTINGS = {"model": TINY, "seq_len": 16, "batch_tokens": 64, "threads": 1, "device": "cpu", "quiet": True}


def test_a_folder_that_is_trained_into_is_refused_and_free_again_after(token_folders, tmp_path):
    recipe = {"plan": 1}
    with claimed(tmp_path, recipe), pytest.raises(ValueError, match="another process is training into"):
        pretrain(token_folders["stories"], tmp_path, steps=2, **SETTINGS)
    with claimed(tmp_path, recipe):
        pass
    with pytest.raises(ValueError, match="holds a run with another plan"), claimed(tmp_path, {"plan": 2}):
        pass


def test_what_a_killed_process_left_half_written_is_deleted(token_folders, tmp_path):
    half = tmp_path / "checkpoints" / ".step-000017.tmp"  # of a checkpoint that this run never writes again
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    pretrain(token_folders["stories"], tmp_path, steps=2, checkpoint_every=2, **SETTINGS)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000002"]


@pytest.mark.parametrize("file_bytes", [50_000, 150_000])  # the weights do not fit; they do, the optimiser does not
def test_a_full_disk_is_named_and_costs_only_the_steps_since_the_last_checkpoint(token_folders, tmp_path, file_bytes):
    settings = SETTINGS | {"steps": 6, "checkpoint_every": 2}
    whole = pretrain(token_folders["stories"], tmp_path / "whole", **settings)
    pretrain(token_folders["stories"], tmp_path / "full", stop_after=2, **settings)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        with pytest.raises(OSError, match=r"step-000004 was not written, is the disk full\?.*goes on from .*000002"):
            pretrain(token_folders["stories"], tmp_path / "full", **settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (tmp_path / "full/checkpoints").iterdir()] == ["step-000002"]
    pretrain(token_folders["stories"], tmp_path / "full", **settings)
    losses = [[line["loss"] for line in read_log(tmp_path / name)] for name in ("full", "whole")]
    assert losses[0] == losses[1]
    assert len(checkpoints(whole.path)) == 3


def test_a_checkpoint_of_another_version_is_told_in_one_sentence(token_folders, tmp_path):
    run = pretrain(token_folders["stories"], tmp_path / "run", steps=2, decay=0, **SETTINGS)
    old = shutil.copytree(checkpoint_at(run.path, 2), tmp_path / "old")
    (old / "state.json").write_text('{"step": 2}')
    with pytest.raises(ValueError, match=r"written by another version of curate: its state\.json has no 'rate'"):
        anneal(old, token_folders["sums"], tmp_path / "decay", steps=2, quiet=True)
    assert read_state(run.checkpoint)["step"] == 2


def test_data_are_known_by_their_content_wherever_they_are(tmp_path):
    def recipe(path, content):
        return {"data": [{"until": None, "data": [{"path": path, "content": content, "weight": 1.0}]}], "path": path}

    with claimed(tmp_path, recipe("a", "0f")):
        pass
    moved = recipe("b", "0f") | {"path": "a"}
    with claimed(tmp_path, moved):
        pass
    with pytest.raises(ValueError, match="another data "), claimed(tmp_path, recipe("a", "1e")):
        pass
    with pytest.raises(ValueError, match="another path "), claimed(tmp_path, recipe("b", "0f")):
        pass
