"""Checkpoints of a run: whole or not there, on the disk before anything else may go wrong.

    RUN/checkpoints/step-000100/    model.safetensors  model.json  tokenizer  optimizer.pt  state.json

A checkpoint is written under another name, every file and the folder are synced, and then it is renamed: kill -9 or a
lost power line leaves the last whole one. Tensors are whole and named, however many ranks trained and however they
split them. `keep` bounds the disk: the last few of the stable phase, any of which can be annealed, and the last few
of all others.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.optim import Optimizer

from curate.train.export import save_checkpoint_model
from curate.train.model import Llama
from curate.train.parallel import like, whole

STATE = ("step", "rate", "tokenizer", "plan", "drawn")  # what state.json holds
OptimizerState = dict[str, dict[str, Any]]  # by parameter name


def checkpoint_at(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step-{step:06d}"


def checkpoints(run: Path) -> list[Path]:
    """Return a run's checkpoints, the oldest first."""
    return sorted((run / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]))


def last_checkpoint(run: Path) -> Path | None:
    return next(reversed(checkpoints(run)), None)


def write_checkpoint(
    target: Path, model: Llama, tokenizer: Path, optimizer: OptimizerState, state: dict[str, Any]
) -> None:
    """Write a checkpoint durably and put it in place.

    Raises:
        OSError: the disk does not take it; the checkpoints before are as they were.
    """
    partial = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save_checkpoint_model(model, tokenizer, partial)
        torch.save({"state": optimizer}, partial / "optimizer.pt")
        (partial / "state.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        for path in (*partial.iterdir(), partial):
            sync(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # a full disk is each of these, by who was writing
        shutil.rmtree(partial, ignore_errors=True)
        raise OSError(
            f"the checkpoint {target} was not written, is the disk full? ({error}). Make room, or keep fewer of them; "
            f"the same call goes on from {last_checkpoint(target.parents[1]) or 'the start'}"
        ) from error
    partial.replace(target)
    sync(target.parent)


def read_state(checkpoint: Path) -> dict[str, Any]:
    file = checkpoint / "state.json"
    if not file.exists():
        raise FileNotFoundError(f"{checkpoint} is neither a run nor a checkpoint of one; it has no state.json")
    state: dict[str, Any] = json.loads(file.read_text())
    missing = [name for name in STATE if name not in state]
    if missing:
        raise ValueError(
            f"{checkpoint} was written by another version of curate: its state.json has no {missing[0]!r}; "
            "train again into a fresh folder, or go on with the version that wrote it"
        )
    return state


def prune(run: Path, keep: int | None) -> None:
    """Delete all but the last `keep` checkpoints of the stable phase and the last `keep` of the rest."""
    if keep is None:
        return
    rates = {path: read_state(path)["rate"] for path in checkpoints(run)}
    for stable in (True, False):
        kind = [path for path, rate in rates.items() if (rate == 1.0) == stable]
        for path in kind[:-keep]:
            doomed = path.with_name(f".{path.name}.tmp")
            path.replace(doomed)  # half a checkpoint must not look like one
            shutil.rmtree(doomed)


def optimizer_state(optimizers: Sequence[Optimizer], model: Llama) -> OptimizerState:
    """Return the state of each parameter by its name, whole; for sliced models, all ranks have to ask."""
    held = {parameter: state for optimizer in optimizers for parameter, state in optimizer.state.items()}
    return {
        name: {key: whole(value) for key, value in held[parameter].items()}
        for name, parameter in model.named_parameters()
        if parameter in held
    }


def load_optimizers(checkpoint: Path, optimizers: Sequence[Optimizer], model: Llama) -> None:
    """Give the optimisers the state that a checkpoint holds."""
    saved: OptimizerState = torch.load(checkpoint / "optimizer.pt", "cpu", weights_only=True)["state"]
    names = {parameter: name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                state: dict[str, Tensor] = saved[names[parameter]]
                optimizer.state[parameter] = {key: like(value, parameter) for key, value in state.items()}


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or a folder's list of names."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
