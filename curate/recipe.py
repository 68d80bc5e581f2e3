"""What a run is, before any of it is done: its stages and input, the recipe in receipts, the columns of its shards.

    plan = Plan(stages, source, "runs/clean", keep_text=False)
    schemas(plan).kept                                  the columns that stages leave, from an empty batch

A plan goes to every worker. Its recipe is what a shard is known by: the same one in a receipt means the same bytes.
What a reader was told beside its path (`Warc("crawl/", dump="CC-MAIN-2026-04")`) is part of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from curate.apply import checked
from curate.corpus import Source
from curate.document import DROPPED_BY, ID, QUARANTINED, TEXT, URL
from curate.stage import Rule, Stage, stage_name

NO_SETTINGS = ("path", "split_bytes", "split_files", "with_text")  # told by splits, and by the stage that gives texts
FORMAT = 3  # of receipts and shards; raised when the same stages would give other bytes


class Schemas(NamedTuple):
    """Columns of the rows that stay and of those that leave, and where they come from."""

    kept: pa.Schema
    dropped: pa.Schema
    quarantine: pa.Schema
    since: dict[str, int]  # column -> the step (1 is the first stage) that gave it first; the input's are not here


@dataclass(frozen=True)
class Plan:
    """All that one unit of work needs, and what makes its result what it is."""

    stages: tuple[Stage, ...]
    source: Source
    out: str
    keep_text: bool

    def recipe(self) -> dict[str, Any]:
        stages = [stage_name(stage) for stage in self.stages]
        told = _settings(self.source)
        return {"format": FORMAT, "stages": stages, "keep_text": self.keep_text} | ({"source": told} if told else {})

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with the step that holds documents against it: what a stage shows in `rules`."""
        shown = [(step, getattr(stage, "rules", ())) for step, stage in enumerate(self.stages, start=1)]
        return [{"step": step, **asdict(rule)} for step, rules in shown for rule in rules if isinstance(rule, Rule)]


def _settings(source: Source) -> dict[str, str]:
    """Return the settings of a reader that are other than its defaults, in words that are the same in every process."""
    if not is_dataclass(source):
        return {}
    values = {field.name: getattr(source, field.name) for field in fields(source) if field.name not in NO_SETTINGS}
    defaults = {field.name: field.default for field in fields(source)}
    return {
        name: f"{sorted(value) if isinstance(value, frozenset) else value!r}"
        for name, value in values.items()
        if isinstance(value, str | int | float | frozenset | None) and value != defaults[name]
    }


def schemas(plan: Plan) -> Schemas:
    """Return the schemas of kept, dropped and quarantined rows, found by passing an empty batch through the stages."""
    batch = pa.RecordBatch.from_pylist([], schema=plan.source.schema)
    seen = dict(zip(batch.schema.names, batch.schema.types, strict=True))
    since: dict[str, int] = {}
    for step, stage in enumerate(plan.stages, start=1):
        try:
            batch = checked(stage, batch)
        except (KeyError, ValueError) as error:
            name, columns = stage_name(stage), ", ".join(batch.schema.names)
            raise ValueError(f"{name} cannot read this input: {error}. Its columns are: {columns}") from error
        since |= {name: step for name in batch.schema.names if name not in seen}
        seen |= dict(zip(batch.schema.names, batch.schema.types, strict=True))
    marks = {DROPPED_BY: pa.list_(pa.string())}
    heavy = () if plan.keep_text else (TEXT,)
    raw = [name for name, kind in seen.items() if pa.types.is_large_binary(kind) or pa.types.is_binary(kind)]
    kept = {name: seen[name] for name in batch.schema.names if name not in {QUARANTINED, *marks}}
    dropped = {name: kind for name, kind in (seen | marks).items() if name not in (*heavy, *raw, QUARANTINED)}
    known = [name for name in (ID, URL, "file_path", "path", "repo_name") if name in seen]
    quarantine = {name: seen[name] for name in known} | {QUARANTINED: pa.string()}
    kept_schema, dropped_schema, quarantine_schema = (pa.schema(list(c.items())) for c in (kept, dropped, quarantine))
    return Schemas(kept_schema, dropped_schema, quarantine_schema, since)


def step_names(plan: Plan) -> list[str]:
    return ["input", *(stage_name(stage) for stage in plan.stages)]


def first_on_gpu(stages: Sequence[Stage]) -> int | None:
    """Return the number of stages before the first that shows `on_gpu`; None if there is no such stage."""
    return next((step for step, stage in enumerate(stages) if getattr(stage, "on_gpu", False)), None)
