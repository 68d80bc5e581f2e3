"""Why is this document here, or not? Its way through every corpus of a run, with numbers.

    events = why("https://example.org/a", "runs/edu")
    print(tell(events))

An event is what one corpus says of a document: kept, dropped at which step, or quarantined; every rule with the
measured value beside its bounds; the copy that replaced it; and every other column. `run` is the folder of a run or of
a whole pipeline, one corpus, or one Parquet file. Nothing but footers, Bloom filters and a few ids is read: less than a
second on millions of rows (`benchmarks/ledger.py`).
"""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fsspec

from curate.columns import aligned
from curate.corpus import DROPPED, QUARANTINE
from curate.document import DROPPED_BY, ID, QUARANTINED, URL
from curate.ledger.broken import BROKEN, broken_rules
from curate.ledger.lookup import Found, containing, find
from curate.ledger.runs import Recipe, corpora, in_order, plain, recipe_of
from curate.stage import Rule
from curate.storage import is_remote

DECISIONS = {DROPPED: "dropped", QUARANTINE: "quarantined"}
NUM_NEAR = 5  # ids to suggest for one that is not there
SPOKEN = {DROPPED_BY, QUARANTINED, "dedup.survivor", "dedup.similarity", "dedup.band"}  # told in the first lines


@dataclass(frozen=True)
class Check:
    """A rule beside what was measured of one document."""

    rule: Rule
    step: int
    value: float | None  # None: not measured, or measured as null
    broken: bool

    @property
    def wanted(self) -> str:
        """The bounds: "50 to 100000", "at least 2"."""
        low, high = self.rule.at_least, self.rule.at_most
        if low is not None and high is not None:
            return f"{low:g} to {high:g}"
        return f"at least {low:g}" if low is not None else f"at most {high:g}"


@dataclass(frozen=True)
class Event:
    """What one corpus says of a document.

    Attributes:
        corpus: its name in the run.
        decision: "kept", "dropped", "quarantined"; "listed" in a folder that no run wrote, such as an input or grades.
        row: every column but the text.
        file: the Parquet file that holds the row.
        step: number of the stage at which it left; None if it stayed or that cannot be told.
    """

    corpus: str
    decision: str
    row: dict[str, Any]
    file: str
    recipe: Recipe | None

    @cached_property
    def step(self) -> int | None:
        if self.decision != "dropped" or self.recipe is None:
            return None
        return self.recipe.step_of(self.row[DROPPED_BY], by_language=bool(self.row.get(BROKEN)))

    @cached_property
    def checks(self) -> list[Check]:
        """Every rule of this corpus, those that the document broke first; of rules by language only the broken."""
        rules = () if self.recipe is None or self.decision == "quarantined" else self.recipe.rules
        if self.step is not None:
            rules = (*((self.step, rule) for rule in broken_rules(self.row.get(BROKEN))), *rules)
        marks = self.row.get(DROPPED_BY) or []
        found = [
            Check(rule, step, self.row.get(rule.column), rule.column in marks and self.step in (None, step))
            for step, rule in rules
        ]
        return sorted(found, key=lambda check: not check.broken)


class Search:
    """What `why` looked through: for the sentence about speed, and the one about a document that is not there."""

    def __init__(self) -> None:
        self.num_rows = self.num_read = 0
        self.corpora: list[str] = []

    def add(self, corpus: str, found: Sequence[Found]) -> None:
        self.corpora.append(corpus)
        self.num_rows += sum(file.num_rows for file in found)
        self.num_read += sum(file.num_read for file in found)

    def __str__(self) -> str:
        said = f"{self.num_rows:,} rows of {', '.join(self.corpora)}"
        return f"{said}; read the ids of {self.num_read:,}, whose files have no Bloom filter" if self.num_read else said


def why(document: str, run: str, search: Search | None = None) -> list[Event]:
    """Return what every corpus of a run says of a document, by id or URL; of several documents with one URL, all.

    Args:
        document: an id or URL, whole.
        run: folder of a run or of several, one corpus, or one Parquet file.
        search: filled with what was looked through.

    Raises:
        LookupError: no corpus knows it; says what was searched and which ids are like it.
        FileNotFoundError: `run` holds no Parquet.
    """
    if not document.strip():
        raise ValueError("the id or URL is empty; give one, whole")
    search = Search() if search is None else search
    places = _places(run)
    events: list[Event] = []
    for name, files in places.items():
        found = find(files, document)
        search.add(name, found)
        known = {event.row[ID] for event in events if ID in event.row} - {document}
        if known and not any(URL in file.columns for file in found):  # found by URL, and here are ids only
            found = [file for identity in sorted(known) for file in find(files, identity, keys=(ID,))]
        rows = [(file.file, row) for file in found for row in file.rows]
        events += _events(name, rows)
    if not events:
        raise LookupError(_unknown(document, places, search))
    return events


def _places(run: str) -> dict[str, list[str]]:
    """Return corpus name -> all its Parquet files, evidence included, in the order of production."""
    fs, root = fsspec.core.url_to_fs(run.rstrip("/"))
    full = fs.unstrip_protocol if is_remote(fs) else str
    if not fs.exists(root):
        raise FileNotFoundError(f"{run} does not exist; give a run's folder, a corpus or one Parquet file")
    if fs.isfile(root):
        return {posixpath.basename(root): [full(root)]}
    below = {file: file.removeprefix(root).strip("/") for file in sorted(fs.find(root))}
    shards = {file: name for file, name in below.items() if name.endswith(".parquet") and not _scratch(name)}
    if not shards:
        raise FileNotFoundError(f"{run} holds no Parquet file; give a run's folder, a corpus or one file")
    try:
        made = {"" if plain(full(path)) == plain(full(root)) else name: name for name, path in corpora(run).items()}
    except FileNotFoundError:
        made = {}
    places: dict[str, list[str]] = {}
    for file, name in shards.items():
        folder = next((folder for folder in made if not folder or name.startswith(f"{folder}/")), None)
        known = made[folder] if folder is not None else _folder(name) or posixpath.basename(root)
        places.setdefault(known, []).append(full(file))
    return {name: places[name] for name in sorted(places, key=in_order)}


def _scratch(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))


def _folder(name: str) -> str:
    """Return the folder of a shard that no receipt explains, evidence folders left out."""
    parts = name.split("/")[:-1]
    return "/".join(part for part in parts if part not in DECISIONS)


def _events(corpus: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> list[Event]:
    if not rows:
        return []
    made = recipe_of(rows[0][0])
    return [Event(corpus, _decision(file, made), row, file, made) for file, row in rows]


def _decision(file: str, made: Recipe | None) -> str:
    if made is None:
        return "listed"
    evidence = file.removeprefix(made.path).strip("/").split("/")[0]
    return DECISIONS.get(evidence, "kept")


def _unknown(document: str, places: Mapping[str, Sequence[str]], search: Search) -> str:
    """Say what was searched, and which ids are like the one asked for."""
    files = [file for found in places.values() for file in found]
    stem = document.strip().strip("<>/").removeprefix("urn:uuid:").removeprefix("https://").removeprefix("http://")
    near = containing(files, stem, NUM_NEAR) if stem else []
    like = f"There are {', '.join(near)}" if near else "No id or URL contains it either"
    return f"no document with id or url {document!r} among {search}. {like}"


def tell(events: Sequence[Event]) -> str:
    """Put the events into words: each document's way, each column once, until it changes."""
    documents: dict[Any, list[Event]] = {}
    for event in events:
        documents.setdefault(event.row.get(ID), []).append(event)
    parts = []
    if len(documents) > 1:
        parts.append(f"{len(documents)} documents have this URL.\n")
    for identity, own in documents.items():
        url = next((event.row[URL] for event in own if event.row.get(URL)), "")
        parts.append(f"{identity}  {url}".rstrip())
        times = Counter(event.corpus for event in own)
        parts += [f"  {count} rows of {corpus} have this id" for corpus, count in times.items() if count > 1]
        seen: dict[str, Any] = {ID: identity, URL: url}
        for event in own:
            parts += [f"  {line}" for line in _lines(event, seen)]
            seen |= event.row
        parts.append("")
    return "\n".join(parts).rstrip()


def _lines(event: Event, seen: Mapping[str, Any]) -> list[str]:
    row, checks = event.row, event.checks
    lines = [f"{event.corpus}: {_headline(event)}"]
    if row.get("dedup.survivor"):
        band = f", first shared band {row['dedup.band']}" if row.get("dedup.band") is not None else ""
        similarity = row.get("dedup.similarity")  # null where only the URL is the same: no text was compared
        alike = "similarity not measured" if similarity is None else f"similarity {similarity:.3f}{band}"
        lines.append(f"  copy of {row['dedup.survivor']}, {alike}")
    told = {check.rule.column for check in checks} | ({BROKEN} if broken_rules(row.get(BROKEN)) else set())
    lines += indented([_check_cells(check, event.step) for check in checks])
    rest = {name: value for name, value in row.items() if name not in told and value is not None}
    new = {name: value for name, value in rest.items() if name not in SPOKEN and seen.get(name) != value}
    return lines + indented([(name, _number(value)) for name, value in new.items()])


def _headline(event: Event) -> str:
    if event.decision == "quarantined":
        return f"quarantined: {event.row[QUARANTINED]}"
    if event.decision == "dropped":
        marks = ", ".join(event.row[DROPPED_BY])
        if event.recipe is None or event.step is None:
            return f"dropped by {marks}"
        stage = event.recipe.steps[event.step]
        number = f"step {event.step} of {len(event.recipe.steps) - 1}"
        return f"dropped by {marks}, at {number}: {stage if len(stage) <= 60 else stage[:57] + '...'}"
    return event.decision


def _check_cells(check: Check, left_at: int | None) -> tuple[str, ...]:
    if check.broken:
        verdict = "BROKEN"
    elif left_at is not None and check.step > left_at:
        verdict = "not asked"
    else:
        verdict = "holds" if check.value is not None else "no value"
    return (check.rule.column, _number(check.value), check.wanted, verdict, check.rule.source)


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else f"{value}"


def indented(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells under each other, two blanks in."""
    return [f"  {line}" for line in aligned(rows, range(len(rows[0]) if rows else 0))]
