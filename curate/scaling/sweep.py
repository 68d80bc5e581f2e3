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
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.cluster import map_units
from curate.scaling.amounts import tokens_of
from curate.scaling.family import num_parameters, shape
from curate.scaling.line import (
    HELD_OUT,
    Line,
    Machine,
    Point,
    Recipe,
    mixture_of,
    train_line,
    write_results,
    write_whole,
)
from curate.scaling.rate import peak_rate, warmup_steps
from curate.tokenizer.tokens import Tokens
from curate.train.claim import essence
from curate.train.held_out import HeldOut

RECIPE = "sweep.json"
PLACES = {"tokens", "held_out"}  # where the data lie; what they are is in `data` and `held_out_data`


class Sweep:
    """Sizes by budgets by seeds.

    Args:
        tokens: a folder that `curate tokenize` wrote, or folders with weights.
        held_out: a token folder of the same tokenizer, with none of the documents that are trained on.
        models: names of `curate pretrain`, or numbers of parameters such as 0.3m.
        budgets: tokens of a run, such as 20M, or tokens per parameter, such as 20x.

    Raises:
        ValueError: a budget whose decay begins within the warm-up, held-out tokens that are trained on or were made by
            another tokenizer, or a size that the vocabulary alone fills.
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
        given = {tokens: 1.0} if isinstance(tokens, str) else tokens
        blend = {f"{Path(path).absolute()}": weight for path, weight in given.items()}  # workers may be elsewhere
        self.recipe = Recipe(blend, f"{Path(held_out).absolute()}", **settings)
        if self.recipe.batch_tokens % self.recipe.seq_len:
            raise ValueError(f"a batch of {self.recipe.batch_tokens} tokens is no whole number of windows")
        self.mixture = mixture_of(self.recipe)
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
            compared = told.keys() - PLACES
            different = sorted(name for name in compared if essence(before.get(name)) != essence(told[name]))
            if different:
                raise ValueError(
                    f"{folder} holds a sweep with another {' and '.join(different)} (see its {RECIPE}); "
                    "choose another folder, or delete this one"
                )
        write_whole(file, json.dumps(told, indent=2))
