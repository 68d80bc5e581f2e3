"""Parts of an evaluation: a task or a domain of texts, cut into pieces of work, and what their results come to.

    part = likelihood("arc_easy", items)
    part.conclude([work(piece)[0] for piece in part.pieces])    # Finished(results={"arc_easy": {...}}, items=[...])

Pieces are for any process; what is concluded from them is computed in one, in the order of the questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.evaluate import code as code_tasks
from curate.evaluate.answers import Written
from curate.evaluate.estimate import Estimate, mean, ratio
from curate.evaluate.generate import Decoding
from curate.evaluate.items import Item, chance, measures
from curate.evaluate.pieces import (
    NUM_ITEMS,
    NUM_PROBLEMS,
    NUM_PROMPTS,
    NUM_TEXTS,
    Choices,
    Piece,
    Programs,
    Texts,
    Writing,
    in_pieces,
)
from curate.evaluate.results import Results, digest, row
from curate.evaluate.tasks import Answer

MACRO = ("acc", "acc_norm")  # also as the plain mean over subjects, as lighteval averages MMLU


@dataclass(frozen=True)
class Finished:
    """What a part adds to an evaluation."""

    results: Results
    items: Sequence[pa.Table] = ()
    answers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Part:
    """Pieces, and what makes one thing of what they gave, each in its place."""

    name: str
    pieces: Sequence[Piece]
    conclude: Callable[[Sequence[Any]], Finished] = field(repr=False)


def held_out(domain: str, texts: Sequence[str]) -> Part:
    """Return the bits per byte of a domain's texts, none of them empty."""
    if not texts:
        raise ValueError(f"no text to measure bits per byte on in {domain}: the documents are empty")
    pieces = [Texts(domain, first, some) for first, some in in_pieces(texts, NUM_TEXTS)]
    return Part(f"bits_per_byte {domain}", pieces, partial(_bits_per_byte, f"bits_per_byte {domain}"))


def _bits_per_byte(name: str, found: Sequence[Any]) -> Finished:
    bits, num_bytes = (np.concatenate(column) for column in zip(*found, strict=True))
    return Finished({name: row(len(bits), {"bits_per_byte": ratio(bits, num_bytes)})})


def likelihood(name: str, items: Sequence[Item]) -> Part:
    """Return the scores of items, subject by subject where there are subjects."""
    if not items:
        raise ValueError(f"no items to score in {name}; is its file empty?")
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    pieces: list[Choices] = []
    start = 0
    for some in groups.values():
        pieces += [Choices(name, start + first, few) for first, few in in_pieces(some, NUM_ITEMS)]
        start += len(some)
    return Part(name, pieces, partial(_scores, name, groups, pieces))


def _scores(
    name: str, groups: Mapping[str, Sequence[Item]], pieces: Sequence[Choices], found: Sequence[pa.Table]
) -> Finished:
    """Number the items, and measure each subject and all of them."""
    tables: dict[str, list[pa.Table]] = {group: [] for group in groups}
    for piece, table in zip(pieces, found, strict=True):
        numbers = pc.add(table["item"], pa.scalar(piece.first, pa.int32()))
        place = table.schema.get_field_index("item")
        tables[piece.items[0].group].append(table.set_column(place, "item", numbers))
    whole = {group: pa.concat_tables(some) for group, some in tables.items()}
    parts = {group: measures(table) for group, table in whole.items()}
    macro = {
        f"{measure}_macro": _macro([part[measure] for part in parts.values()]) for measure in MACRO if len(parts) > 1
    }
    everything = [item for some in groups.values() for item in some]
    estimates = measures(pa.concat_tables(whole.values())) | macro
    results = {name: row(len(everything), estimates, chance=chance(everything), asked=digest(everything))}
    if len(parts) > 1:
        results |= {f"{name}/{group}": row(len(groups[group]), estimate) for group, estimate in parts.items()}
    return Finished(results, items=list(whole.values()))


def _macro(parts: Sequence[Estimate]) -> Estimate:
    """Return the plain mean over subjects, whose items are independent."""
    spread = sum(part.stderr**2 for part in parts) ** 0.5 / len(parts)
    return Estimate(sum(part.value for part in parts) / len(parts), spread)


def answers(task: Answer, asked: Sequence[Written], prompts: Sequence[str]) -> Part:
    """Return what the model writes after each prompt, judged."""
    if not prompts:
        raise ValueError(f"no questions to answer in {task.name}; is its file empty, or the limit 0?")
    pieces = [Writing(task.name, first, some, task.decoding) for first, some in in_pieces(prompts, NUM_PROMPTS)]
    return Part(task.name, pieces, partial(_judged, task, asked, prompts))


def _judged(
    task: Answer, asked: Sequence[Written], prompts: Sequence[str], found: Sequence[list[list[str]]]
) -> Finished:
    texts = [samples[0] for piece in found for samples in piece]
    judged = [task.judge(text, one) for text, one in zip(texts, asked, strict=True)]
    estimates = {measure: mean(float(verdict[measure]) for verdict in judged) for measure in judged[0]}
    rows = [
        _answer(task.name, number, "", 0, text, measure, right, "")
        for number, (text, verdict) in enumerate(zip(texts, judged, strict=True))
        for measure, right in verdict.items()
    ]
    return Finished({task.name: row(len(asked), estimates, asked=digest(prompts))}, answers=rows)


def programs(name: str, problems: Sequence[code_tasks.Problem], samples: int) -> Part:
    """Return programs for each problem, greedily and by sampling, run."""
    if not problems:
        raise ValueError(f"no problems to solve in {name}; are those that it asks in its file, or is the limit 0?")
    ways = {"greedy": code_tasks.GREEDY}
    if samples:
        ways["sampled"] = replace(code_tasks.SAMPLED, num_samples=samples)
    cut: dict[str, list[Programs]] = {
        way: [Programs(name, n, some, _until(decoding, some[0])) for n, some in in_pieces(problems, NUM_PROBLEMS)]
        for way, decoding in ways.items()
    }
    pieces = [piece for some in cut.values() for piece in some]
    return Part(name, pieces, partial(_passed, name, problems, list(ways), samples))


def _until(decoding: Decoding, problem: code_tasks.Problem) -> Decoding:
    return replace(decoding, stop=problem.stop, max_new_tokens=problem.max_new_tokens)


def _passed(
    name: str, problems: Sequence[code_tasks.Problem], ways: Sequence[str], samples: int, found: Sequence[Any]
) -> Finished:
    each, estimates, rows = len(found) // len(ways), dict[str, Estimate](), []
    for place, way in enumerate(ways):
        written = [some for piece in found[place * each : (place + 1) * each] for some in piece]
        for number, (problem, some) in enumerate(zip(problems, written, strict=True)):
            for k, (text, outcome) in enumerate(some):
                rows.append(_answer(name, number, problem.name, k, text, way, outcome.passed, outcome.reason))
        rates = code_tasks.pass_rates([[outcome.passed for _, outcome in some] for some in written])
        estimates |= {f"{rate} {way}": estimate for rate, estimate in rates.items()}
    return Finished({name: row(len(problems), estimates, num_samples=samples)}, answers=rows)


def _answer(
    task: str, item: int, name: str, sample: int, text: str, measure: str, right: bool, reason: str
) -> dict[str, Any]:
    return {
        "task": task,
        "item": item,
        "name": name,
        "sample": sample,
        "text": text,
        "measure": measure,
        "right": right,
        "reason": reason,
    }
