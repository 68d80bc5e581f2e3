"""What a command will take before it is given: time for N workers, processors, memory, disk, money.

    print(table(plan(parse(["score", "docs", "-o", "scored", "--workers", "64"], app), share=0.02)))

The command itself is run on a random share of its input (`draw`, `rehearse`), its receipts, files and log are read
(`measure`), and what they say is carried to the whole (`predict`). After the real run `error.tell` holds the two
against each other.
"""

import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from curate.dedup.plan import MEMORY
from curate.dedup.plan import plan as plan_on_paper
from curate.plan.command import Command
from curate.plan.draw import Drawn, draw
from curate.plan.fit import Estimate, Whole
from curate.plan.measure import Step, measure, with_starts
from curate.plan.predict import predict
from curate.plan.rehearse import Rehearsed, rehearse
from curate.plan.result import Plan, StepPlan, Teaching
from curate.plan.teaching import teaching, texts_of
from curate.readers import of_languages, open_source
from curate.readers.chosen import ENDING, Chosen
from curate.tokenizer.tokens import DATA_ENDING

OTHER_WORKERS = (1, 4, 16, 64, 256, 1024)
BUFFER_BYTES = 2 * 2 * 32 * 2**20  # row groups waiting to be written, kept and dropped, and the copies encoding makes
RAY_START_S = 8.0  # until a cluster is joined and its first worker is up (benchmarks/engine.py)
PRICES = ("cpu", "gpu", "input", "output")


def plan(
    command: Command,
    *,
    share: float = 0.02,
    seed: int = 0,
    scratch: str | None = None,
    prices: Mapping[str, float] | None = None,
) -> Plan:
    """Rehearse a command on a share of its input and return what the whole will take.

    Args:
        share: of the input's bytes; at least `draw.LEAST` pieces are taken where there are as many.
        seed: of the draw.
        scratch: folder for the rehearsal, kept and used again; else a temporary one.
        prices: of an hour of a processor ("cpu") and of a GPU ("gpu"), of a million tokens in and out of a teacher.

    Raises:
        ValueError: nothing to plan, or a share that is none.
        RehearsalError: the command fails on the sample.
    """
    prices = dict(prices or {})
    kind, languages = command.arguments.get("kind"), command.arguments.get("languages") or ()
    sources = {path: of_languages(open_source(path, kind=kind), languages) for path in command.sources}
    limit = command.arguments.get("limit")
    drawn = {path: draw(source, share=share, seed=seed, limit=limit) for path, source in sources.items()}
    if command.verb == "annotate":
        return _annotating(command, drawn, sources, prices, seed)
    with ExitStack() as stack:
        place = scratch or stack.enter_context(tempfile.TemporaryDirectory(prefix="curate-plan-"))
        rehearsed = rehearse(command, drawn, place)
        young = measure(rehearsed.young) if rehearsed.young else []
        steps = with_starts(_timed(measure(rehearsed.out, footers=True), rehearsed), young)
        before, between = _start(rehearsed, steps, young)
        steps = [_named(step, command) for step in steps]
        workers = _workers(command)
        counts = (workers, *(n for n in OTHER_WORKERS if n != workers))
        found: list[StepPlan] = []
        for path, one in drawn.items():
            mine = [step for step in steps if len(drawn) == 1 or step.name == command.folders[path]]
            found += predict(mine, rehearsed.out, one, _whole(one, seed), counts)
        taught = _pipeline_teaching(command, rehearsed.out, found, prices)
    return _total(command, drawn, rehearsed, (before, between), steps, found, workers, seed, prices, taught)


def _whole(drawn: Drawn, seed: int) -> Whole:
    rows = [piece.num_rows or 0 for piece in drawn.pieces] if drawn.total_rows else None
    sizes = [piece.num_bytes for piece in drawn.pieces]
    return Whole.of(sizes, rows, drawn.total_bytes, drawn.total_rows, num_pieces=drawn.num_pieces, seed=seed)


def _workers(command: Command) -> int:
    """Return the number of workers that is planned for: the command's, else one here and all processors on Ray."""
    if command.workers:
        return command.workers
    return 1 if command.arguments.get("ray") in (None, "none") else os.cpu_count() or 1


def _named(step: Step, command: Command) -> Step:
    """Call a folder that is named after its input as the run will: after the input, not after the sample of it."""
    folders = {DATA_ENDING.sub("", f"{name}{ENDING}"): name for name in command.folders.values()}
    return replace(step, name=folders.get(step.name, step.name))


def _timed(steps: Sequence[Step], rehearsed: Rehearsed) -> Sequence[Step]:
    """Give a step that writes no log (concatenate) the seconds that no other step had."""
    silent = [step for step in steps if not step.tries and step.disk]
    if silent:
        last = max((step.ended for step in steps), default=0.0) or rehearsed.called
        silent[0].phases["all"] = max(rehearsed.ended - last, 0.0)
        silent[0].began, silent[0].ended = last, rehearsed.ended
        silent[0].seconds = silent[0].phases["all"]
    return steps


def _total(
    command: Command,
    drawn: Mapping[str, Drawn],
    rehearsed: Rehearsed,
    outside: tuple[float, float],
    measured: Sequence[Step],
    steps: Sequence[StepPlan],
    workers: int,
    seed: int,
    prices: Mapping[str, float],
    taught: Teaching | None,
) -> Plan:
    """Add the steps up."""
    on_ray = command.arguments.get("ray") not in (None, "none") or workers > 1
    before, between = outside
    once = before + between + (RAY_START_S if on_ray else 0.0) + sum(step.start_seconds for step in steps)
    wall = _plus(_sum([step.wall for step in steps]), once)
    each = (before + sum(step.start_seconds for step in steps)) * (workers + 1 if on_ray else 1) + between
    cpu_hours = _times(_plus(_sum([step.cpu_seconds for step in steps]), each), 1 / 3600)
    gpu_hours = _sum([_times(step.seconds, step.gpus / 3600) for step in steps if step.gpus])
    money = _sum([_times(cpu_hours, prices.get("cpu", 0.0)), _times(gpu_hours, prices.get("gpu", 0.0))])
    memory, scratch, notes = _memory(command, drawn, rehearsed, steps, workers)
    whole = list(drawn.values())
    total_bytes = sum(one.total_bytes for one in whole)
    return Plan(
        command=command.words,
        out=command.out,
        share=sum(one.share * one.total_bytes for one in whole) / total_bytes,
        num_pieces=sum(len(one.pieces) for one in whole),
        of_pieces=sum(one.num_pieces for one in whole),
        num_splits=sum(len(one.splits) for one in whole),
        input_bytes=total_bytes,
        seed=seed,
        workers=workers,
        ray=command.arguments.get("ray"),
        machine=(socket.gethostname(), os.cpu_count() or 1),
        rehearsal_seconds=rehearsed.seconds,
        before_seconds=before,
        between_seconds=between,
        wall=wall,
        cpu_hours=cpu_hours,
        gpu_hours=gpu_hours,
        peak_bytes=memory,
        scratch=scratch,
        disk=_sum([step.disk for step in steps]),
        money=money if {"cpu", "gpu"} & set(prices) else None,
        steps=tuple(steps),
        teaching=taught,
        notes=(*notes, *_notes(command, drawn, measured)),
    )


def _start(rehearsed: Rehearsed, steps: Sequence[Step], young: Sequence[Step]) -> tuple[float, float]:
    """Return the seconds of the rehearsal's first go before its first step and between its steps."""
    first, ended = (young, rehearsed.called) if rehearsed.young else (steps, rehearsed.ended)
    unlogged = 2 * rehearsed.called - rehearsed.ended if rehearsed.young else rehearsed.called
    before = max(min((step.began for step in first if step.began), default=unlogged) - rehearsed.began, 0.0)
    silent = sum(step.seconds for step in steps if not step.tries) if rehearsed.young else 0.0  # see `_timed`
    in_steps = sum(step.seconds for step in first) + silent
    return before, max(ended - rehearsed.began - before - in_steps, 0.0)


def _memory(
    command: Command, drawn: Mapping[str, Drawn], rehearsed: Rehearsed, steps: Sequence[StepPlan], workers: int
) -> tuple[Estimate, Estimate, list[str]]:
    """Return the memory of one task, the disk for scratch files, and what deduplication says of it on paper."""
    peak, scratch, notes = float(max(rehearsed.peak_bytes, *(step.peak_bytes for step in steps), 0)), 0.0, []
    smaller = any(
        max(piece.num_bytes for piece in one.pieces) < max(split.num_bytes for split in one.splits)
        for one in drawn.values()
    )
    for step in steps:
        if step.verb == "dedup":
            memory = int(command.arguments.get("memory", MEMORY / 1e9) * 1e9)
            try:
                paper = plan_on_paper(int(step.rows_in.value), workers=workers, memory=memory)
            except ValueError as error:
                notes.append(f"{step.name or 'dedup'} will refuse to start: {error}")
                continue
            scratch += paper.disk_bytes
            notes.append(f"{step.name or 'dedup'}, {paper}")
    return Estimate(peak, peak, peak + BUFFER_BYTES * smaller), Estimate(scratch, scratch / 2, scratch * 2), notes


def _notes(command: Command, drawn: Mapping[str, Drawn], measured: Sequence[Step]) -> list[str]:
    notes = []
    few = [path for path, one in drawn.items() if len(one.pieces) < 8 and one.share < 1]
    if few:
        notes.append(f"{few[0]} gives {len(drawn[few[0]].pieces)} pieces to draw: the intervals are guesses")
    if command.arguments.get("index") is not None:
        notes.append("documents of earlier dumps in --index were not looked at: fewer stay than is said here")
    if command.arguments.get("teacher") is not None:
        notes.append("the teacher was not asked; its time, and that of fitting a classifier, are not in these")
    seconds, cpu = (sum(step.total(what) for step in measured) for what in ("seconds", "cpu_seconds"))
    if seconds > 1.5 * cpu > 0:
        notes.append(
            f"the rehearsal took {seconds / cpu:.1f} seconds for each of its processor's: this machine was busy, or it "
            "waited for storage; the wall times assume the same of the run"
        )
    if command.workers and command.workers > (os.cpu_count() or 1):
        notes.append("wall times take each worker to be as fast as this machine was with one at work")
    return notes


def _annotating(
    command: Command, drawn: Mapping[str, Drawn], sources: Mapping[str, Any], prices: Mapping[str, float], seed: int
) -> Plan:
    """Return the plan of `annotate`: what it will pay; reading and waiting are the server's to tell."""
    (path, one), asked = next(iter(drawn.items())), command.arguments
    sample = Chosen(path, sources[path], one.pieces, tuple(one.skips.items()))
    texts = texts_of(sample, one.pieces, seed)
    given = {"input": asked.get("input_price") or 0.0, "output": asked.get("output_price") or 0.0}
    told = {name: price for name, price in given.items() if price} | {k: v for k, v in prices.items() if k in given}
    wanted = min(asked["n"], one.total_rows or asked["n"])
    taught = teaching(_rubric(asked["rubric"]), texts, wanted, told, asked)
    nothing = Rehearsed("", None, 0.0, 0.0, 0.0, 0)
    found = _total(command, drawn, nothing, (0.0, 0.0), [], [], 1, seed, prices, taught)
    wall = taught.seconds or Estimate.exactly(0.0)
    return replace(found, wall=wall)


def _pipeline_teaching(
    command: Command, out: str, steps: Sequence[StepPlan], prices: Mapping[str, float]
) -> Teaching | None:
    """Return the cost of a pipeline's teacher, who grades a sample of what its first step keeps."""
    if not command.arguments.get("teacher") or not steps:
        return None
    kept = open_source(f"{out}/{steps[0].name}")
    n = min(command.arguments.get("num_labels", 0), steps[0].rows_out.value)
    return teaching(_rubric("web_edu"), texts_of(kept, kept.splits()), n, prices, command.arguments)


def _rubric(name: str) -> Any:
    import importlib

    return importlib.import_module(f"classifiers.{name}").RUBRIC


def parse_prices(said: Sequence[str]) -> dict[str, float]:
    """Read `cpu=0.04`, `gpu=2.5`, `input=0.15`, `output=0.6`.

    Raises:
        ValueError: something else.
    """
    prices = {}
    for item in said:
        name, _, price = item.partition("=")
        try:
            value = float(price)
        except ValueError:
            value = -1.0
        if name not in PRICES or value < 0:
            raise ValueError(
                f"--price {item}: say cpu=, gpu= (an hour), input= or output= (a million tokens), such as cpu=0.04"
            )
        prices[name] = value
    return prices


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    """Add estimates that come from one sample: they are high together, so their ends add up."""
    ends = [(one.value, one.low, one.high) for one in estimates]
    return Estimate(*(float(sum(column)) for column in zip(*ends, strict=True))) if ends else Estimate.exactly(0.0)


def _plus(one: Estimate, constant: float) -> Estimate:
    return Estimate(one.value + constant, one.low + constant, one.high + constant)


def _times(one: Estimate, factor: float) -> Estimate:
    return Estimate(one.value * factor, one.low * factor, one.high * factor)
