"""Two processes that share a step see the same tokens and take the same steps as one; checkpoints pass between them."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from curate.train.log import read_log
from curate.train.loop import pretrain
from curate.train.optim import Muon
from curate.train.parallel import Ranks

from .conftest import TINY

SETTINGS = {"model": TINY, "seq_len": 16, "batch_tokens": 128, "device": "cpu", "micro_tokens": 32, "quiet": True}
PLAN = {"steps": 12, "decay": 4, "warmup": 2, "checkpoint_every": 6, "threads": 1}
PROGRAM = """
import sys
from curate.train.loop import pretrain
from curate.train.model import Size
from curate.train.optim import Muon
pretrain(sys.argv[1], sys.argv[2], stop_after=int(sys.argv[3]), sharding=sys.argv[4], **{arguments})
"""


def on_two_ranks(tokens: str, out: Path, stop: int, sharding: str, **changes) -> None:
    program = out.parent / "program.py"
    program.write_text(PROGRAM.replace("{arguments}", repr(SETTINGS | PLAN | changes)))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = subprocess.run(
        [*launcher, str(program), tokens, str(out), str(stop), sharding],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in read_log(run)]


@pytest.mark.parametrize(("sharding", "optimizer"), [("ddp", "adamw"), ("fsdp", Muon(lr=3e-3))])
def test_two_ranks_learn_as_one_and_each_resumes_the_other(token_folders, tmp_path, sharding, optimizer):
    tokens, changes = token_folders["stories"], {"optimizer": optimizer, "mask_documents": True, "z_loss": 1e-4}
    alone = pretrain(tokens, tmp_path / "alone", **SETTINGS, **PLAN, **changes)
    on_two_ranks(tokens, tmp_path / "pair", 6, sharding, **changes)  # half on two ranks
    assert losses(tmp_path / "pair") == pytest.approx(losses(alone.path)[:6], abs=1e-5)
    pair = pretrain(tokens, tmp_path / "pair", **SETTINGS, **PLAN, **changes)  # and half on one
    assert losses(pair.path) == pytest.approx(losses(alone.path), abs=1e-5)

    pretrain(tokens, tmp_path / "other", stop_after=6, **SETTINGS, **PLAN, **changes)  # half on one
    on_two_ranks(tokens, tmp_path / "other", 12, sharding, **changes)  # and half on two
    assert losses(tmp_path / "other") == pytest.approx(losses(alone.path), abs=1e-5)
    expected = load_file(alone.checkpoint / "model.safetensors")
    for name, tensor in load_file(tmp_path / "other" / "hf" / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name.removeprefix("model.")], atol=1e-5, rtol=1e-4)


def test_slices_in_bfloat16_take_the_mean_by_an_exact_scale(token_folders, tmp_path):
    """255 targets a rank: 1 / 255 in bfloat16 is 0.4 % too large, and so would be the loss."""
    changes = {"seq_len": 15, "batch_tokens": 510, "micro_tokens": 510, "precision": "bfloat16"}
    settings = SETTINGS | PLAN | changes
    alone = pretrain(token_folders["stories"], tmp_path / "alone", stop_after=1, **settings)
    on_two_ranks(token_folders["stories"], tmp_path / "pair", 1, "fsdp", **changes)
    assert losses(tmp_path / "pair") == pytest.approx(losses(alone.path), rel=1e-3)


def test_ranks_have_hours_of_patience_with_the_first_one(monkeypatch):
    """It evaluates and writes checkpoints while they wait for it in a collective operation."""
    place = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    for name, value in {"TORCHELASTIC_RUN_ID": "alone", **place}.items():
        monkeypatch.setenv(name, value)
    ranks = Ranks.join("cpu")
    try:
        group = dist.distributed_c10d._get_default_group()
        assert group._get_backend(ranks.device).options._timeout >= timedelta(hours=1)
    finally:
        dist.destroy_process_group()
