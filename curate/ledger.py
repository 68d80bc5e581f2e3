"""The ledger: what a run did to its documents, and why, read back from the shards and their receipts.

    funnel("runs/edu")                    documents and text left after each step
    why("<urn:uuid:...>", "runs/edu")     every measured signal, broken rule and survivor of one document

Nothing is kept beside the corpora: each shard's receipt holds its tally, `dropped/` holds the signals of what left. A
question reads the columns it needs, without the text; `why` scans the ids of a run, a few seconds for a million rows.
"""

import operator
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow.compute as pc

from curate.corpus import DROPPED, QUARANTINE, Corpus, is_shard, read_receipt
from curate.document import DROPPED_BY, ID, TEXT, URL
from curate.stage import id_hash
from curate.tally import Tally

COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}


@dataclass(frozen=True)
class Line:
    """One line of a funnel: what was left after a step."""

    corpus: str  # relative to the run
    step: str
    documents: int
    text_bytes: int


@dataclass(frozen=True)
class Event:
    """What happened to a document in one corpus of a run."""

    corpus: str
    decision: str  # "kept", "dropped" or "quarantined"
    row: dict[str, Any]  # every column but the text


def corpora(run: str) -> dict[str, str]:
    """Return name -> path of the corpora below a run's folder, in the order of their names (`1-clean`, `2-scored`).

    A name is relative to the run; a folder that is itself a corpus has its own name.

    Raises:
        FileNotFoundError: there is none.
    """
    fs, root = fsspec.core.url_to_fs(run.rstrip("/"))
    found: dict[str, str] = {}
    for file in sorted(fs.find(root)):
        relative = file.removeprefix(root).strip("/")
        if not is_shard(relative) or any(relative.startswith(f"{name}/") for name in found):
            continue
        receipt = read_receipt(fs.unstrip_protocol(file)) or {}
        if "tally" in receipt:
            path = file.removesuffix(f"/{receipt['split']['name']}.parquet")
            name = path.removeprefix(root).strip("/") or posixpath.basename(root)
            found[name] = fs.unstrip_protocol(path).removeprefix("file://")
            if path == root:
                break
    if not found:
        raise FileNotFoundError(f"{run} holds no corpus that a run of curate wrote; give the folder of a run")
    return found


def tally(corpus: str) -> Tally:
    """Add up the receipts of one corpus."""
    total = Tally()
    for receipt in Corpus(corpus).receipts().values():
        if receipt and "tally" in receipt:
            total.add(Tally.from_json(receipt["tally"]))
    return total


def funnel(run: str) -> list[Line]:
    """Return what was left after every step of every corpus in a run, without the steps that changed nothing.

    Corpora whose names differ in their last part only (`web/1-clean`, `web/2-scored`) are one line of production: the
    input of the second is not told again if it is what the first left.
    """
    lines: list[Line] = []
    for name, path in corpora(run).items():
        for step, rows, size in tally(path).steps:
            before = lines[-1] if lines and _family(lines[-1].corpus) == _family(name) else None
            if before is None or (rows, size) != (before.documents, before.text_bytes):
                lines.append(Line(name, step, rows, size))
    return lines


def _family(corpus: str) -> str:
    return corpus.rpartition("/")[0]


def why(document: str, run: str) -> list[Event]:
    """Return what every corpus of a run says of a document, by id or URL.

    Raises:
        LookupError: no corpus knows it.
    """
    events = [event for name, path in corpora(run).items() for event in _events(document, name, path)]
    if not events:
        raise LookupError(f"no document with id or url {document!r} in {run}; ids are case-sensitive and whole")
    return events


def _events(document: str, name: str, path: str) -> Iterator[Event]:
    for folder, decision in ((path, "kept"), (f"{path}/{DROPPED}", "dropped"), (f"{path}/{QUARANTINE}", "quarantined")):
        for row in _find(document, folder):
            yield Event(name, decision, row)


def _find(document: str, folder: str) -> Iterator[dict[str, Any]]:
    """Read ids first, and the other columns only of the splits that hold the document."""
    try:
        corpus = Corpus(folder)
        splits = corpus.splits()
    except FileNotFoundError:
        return
    keys = [name for name in (ID, URL) if name in corpus.schema.names]
    columns = [name for name in corpus.schema.names if name != TEXT]
    for split in splits:
        if not any(_matches(batch, keys, document).true_count for batch in corpus.read(split, keys, batch_rows=2**16)):
            continue
        for batch in corpus.read(split, columns):
            yield from batch.filter(_matches(batch, keys, document)).to_pylist()


def _matches(batch: Any, keys: list[str], document: str) -> Any:
    found = pc.fill_null(pc.equal(batch[keys[0]], document), False)
    for key in keys[1:]:
        found = pc.or_(found, pc.fill_null(pc.equal(batch[key], document), False))
    return found


def sample(
    corpus: str, *, dropped_by: str | None = None, score: str | None = None, n: int = 20, seed: int = 0
) -> list[dict[str, Any]]:
    """Return `n` rows drawn by the hash of their ids: kept ones, or those that a rule dropped.

    Args:
        dropped_by: a rule's name as in the funnel, such as `gopher.word_count`.
        score: a condition on the score, such as ">=3" or "<1.5".
    """
    folder = Corpus(f"{corpus.rstrip('/')}/{DROPPED}" if dropped_by else corpus)
    best: list[tuple[int, dict[str, Any]]] = []
    for batch in folder.batches():
        rows = [row for row in batch.to_pylist() if _wanted(row, dropped_by, score)]
        best = sorted(best + [(id_hash(row[ID], seed), row) for row in rows], key=lambda pair: pair[0])[:n]
    if not best:
        raise LookupError(f"{folder.path} has no row with dropped_by={dropped_by}, score={score}")
    return [row for _, row in best]


def _wanted(row: dict[str, Any], dropped_by: str | None, score: str | None) -> bool:
    if dropped_by is not None and dropped_by not in row[DROPPED_BY]:
        return False
    if score is None:
        return True
    sign = next((sign for sign in COMPARISONS if score.startswith(sign)), None)
    if sign is None:
        raise ValueError(f"score condition {score!r} should look like '>=3' or '<1.5'")
    if "score" not in row:
        raise ValueError(f"this corpus has no score column; it has {', '.join(row)}. Run `curate score` first")
    return row["score"] is not None and bool(COMPARISONS[sign](row["score"], float(score[len(sign) :])))
