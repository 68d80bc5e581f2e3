"""Before anything is trained: how long it will take, and which differences it can find.

    print(told(design, prepared, trainings, seconds, at_once=2, parameters=5_600_000))
    print(detectable(typical_noise(50_000_000), num_seeds=3, num_arms=2, source="from a table"))

Time is measured: some windows go forward and backward through a model of this size on a machine that will train. What
can be found is the minimum detectable effect at 80 % power (Cohen 1988) from the spread between seeds: declared, from
a pilot of the baseline's seeds, or from a table of earlier ones. A budget that cannot resolve the difference one
hopes for should not be spent.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.ablate.design import Design
from curate.ablate.power import Noise, minimum_detectable, seeds_needed
from curate.ablate.prepare import Prepared
from curate.ablate.readings import readings
from curate.ablate.training import Training
from curate.amounts import duration

if TYPE_CHECKING:
    from curate.train.model import ModelConfig

PROBE_TOKENS = 1024  # of one timed pass


def seconds_per_token(training: Training, vocab_size: int) -> float:
    """Time passes of the model that this training trains."""
    from curate.train.probe import probe

    config = model_of(training.design, vocab_size)
    windows = max(PROBE_TOKENS // config.max_seq_len, 1)
    return probe(config, windows=windows, threads=training.threads, device=training.device)


def model_of(design: Design, vocab_size: int) -> "ModelConfig":
    """Return the configuration of the model that all arms train."""
    from curate.train.model import ModelConfig, model_config

    if design.anneal is not None:
        return ModelConfig(**json.loads(Path(design.anneal, "model.json").read_text(encoding="utf-8")))
    return model_config(design.model, vocab_size, design.seq_len)


def num_parameters(design: Design, vocab_size: int) -> int:
    import torch

    from curate.train.model import Llama

    config = model_of(design, vocab_size)
    with torch.device("meta"):
        return Llama(config).num_parameters


def told(
    design: Design, prepared: Prepared, trainings: Sequence[Training], seconds: float, at_once: int, parameters: int
) -> str:
    """Return what will be done, before it is: arms, budget, time."""
    tokens = design.steps * design.batch_tokens
    lines = [f"{'arm':<16}  {'documents':>10}  {'tokens':>13}  {'epochs':>7}  {'held out':>8}  {'benchmarks':>10}"]
    for one in readings(design, prepared):
        drawn = f"  (a random {one.share:.1%} of its documents)" if one.share < 1 else ""
        lines.append(
            f"{one.arm:<16}  {one.documents:>10,}  {one.num_tokens:>13,}  {one.epochs:>7.2f}  {one.held_out:>8,}  "
            f"{one.benchmarks:>10,}{drawn}"
        )
    held = ", ".join(f"{domain} ({prepared.held.texts(domain).num_rows})" for domain in prepared.held.domains)
    lines.append(f"held-out documents: {held}")
    left = [training for training in trainings if not training.is_done]
    rounds = -(-len(left) // at_once)
    kind = "anneal" if design.anneal else "train"
    lines.append(
        f"{kind} {parameters:,} parameters on {tokens:,} tokens ({design.steps:,} steps of {design.batch_tokens:,}), "
        f"{len(trainings)} times: {len(design.arms)} arms x {len(trainings) // len(design.arms)} seeds"
        + (f", {len(trainings) - len(left)} of them done" if len(left) < len(trainings) else "")
    )
    if left:
        lines.append(
            f"about {duration(seconds * tokens)} each, {at_once} at a time: {duration(seconds * tokens * rounds)}"
        )
    return "\n".join(lines)


def detectable(noise: Noise, num_seeds: int, num_arms: int, source: str, wanted: float | None = None) -> str:
    """Return which difference in bits per byte the design finds, and the seeds that smaller ones need."""
    if num_seeds < 2:
        return "one seed tells nothing about the spread between trainings, so no verdict is possible: --seeds 3"
    comparisons = num_arms - 1
    found = minimum_detectable(noise, num_seeds, comparisons=comparisons)
    smaller = wanted or found / 2
    needed = seeds_needed(noise, smaller, comparisons=comparisons)
    more = (
        f"{smaller:.4f} takes {needed} seeds"
        if needed is not None
        else f"{smaller:.4f} is beyond any number of seeds: it takes more held-out documents"
    )
    return f"smallest difference found in 4 of 5 such ablations: {found:.4f} bits per byte ({source}); {more}"
