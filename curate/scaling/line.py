"""A line of a sweep: one stable run and its decays, what one worker trains.

    train_line(line, Path("scaling"), Machine(threads=1))

Whatever is there already is not trained again; `row.json` of a decay says that it is done. What was kept for a restart
only is deleted after it, by the next call if this one is killed in between.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from curate.scaling.family import num_parameters
from curate.tokenizer.tokens import Tokens
from curate.train.checkpoint import checkpoint_at, checkpoints
from curate.train.data import Mixture
from curate.train.flops import flops_per_token
from curate.train.held_out import HeldOut
from curate.train.log import EVALUATIONS, read_log
from curate.train.loop import MICRO_TOKENS, anneal, pretrain
from curate.train.model import Size, model_config

RESULTS, ROW = "results.parquet", "row.json"
ENDLESS = 10**9  # steps of a stable run: more budgets later go on from it
HELD_OUT = "held_out"


@dataclass(frozen=True)
class Recipe:
    """What all runs of a sweep share."""

    tokens: Mapping[str, float]  # folder -> weight
    held_out: str
    seq_len: int = 512
    batch_tokens: int = 8192
    decay_share: float = 0.2  # of a run's steps, as SmolLM
    decay_shape: Literal["1-sqrt", "linear"] = "1-sqrt"
    rate_scale: float = 1.0  # on what `curate.scaling.rate` says
    warmup: float = 1.0  # tokens a parameter
    held_out_tokens: int = 200_000


@dataclass(frozen=True)
class Point:
    """One run: a budget, reached by a stable phase of `branch` steps and a decay."""

    steps: int
    decay: int

    @property
    def branch(self) -> int:
        return self.steps - self.decay


@dataclass(frozen=True)
class Line:
    """One stable run and its decays: what one worker trains."""

    name: str
    size: Size
    seed: int
    lr: float
    warmup: int  # steps
    points: tuple[Point, ...]  # the shortest first
    vocab_size: int
    recipe: Recipe

    @property
    def num_parameters(self) -> int:
        return num_parameters(self.size, self.vocab_size)

    @property
    def flops_per_token(self) -> float:
        return flops_per_token(model_config(self.size, self.vocab_size), self.recipe.seq_len)

    @property
    def steps(self) -> int:
        """Steps that the line takes: its stable phase and all decays."""
        return max(point.branch for point in self.points) + sum(point.decay for point in self.points)

    @property
    def steps_apart(self) -> int:
        """Steps of as many runs of their own."""
        return sum(point.steps for point in self.points)


@dataclass(frozen=True)
class Machine:
    """What differs by machine."""

    threads: int | None = None
    device: str | None = None
    micro_tokens: int = MICRO_TOKENS
    checkpoint_every: int = 1000  # steps; what a kill costs at most


def train_line(line: Line, folder: Path, machine: Machine) -> float:
    """Train a stable run and its decays, as far as they are not there, and return the seconds that training took."""
    here = folder / "runs" / line.name
    for point in line.points:
        target = here / f"{point.steps * line.recipe.batch_tokens}"
        if not (target / ROW).exists():
            _train_point(line, point, here / "stable", target, machine)
        _tidy(line, here)
    return _seconds(here)


def _train_point(line: Line, point: Point, stable: Path, target: Path, machine: Machine) -> None:
    recipe, tokens = line.recipe, dict(line.recipe.tokens)
    rest: dict[str, Any] = {**asdict(machine), "quiet": True}
    branch = checkpoint_at(stable, point.branch)
    if not branch.exists():
        pretrain(
            tokens, stable, model=line.size, steps=ENDLESS, stop_after=point.branch, seq_len=recipe.seq_len,
            batch_tokens=recipe.batch_tokens, lr=line.lr, warmup=line.warmup, decay=0, seed=line.seed, **rest,
        )  # fmt: skip
    if not branch.exists():
        raise ValueError(
            f"{stable} went on past step {point.branch}, where the run of {target.name} tokens decays, and kept no "
            "checkpoint there; leave this budget out, or sweep into another folder"
        )
    measure = HeldOut({HELD_OUT: recipe.held_out}, max_tokens=recipe.held_out_tokens)
    anneal(branch, tokens, target, steps=point.decay, shape=recipe.decay_shape, evaluate=measure, **rest)
    write_whole(target / ROW, json.dumps(_row(line, point, stable, target), indent=2))


def _row(line: Line, point: Point, stable: Path, target: Path) -> dict[str, Any]:
    recipe = line.recipe
    held, num_tokens = Tokens(recipe.held_out), point.steps * recipe.batch_tokens
    bits = read_log(target, EVALUATIONS)[-1][HELD_OUT]
    bytes_per_token = held.num_bytes / (held.num_tokens - held.num_documents)  # without end marks
    every = line.num_parameters
    return {
        "model": line.name.rpartition("-s")[0],
        "seed": line.seed,
        "num_parameters": every,
        "non_embedding_parameters": num_parameters(line.size, line.vocab_size, embeddings=False),
        "num_tokens": num_tokens,
        "loss": bits * math.log(2) * bytes_per_token,  # nats a token
        "bits_per_byte": bits,
        "flops": line.flops_per_token * num_tokens,  # of this run alone, attention included
        "lr": line.lr,
        "batch_tokens": recipe.batch_tokens,
        "seq_len": recipe.seq_len,
        "vocab_size": line.vocab_size,
        "epochs": max(mixture_of(recipe, line.seed).epochs(point.steps).values()),
        "steps": point.steps,
        "decay_steps": point.decay,
        "stable_run": line.name,
        "path": f"{target}",
    }


def mixture_of(recipe: Recipe, seed: int = 0) -> Mixture:
    windows = recipe.batch_tokens // recipe.seq_len
    return Mixture(dict(recipe.tokens), seq_len=recipe.seq_len, batch_windows=windows, seed=seed)


def _tidy(line: Line, here: Path) -> None:
    """Delete the checkpoints that were there for a restart only; where decays begin, and the last stable one, stay."""
    branches = {point.branch for point in line.points}
    for done in here.glob(f"*/{ROW}"):
        row = json.loads(done.read_text())
        branches.add(row["steps"] - row["decay_steps"])  # budgets of earlier calls
        if (done.parent / "checkpoints").exists():
            shutil.rmtree(done.parent / "checkpoints")  # its hf/ is the model
    kept = {checkpoint_at(here / "stable", step) for step in branches}
    for path in checkpoints(here / "stable")[:-1]:
        if path not in kept:
            shutil.rmtree(path)


def _seconds(here: Path) -> float:
    """Return the seconds of all steps of a line, by their logs."""
    total = 0.0
    for log in here.glob("*/log.jsonl"):
        plan = json.loads((log.parent / "run.json").read_text())["plan"]
        tokens = plan["batch_windows"] * plan["seq_len"]
        total += sum(tokens / step["tokens_per_s"] for step in read_log(log.parent) if step["tokens_per_s"])
    return total


def write_results(folder: Path) -> pa.Table:
    """Write the rows of all runs that are done, ordered by size, tokens and seed, and return them."""
    files = sorted(folder.glob(f"runs/*/*/{ROW}"))
    rows = [json.loads(file.read_text()) | {"path": f"{file.parent}"} for file in files]  # also where it was moved to
    rows.sort(key=lambda row: (row["num_parameters"], row["num_tokens"], row["seed"]))
    table = pa.Table.from_pylist(rows)
    partial_file = folder / f".{RESULTS}.tmp"
    pq.write_table(table, partial_file)
    partial_file.replace(folder / RESULTS)
    return table


def write_whole(file: Path, text: str) -> None:
    written = file.with_name(f".{file.name}.tmp")
    written.write_text(text + "\n", encoding="utf-8")
    written.replace(file)
