"""How to make the run again: commands, the stages that ran, and the machine and versions they ran with.

A command is told only where it would run the very stages that the receipts name (`commands.py`), so the block can be
pasted into a shell: into an empty place it makes the same bytes. Machines and versions are those of the runs' own
logs; those of the machine that writes the page stand below them.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from shlex import quote
from typing import Any

from curate.ledger.runs import family
from curate.progress import read_log
from curate.report import retrain
from curate.report.commands import command
from curate.report.markup import count, details, facts, heading, note, plural, safe, table
from curate.report.view import View

PACKAGES = (
    *("pyarrow", "numpy", "numba", "torch", "transformers", "tokenizers", "ray", "fsspec"),
    *("resiliparse", "trafilatura", "scikit-learn"),
)
SAID = (
    "Read from the receipts in the shards. A command stands where its stages, with all settings, are those that were "
    "run, and makes the same bytes in an empty place; elsewhere the stages below tell what was run. INPUT, BENCHMARKS "
    "and MODEL are where you keep them."
)


@dataclass(frozen=True)
class Recipe:
    """How one corpus was made."""

    corpus: str
    stages: tuple[str, ...]
    splits: int
    documents: int
    command: str | None  # that runs these very stages


@dataclass(frozen=True)
class Ran:
    """One run into a corpus, as its log tells it."""

    corpus: str
    began: str  # UTC, to the minute
    seconds: float | None  # None of one that was killed
    workers: str
    cpus: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Again:
    """What it takes to make a run again."""

    folder: str
    recipes: tuple[Recipe, ...]
    ran: tuple[Ran, ...]
    trainings: tuple[tuple[str, str], ...]  # run, command; in the order in which they build on one another
    versions: tuple[tuple[str, str], ...]


def gather(view: View) -> Again:
    recipes = [
        Recipe(p.name, p.recipe.steps[1:], len(p.files("kept")), p.tally.rows_in, command(p, view)) for p in view.parts
    ]
    ran = tuple(one for part in view.parts for one in _ran(part.name, part.path))
    return Again(view.folder, tuple(recipes), ran, tuple(retrain.commands(view.local)), tuple(versions()))


def _ran(corpus: str, path: str) -> Iterable[Ran]:
    for run in read_log(path):
        start = run.start
        ray, workers = start.get("ray"), start.get("workers")
        alone = ray in (None, "none")
        where = "one process" if alone else f"Ray, {plural(workers, 'worker')}" if workers else "Ray"
        seconds = run.end.get("seconds") if run.end else None
        began = f"{start['time']}"[:16].replace("T", " ")
        yield Ran(corpus, began, seconds, where, int(start.get("cpus") or 0), _versions(start, ray=not alone))


def versions() -> list[tuple[str, str]]:
    """Return what this machine has: Python, curate, and the packages that results depend on."""
    found = [("Python", platform.python_version()), ("machine", f"{platform.system()} {platform.machine()}")]
    for package in ("curate", *PACKAGES):
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:  # an optional one
            continue
    return found


def _versions(start: Mapping[str, Any], *, ray: bool) -> dict[str, str]:
    return {name: told for name, told in start.get("versions", {}).items() if told and (ray or name != "ray")}


def section(again: Again) -> str:
    body = _corpora(again.recipes)
    if again.trainings:
        body += heading("Trainings") + _commands([line for _, line in again.trainings])
    run, asked = quote(again.folder), ["curate report {run}"]
    if again.recipes:
        body += heading("Stages") + "".join(map(_stages, again.recipes))
        asked = ["curate funnel {run}", "curate why ID_OR_URL {run}", "curate lost {run}", *asked]
    body += heading("Ask this run") + _commands([line.format(run=run) for line in asked])
    return body + _environment(again)


def _stages(recipe: Recipe) -> str:
    steps = "\n".join(recipe.stages)
    read = (plural(len(recipe.stages), "stage"), plural(recipe.splits, "shard"), f"{count(recipe.documents)} read")
    return details(recipe.corpus, f'<pre class="run">{safe(steps)}</pre>', ", ".join(read))


def _corpora(recipes: Sequence[Recipe]) -> str:
    """Return the commands of each line of production, a file of rules apart from what stands around it."""
    lines: dict[str, list[str]] = {}
    for recipe in recipes:
        if recipe.command:
            lines.setdefault(family(recipe.corpus), []).append(recipe.command)
    body = note(SAID) if recipes else ""
    for name, told in lines.items():
        spaced = [f"\n{one}\n" if "\n" in one else one for one in told]
        body += (heading(name) if name else "") + _commands([chr(10).join(spaced).strip()])
    return body


def _environment(again: Again) -> str:
    body = heading("Environment")
    if again.ran:
        rows = [
            (
                one.corpus,
                f'<span class="nowrap">{safe(one.began)}</span>',
                "was stopped" if one.seconds is None else f"{one.seconds:,.1f} s",
                f"{one.workers}, {plural(one.cpus, 'CPU')}",
                ", ".join(f"{name} {number}" for name, number in one.versions.items()),
            )
            for one in again.ran
        ]
        body += table(
            ("corpus", "began (UTC)", "#took", "where", "versions"), rows, title="Runs and their machines", raw=(1,)
        )
    return body + note("The machine that wrote this page:") + facts(again.versions)


def _commands(told: Sequence[str]) -> str:
    return f'<pre class="run">{safe(chr(10).join(told))}</pre>'
