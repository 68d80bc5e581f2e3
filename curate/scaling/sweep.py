"""A sweep of small models: one stable run for each size, and a decay from it for each budget of tokens.

    sweep = Sweep("tokens/edu", "tokens/held", models=("0.3m", "1m", "2m"), budgets=("5x", "10x", "20x", "40x"))
    print(sweep.cost())
    rows = sweep.run("scaling")             # and again, after a stop or with more sizes or budgets: only what is new

Warm-up, stable, decay lets one checkpoint feed several decays (Hu et al. 2024; SmolLM), so budgets D1 < D2 < ... of one
size cost little more than the longest: 0.8 of it and 0.2 of each, where runs of their own cost their sum. A decay takes
the next windows of the data, so a run of D tokens has seen D tokens. The loss is that of held-out tokens after each
decay. Runs of one size share their weights and data up to where they branch, so their errors are not independent;
`seeds` above one gives each size stable runs of its own.

    OUT/sweep.json                   what all runs share; another recipe into the same folder is refused
    OUT/runs/1m-s0/stable            the stable run, with a checkpoint where each decay begins
    OUT/runs/1m-s0/20000000          a decay: log, evaluations, hf/ for transformers, and row.json when it is done
"""

import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from curate.cluster import map_units
from curate.scaling.amounts import tokens_of
from curate.scaling.family import num_parameters, shape
from curate.scaling.rate import peak_rate, warmup_steps
from curate.tokenizer.tokens import Tokens
from curate.train.checkpoint import checkpoint_at, checkpoints
from curate.train.data import Mixture
from curate.train.flops import flops_per_token
from curate.train.held_out import HeldOut
from curate.train.log import EVALUATIONS, read_log
from curate.train.loop import MICRO_TOKENS, anneal, pretrain
from curate.train.model import Size, model_config

RESULTS, ROW, RECIPE = "results.parquet", "row.json", "sweep.json"
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


class Sweep:
    """Sizes by budgets by seeds.

    Args:
        tokens: a folder that `curate tokenize` wrote, or folders with weights.
        held_out: a token folder of the same tokenizer, with none of the documents that are trained on.
        models: names of `curate pretrain`, or numbers of parameters such as 0.3m.
        budgets: tokens of a run, such as 20M, or tokens per parameter, such as 20x.

    Raises:
        ValueError: a budget that ends within the warm-up, or is shorter than ten steps.
    """

    def __init__(
        self,
        tokens: str | Mapping[str, float],
        held_out: str,
        *,
        models: Sequence[str],
        budgets: Sequence[str],
        seeds: int = 1,
        **settings: Any,
    ) -> None:
        blend = {tokens: 1.0} if isinstance(tokens, str) else dict(tokens)
        self.recipe = Recipe(blend, held_out, **settings)
        if self.recipe.batch_tokens % self.recipe.seq_len:
            raise ValueError(f"a batch of {self.recipe.batch_tokens} tokens is no whole number of windows")
        self.mixture = _mixture(self.recipe)
        HeldOut({HELD_OUT: held_out}).refuse_other_tokenizers(self.mixture.tokens)
        self._refuse_trained_on(held_out)
        every = [self._line(model, budgets, seed) for model in dict.fromkeys(models) for seed in range(seeds)]
        self.lines = sorted(every, key=lambda line: -line.steps * line.flops_per_token)  # the longest first

    def _refuse_trained_on(self, held_out: str) -> None:
        content = Tokens(held_out).fingerprint["content"]
        if any(corpus.fingerprint["content"] == content for corpus in self.mixture.corpora.values()):
            raise ValueError(f"{held_out} is also trained on; hold some documents out, and tokenize them apart")

    def _line(self, model: str, budgets: Sequence[str], seed: int) -> Line:
        recipe, vocab_size = self.recipe, self.mixture.tokens.vocab_size
        size = shape(model, vocab_size)
        every = num_parameters(size, vocab_size)
        lr = peak_rate(every, recipe.batch_tokens, recipe.rate_scale)
        warmup = warmup_steps(recipe.warmup * every, recipe.batch_tokens)
        steps = sorted({round(tokens_of(budget, every) / recipe.batch_tokens) for budget in budgets})
        points = tuple(Point(number, max(round(recipe.decay_share * number), 1)) for number in steps)
        if points[0].branch < max(warmup, 2):
            raise ValueError(
                f"{model}: a budget of {points[0].steps * recipe.batch_tokens:,} tokens decays after step "
                f"{points[0].branch}, before the end of the warm-up at {warmup}; take larger budgets or smaller batches"
            )
        return Line(f"{model}-s{seed}", size, seed, lr, warmup, points, vocab_size, recipe)

    @property
    def epochs(self) -> float:
        """How often the longest run reads the corpus that it reads most."""
        return max(self.mixture.epochs(max(line.points[-1].steps for line in self.lines)).values())

    def run(
        self,
        out: str | Path,
        *,
        machine: Machine | None = None,
        ray: str | None = None,
        workers: int | None = None,
        num_gpus: float = 0,
    ) -> pa.Table:
        """Train what is not there yet and return the rows of all runs in `out`, also written to results.parquet.

        Raises:
            ValueError: `out` holds a sweep of another recipe.
        """
        folder = Path(out).absolute()
        self._claim(folder)
        work = partial(train_line, folder=folder, machine=machine or Machine())
        for index, spent in map_units(work, self.lines, ray=ray, workers=workers, num_gpus=num_gpus):
            line = self.lines[index]
            print(f"scaling: {line.name} is done: {len(line.points)} runs, {spent:,.0f} s of training", flush=True)
            write_results(folder)
        return write_results(folder)

    def _claim(self, folder: Path) -> None:
        mixture = self.mixture
        held = Tokens(self.recipe.held_out).fingerprint
        told = {**asdict(self.recipe), "data": mixture.recipe(), "held_out_data": held}
        folder.mkdir(parents=True, exist_ok=True)
        file, told = folder / RECIPE, json.loads(json.dumps(told))
        if file.exists():
            before = json.loads(file.read_text())
            different = [name for name in told if before.get(name) != told[name]]
            if different:
                raise ValueError(
                    f"{folder} holds a sweep with another {' and '.join(different)} (see its {RECIPE}); "
                    "choose another folder, or delete this one"
                )
        _write(file, json.dumps(told, indent=2))


def train_line(line: Line, folder: Path, machine: Machine) -> float:
    """Train a stable run and its decays, as far as they are not there, and return the seconds that training took."""
    here = folder / "runs" / line.name
    for point in line.points:
        target = here / f"{point.steps * line.recipe.batch_tokens}"
        if not (target / ROW).exists():
            _train_point(line, point, here / "stable", target, machine)
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
    _write(target / ROW, json.dumps(_row(line, point, stable, target), indent=2))
    _forget(stable, {each.branch for each in line.points})
    shutil.rmtree(target / "checkpoints")  # OUT/hf is the model


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
        "epochs": max(_mixture(recipe, line.seed).epochs(point.steps).values()),
        "steps": point.steps,
        "decay_steps": point.decay,
        "stable_run": line.name,
        "path": f"{target}",
    }


def _mixture(recipe: Recipe, seed: int = 0) -> Mixture:
    windows = recipe.batch_tokens // recipe.seq_len
    return Mixture(dict(recipe.tokens), seq_len=recipe.seq_len, batch_windows=windows, seed=seed)


def _forget(stable: Path, branches: Iterable[int]) -> None:
    """Delete the checkpoints that were there for a restart only; where a decay begins, and the last, stay."""
    kept = {checkpoint_at(stable, step) for step in branches}
    for path in checkpoints(stable)[:-1]:
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
    rows = [json.loads(file.read_text()) for file in sorted(folder.glob(f"runs/*/*/{ROW}"))]
    rows.sort(key=lambda row: (row["num_parameters"], row["num_tokens"], row["seed"]))
    table = pa.Table.from_pylist(rows)
    partial_file = folder / f".{RESULTS}.tmp"
    pq.write_table(table, partial_file)
    partial_file.replace(folder / RESULTS)
    return table


def _write(file: Path, text: str) -> None:
    written = file.with_name(f".{file.name}.tmp")
    written.write_text(text + "\n", encoding="utf-8")
    written.replace(file)
