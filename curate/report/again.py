"""How to make the run again: commands where the stages are those of a command, else the stages themselves.

A command is shown only if what it would run is, by name and settings, what the receipts say was run: the stages that
`curate filter --rules fineweb` builds are built here and compared. Receipts name inputs by shard, not by place, so
INPUT is the reader's to fill in. The versions are those of the machine that writes the page.
"""

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import Any

from curate.corpus import Corpus
from curate.dedup import SETTINGS
from curate.report.markup import count, details, heading, note, safe, table
from curate.report.training import _json
from curate.report.view import Part, View
from curate.signals.pii import ReplaceAddresses
from curate.signals.rules import FINEWEB_CHAIN, RULE_SETS, stages, url_stages
from curate.signals.secrets import ReplaceSecrets
from curate.stage import Stage, stage_name
from curate.train.log import LOG

PACKAGES = (
    *("pyarrow", "numpy", "numba", "torch", "transformers", "tokenizers", "ray", "fsspec"),
    *("resiliparse", "trafilatura", "scikit-learn"),
)
SCORE = re.compile(r"Score\(classifier='([^']+)', digest='[^']+', part='([^']+)'\)")
CUT = re.compile(r"Keep\((\d+) <= int_score\)")
SETS = (*RULE_SETS, "starcoder2")


@dataclass(frozen=True)
class Recipe:
    """How one corpus was made."""

    corpus: str
    stages: tuple[str, ...]
    splits: int
    documents: int
    command: str | None  # that runs these very stages


@dataclass(frozen=True)
class Again:
    """What it takes to make a run again."""

    folder: str
    recipes: tuple[Recipe, ...]
    trainings: tuple[tuple[str, str], ...]  # run, command
    versions: tuple[tuple[str, str], ...]


def gather(view: View) -> Again:
    recipes = [
        Recipe(p.name, p.recipe.steps[1:], len(p.files("kept")), p.tally.rows_in, command(p, view)) for p in view.parts
    ]
    return Again(view.folder, tuple(recipes), tuple(_trainings(view.local)), tuple(versions()))


def command(part: Part, view: View) -> str | None:
    """Return the `curate` command whose stages are those of a corpus; None if there is none."""
    names, out = (
        list(part.recipe.steps[1:]),
        quote(f"{view.folder}/{part.name}" if part.path != view.folder else part.path),
    )
    source = quote(part.before) if part.before else "INPUT"
    receipts = [receipt for receipt in Corpus(part.path).receipts().values() if receipt]
    limits = [receipt["split"].get("limit") for receipt in receipts]
    asked = f" --limit {sum(limits)}" if limits and None not in limits else ""
    keep_text = " --keep-text" if any(receipt["recipe"].get("keep_text") for receipt in receipts) else ""
    if any(receipt["recipe"].get("index") for receipt in receipts):
        return None  # earlier dumps decided too
    scored = SCORE.fullmatch(names[0]) if names else None
    if scored and len(names) <= 2:
        cut = CUT.fullmatch(names[1]) if len(names) == 2 else None
        if len(names) == 2 and not cut:
            return None
        threshold = f" --threshold {cut[1]}" if cut else ""
        options = f"--classifier {quote(scored[1])} --part {scored[2]}{threshold}{keep_text}{asked}"
        return f"curate score {source} -o {out} {options}"
    for name, settings in SETTINGS.items():
        if names == [f"dedup({settings!r}, key='score')"]:
            return f"curate dedup {source} -o {out} --settings {name}{keep_text}"
    if len(names) == 2 and names[0].startswith("Decontaminate(") and names[1].startswith("Keep(decontaminate."):
        return f"curate decontaminate {source} -o {out} --against BENCHMARKS{keep_text}"
    return _filter(names, source, out, f"{keep_text}{asked}")


def _filter(names: list[str], source: str, out: str, options: str) -> str | None:
    flags = ""
    urls = _named(url_stages())
    if names[: len(urls)] == urls:
        names, flags = names[len(urls) :], " --urls default"
    if names and names[0].startswith("Extract("):
        names = names[1:]
    last = ""
    for flag, choices in (
        ("--pii", (ReplaceAddresses(), ReplaceAddresses(code=True))),
        ("--secrets", (ReplaceSecrets(),)),
    ):
        if names and names[-1] in _named(choices):
            names, last = names[:-1], f" {flag}{last}"
    for rules in SETS:
        if names == _named(stages(rules)):
            return f"curate filter {source} -o {out} --rules {rules}{flags}{last}{options}"
    if names == _named(FINEWEB_CHAIN):
        return f"run((*to_text, *FINEWEB_CHAIN), open_source({source!r}), {out!r})    # curate.signals.rules, in Python"
    return None


def _named(made: Iterable[Stage]) -> list[str]:
    return [stage_name(stage) for stage in made]


def _trainings(folder: Path | None) -> Iterable[tuple[str, str]]:
    """Yield the command of each training, as far as its recipe tells it; one of other sizes has its own plan below."""
    for log in sorted(folder.rglob(LOG)) if folder else ():
        recipe = _json(log.with_name("run.json"))
        plan = recipe.get("plan")
        if plan is None or not recipe.get("data"):
            continue
        tokens = " ".join(quote(f"{part['path']}:{part['weight']:.15g}") for part in recipe["data"][0]["data"])
        batch = plan["batch_windows"] * plan["seq_len"]
        common = f"-o {quote(str(log.parent))} --num-tokens {plan['steps'] * batch} --seed {plan['seed']}"
        origin, schedule = recipe.get("annealed_from"), plan["schedule"]
        if origin:
            yield log.parent.name, f"curate anneal {quote(origin['path'])} {tokens} {common}"
        else:
            optimizer = plan["optimizer"]
            kind = "muon" if "momentum" in optimizer else "adamw"
            shape = f"--seq-len {plan['seq_len']} --batch-tokens {batch} --optimizer {kind} --lr {optimizer['lr']:g}"
            steps = f"--warmup {schedule['warmup']} --decay {schedule['decay']} --shape {schedule['shape']}"
            yield log.parent.name, f"curate pretrain {tokens} {common} {shape} {steps}{_model(recipe['model'])}"


def _model(config: Mapping[str, Any]) -> str:
    """Return the option for a named size of model; a comment for any other."""
    from curate.train.model import SIZES  # torch, where there is a training

    for name, size in SIZES.items():
        if all(config.get(key) == value for key, value in asdict(size).items()):
            return f" --model {name}"
    return f" --model ...    # {config.get('num_layers')} layers of {config.get('hidden_size')}"


def versions() -> list[tuple[str, str]]:
    """Return what this machine has: Python, curate, and the packages that results depend on."""
    found = [("Python", platform.python_version()), ("machine", f"{platform.system()} {platform.machine()}")]
    for package in ("curate", *PACKAGES):
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:  # an optional one
            continue
    return found


def section(again: Again) -> str:
    said = (
        "Read from the receipts in the shards. A command stands where its stages, with all settings, are those that "
        "were run; elsewhere the stages themselves do. INPUT and BENCHMARKS are where you keep them."
    )
    body = note(said)
    made = [(recipe.corpus, recipe.command) for recipe in again.recipes if recipe.command]
    if made or again.trainings:
        body += _commands([line for _, line in made] + [line for _, line in again.trainings])
    for recipe in again.recipes:
        steps = "\n".join(recipe.stages)
        aside = f"{count(len(recipe.stages))} stages, {count(recipe.splits)} shards, {count(recipe.documents)} read"
        body += details(recipe.corpus, f'<pre class="run">{safe(steps)}</pre>', aside)
    run = quote(again.folder)
    body += heading("Ask this run") + _commands(
        [f"curate funnel {run}", f"curate why ID_OR_URL {run}", f"curate lost {run}", f"curate report {run}"]
    )
    return body + heading("Versions") + table(("what", "version"), again.versions, title="Versions")


def _commands(told: Sequence[str]) -> str:
    return f'<pre class="run">{safe(chr(10).join(told))}</pre>'
