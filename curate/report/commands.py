"""The command that makes a corpus again, read off its receipts.

    command(part, view)      "curate filter INPUT -o runs/edu/1-clean --rules fineweb --urls default --keep-text"

No option is believed: the stages that a command would run are built here, and the command is told only if their names,
which hold all settings, are those in the receipts. What a receipt cannot know stands in capitals for the reader to fill
in: INPUT (receipts name inputs by shard, not by place), BENCHMARKS, MODEL (the folder of a classifier of one's own).
Rules of one's own become the file that `curate filter --rules` takes. What no command runs has none.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote

import orjson
import pyarrow as pa

from curate.classify.chunks import POOLS, Chunked
from curate.classify.score import at_score, at_threshold, available, cascade_stages, find, score_stages
from curate.concatenate import Joining
from curate.corpus import Corpus
from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.decontaminate import FOLDER as BENCHMARKS
from curate.decontaminate.decontaminate import METHODS, open_methods
from curate.decontaminate.decontaminate import stages as decontaminate_stages
from curate.dedup import SETTINGS
from curate.dedup.guard import SOURCE_COLUMNS, Limits, source_breaches, sources
from curate.ledger.runs import JOINS, joins
from curate.readers.html import Extract
from curate.readers.software_heritage import FetchContents
from curate.report.view import Part, View
from curate.signals.pii import ReplaceAddresses
from curate.signals.rules import NAMES, signals_for, stages, url_stages
from curate.signals.secrets import ReplaceSecrets
from curate.signals.urls import Urls
from curate.stage import Keep, Measure, Rule, Stage, stage_name
from curate.storage import info, open_binary

CHAIN = "curate.signals.rules:FINEWEB_CHAIN"
SETS = (*NAMES, CHAIN)
GRADED = re.compile(r"Score\(classifier='([^']+)', digest='([^']+)'(?:, part='([^']+)')?\)")
CERTIFIED = re.compile(r"recall >= ([\d.]+), certified")
Told = tuple[str, str]  # verb, and what it is to be given beside input and output


def command(part: Part, view: View) -> str | None:
    """Return the shell command whose stages are those of a corpus; None if there is none."""
    names = list(part.recipe.steps[1:])
    receipts = [receipt for receipt in Corpus(part.path).receipts().values() if receipt]
    if any(receipt["recipe"].get("index") for receipt in receipts):
        return None  # earlier dumps decided too
    out = place(part, view)
    told = _dedup(names, part, receipts) or _decontaminate(names, part) or _score(names, part) or _extract(names)
    told = told or _filter(names) or _concatenate(names, receipts)
    file, told = ("", told) if told else _own_rules(names, part, out)
    if told is None:
        return None
    verb, options = told
    earlier = next((one for one in view.parts if one.path == part.before), None)
    source = place(earlier, view) if earlier else part.before or "INPUT"
    return f"{file}curate {verb} {quote(source)} -o {quote(out)}{options}{_how(verb, part, receipts)}"


def place(part: Part, view: View) -> str:
    """Return a corpus' folder as the page names the run's."""
    inside = f"{view.folder}/{part.name}"
    return inside if part.path.endswith(inside.lstrip("./")) or Path(inside).is_dir() else part.path


def _how(verb: str, part: Part, receipts: Sequence[dict]) -> str:  # type: ignore[type-arg]
    """Return what says how much was read and kept, where the verb can be told."""
    said = " --keep-text" if any(receipt["recipe"].get("keep_text") for receipt in receipts) else ""
    limits = [receipt["split"].get("limit") for receipt in receipts]
    if limits and None not in limits and verb != "dedup":
        said += f" --limit {sum(limits)}"
    allowing = verb not in ("dedup", "extract", "concatenate")
    return said + (" --allow-empty" if not part.tally.rows_out and allowing else "")


def _named(made: Iterable[Stage]) -> list[str]:
    return [stage_name(stage) for stage in made]


def _extract(names: list[str]) -> Told | None:
    for extractor in ("resiliparse", "trafilatura"):
        if names == _named((Extract(extractor=extractor),)):  # type: ignore[arg-type]
            return "extract", f" --extractor {extractor}"
    return None


def _dedup(names: list[str], part: Part, receipts: Sequence[dict]) -> Told | None:  # type: ignore[type-arg]
    told = re.search(r"threshold=([\d.e-]+)", names[0]) if len(names) == 1 else None
    if told is None:
        return None
    for name, settings in SETTINGS.items():
        for containment, by_url in ((False, False), (False, True), (True, False), (True, True)):
            kind = "containment" if containment else "jaccard"
            made = replace(settings, similarity=kind, threshold=float(told[1]))  # type: ignore[arg-type]
            if names == [f"dedup({made!r}, key='score'{', by_url=True' if by_url else ''})"]:
                own = f" --similarity {told[1]}" if made.threshold != settings.threshold else ""
                flags = " --containment" * containment + " --by-url" * by_url
                return "dedup", f" --settings {name}{own}{flags}{_allowed(part, receipts)}"
    return None


def _allowed(part: Part, receipts: Sequence[dict]) -> str:  # type: ignore[type-arg]
    """Return the limits that this deduplication was allowed to exceed, and would stop at without a word."""
    total, lost = pa.table({"source": pa.array([], pa.string())}), pa.table({"source": pa.array([], pa.string())})
    total = pa.concat_tables([total, *(_sources(b) for b in part.columns(SOURCE_COLUMNS, "kept", "dropped"))])
    lost = pa.concat_tables([lost, *(_sources(b) for b in part.columns(SOURCE_COLUMNS, "dropped"))])
    counts = total.group_by("source").aggregate([([], "count_all")]).rename_columns(["source", "total"])
    gone = lost.group_by("source").aggregate([([], "count_all")]).rename_columns(["source", "lost"])
    losses = counts.join(gone, "source")
    losses = losses.set_column(2, "lost", losses["lost"].fill_null(0))
    said = " --max-source-loss 1" if source_breaches(losses, Limits()) else ""
    largest = max((receipt.get("dedup", {}).get("largest_cluster", 0) for receipt in receipts), default=0)
    return said + (f" --max-cluster {largest}" if largest > Limits.max_cluster else "")


def _sources(batch: pa.RecordBatch) -> pa.Table:
    return pa.table({"source": sources(batch)})


def _decontaminate(names: list[str], part: Part) -> Told | None:
    found = re.search(r"Benchmarks\((\w+), (\d+) files\)", names[0]) if names else None
    if found is None or not names[0].startswith("Decontaminate("):
        return None
    benchmarks = Benchmarks(found[1], ("",) * int(found[2]), "")
    methods = [method for method in METHODS if f"{method.title()}(" in names[0]]
    asked = {option: _number(names[0], option) for option in ("max_share", "max_run", "tau")}
    passages, span = "passages=True" in names[0], len(names) == 3
    chosen = open_methods(benchmarks, methods, passages=passages, **asked)  # type: ignore[arg-type]
    made = decontaminate_stages(chosen, cut="span" if span else "document", passages=passages)
    if names != _named(made):
        return None
    usual = _named((decontaminate_stages(open_methods(benchmarks, methods, passages=passages))[0],))
    bounds = {} if usual == names[:1] else {name: value for name, value in asked.items() if value is not None}
    said = "" if len(methods) == len(METHODS) else "".join(f" --method {method}" for method in methods)
    said += "".join(f" --{name.replace('_', '-')} {value:g}" for name, value in bounds.items())
    only = _only(f"{part.path}/{BENCHMARKS}/{found[1]}.jsonl")
    return "decontaminate", f" --against BENCHMARKS{only}{said}{' --passages' * passages}{' --cut span' * span}"


def _only(file: str) -> str:
    """Return the option that names what was looked for, where it lies beside the corpus: BENCHMARKS may hold more."""
    if info(file) is None:
        return ""
    with open_binary(file) as lines:
        names = dict.fromkeys(orjson.loads(line)["benchmark"] for line in lines)
    return f" --only {quote(','.join(names))}" if not any("," in name for name in names) else ""


def _number(text: str, name: str) -> float | int | None:
    found = re.search(rf"\b{name}=([\d.e-]+)", text)
    return None if found is None else int(found[1]) if found[1].isdigit() else float(found[1])


def _score(names: list[str], part: Part) -> Told | None:
    """Return how these classifiers were asked, alone, several, over chunks or in a cascade."""
    names = _without_text_stage(names)
    graded = GRADED.findall(names[0]) if names else []
    if not graded:
        return None
    if not all(name in available() and find(name)[0].digest == digest for name, digest, _ in graded):
        rest = _cut(names[1:], part)
        own = len(graded) == 1 and GRADED.fullmatch(names[0]) and rest
        return ("score", f" --classifier MODEL --part {graded[0][2]}{rest[0]}") if own and rest else None
    classifiers = "".join(f" --classifier {quote(name)}" for name, _, _ in graded)
    for options, made in _gradings([name for name, _, _ in graded], graded[0][2] or None, names, part):
        if names == _named(made):
            return "score", classifiers + options
    return None


def _gradings(
    classifiers: list[str], which: str | None, names: list[str], part: Part
) -> Iterator[tuple[str, Sequence[Stage]]]:
    """Yield what might have been asked of some classifiers, and the stages that this makes."""
    rules = [rule for _, rule in part.recipe.rules]
    for recall in {found[1] for rule in rules if (found := CERTIFIED.search(rule.source))}:
        yield f" --recall {recall}", cascade_stages(classifiers[0], recall=float(recall))[1]
    if names[0].startswith("GateScore("):
        cut = next((rule.at_least for rule in rules if rule.column.endswith(".score")), None)
        if cut is not None:
            yield f" --part cascade --min-score {cut!r}", cascade_stages(classifiers[0], cut=cut)[1]
        return
    scoring = score_stages(classifiers, part=which)  # type: ignore[arg-type]
    rest = _cut(names[1:], part)
    if rest is not None:
        options, cuts = rest
        yield f" --part {which}{options}", (scoring, *cuts)
        for pool in POOLS:
            yield f" --part {which} --pool {pool}{options}", (Chunked(scoring, pool), *cuts)


def _cut(names: list[str], part: Part) -> tuple[str, tuple[Stage, ...]] | None:
    """Return the option of a cut at a score, and its stage; ("", ()) where there is none, None for anything else."""
    if not names:
        return "", ()
    least = part.recipe.rules[-1][1].at_least if part.recipe.rules else None
    if least is None or len(names) > 1:
        return None
    choices: dict[str, Keep] = {f" --min-score {least!r}": Keep((at_score(least),))}
    if float(least).is_integer():
        choices[f" --threshold {int(least)}"] = Keep((at_threshold(int(least)),))
    return next(((said, (keep,)) for said, keep in choices.items() if names == _named((keep,))), None)


def _concatenate(names: list[str], receipts: Sequence[dict]) -> Told | None:  # type: ignore[type-arg]
    if not names or not joins(names[-1]):
        return None
    usual, asked = asdict(Joining()), receipts[0]["recipe"][JOINS]
    said = [f" --{name.replace('_', '-')} {value}" for name, value in asked.items() if value != usual.get(name)]
    return "concatenate", "".join(said)


def _filter(names: list[str]) -> Told | None:
    urls, names, last = _around(names)
    for lid in dict.fromkeys((None, *re.findall(r"Language\(model='([^']+)'", " ".join(names)), "columns")):
        sets = _sets(names, lid)
        if sets:
            rules = "".join(f" --rules {one}" for one in sets)
            return "filter", f"{rules}{urls}{last}{f' --lid {quote(lid)}' if lid else ''}"
    return None


def _around(names: list[str]) -> tuple[str, list[str], str]:
    """Take off what stands before and after the rules: URLs, extraction, secrets and addresses; and their options."""
    first = _urls(names[:2])
    names = _without_text_stage(names[2:] if first else names)
    last = ""
    for flag, choices in (
        (" --pii", (ReplaceAddresses(), ReplaceAddresses(code=True))),
        (" --secrets", (ReplaceSecrets(),)),
    ):
        if names and names[-1] in _named(choices):
            names, last = names[:-1], f"{flag}{last}"
    return first, names, last


def _without_text_stage(names: list[str]) -> list[str]:
    return names[1:] if names[:1] in (_named((Extract(),)), _named((FetchContents(),))) else names


def _urls(names: list[str]) -> str:
    """Return the option of the URL filter that these two stages are; "" if they are none."""
    if names == _named(url_stages()):
        return " --urls default"
    if len(names) < 2 or not names[0].startswith("Measure(Urls("):
        return ""
    for file in re.findall(r"'([^']+)'", names[0]):
        if names == _named((Measure((Urls(domains=(file,)),)), url_stages()[1])):
            return f" --urls {quote(file)}"
        for folder in list(Path(file).parents)[:2]:  # UT1 has a folder for each of its lists
            if folder.is_dir() and names == _named(url_stages(f"{folder}")):
                return f" --urls {quote(f'{folder}')}"
    return ""


def _sets(names: list[str], lid: str | None) -> list[str] | None:
    """Return the published sets whose stages these are, one after the other."""
    if not names:
        return []
    for rules in SETS:
        if lid == "columns" and rules != "fineweb2":
            continue
        made = _named(stages(rules, lid=lid))
        if names[: len(made)] == made and (rest := _sets(names[len(made) :], lid)) is not None:
            return [rules, *rest]
    return None


def _own_rules(names: list[str], part: Part, out: str) -> tuple[str, Told | None]:
    """Return the file of rules of one's own that these stages are, as a shell writes it, and its command."""
    urls, names, last = _around(names)
    rules = tuple(rule for _, rule in part.recipe.rules)
    rules = rules[len(url_stages()[1].rules) :] if urls else rules  # type: ignore[attr-defined]
    if not rules:
        return "", None
    signals = signals_for(rules)
    if names != _named((*((Measure(signals),) if signals else ()), Keep(rules))):
        return "", None
    file = "-".join(out.rstrip("/").split("/")[-2:]) + ".py"
    lines = "".join(f"    {_written(rule)},\n" for rule in rules)
    text = f"from curate.stage import Rule\n\nRULES = (\n{lines})\n"
    return f"cat > {quote(file)} <<'END'\n{text}END\n", ("filter", f" --rules {quote(f'{file}:RULES')}{urls}{last}")


def _written(rule: Rule) -> str:
    """Return a rule as Python."""
    bounds = "".join(
        f", {name}={value!r}" for name in ("at_least", "at_most") if (value := getattr(rule, name)) is not None
    )
    return f"Rule({rule.column!r}{bounds}{f', source={rule.source!r}' if rule.source else ''})"
