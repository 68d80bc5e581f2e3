"""Near-duplicates: how alike, in how large clusters, and pairs with their differences marked.

Every removed row names its survivor and their similarity; the page draws those nearest to the bound, where a mistake
would be, and some at random, finds the survivor's text, and shows what one has and the other has not, word by word.
"""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from curate import ledger
from curate.dedup.evidence import DROP_NEAR as NEAR
from curate.document import ID, TEXT
from curate.report.charts import histogram
from curate.report.excerpts import name_of, with_texts
from curate.report.markup import count, details, heading, note, safe, share, table
from curate.report.view import Part, texts

SURVIVOR, SIMILARITY, SIZE = "dedup.survivor", "dedup.similarity", "minhash_cluster_size"
NUM_NEAR, NUM_RANDOM = 3, 3  # pairs
MAX_WORDS = 1500  # of each text that are compared: comparing takes their product
AROUND = 12  # equal words shown on each side of a difference
SIZES = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 100), (101, 10**12))
PIECES = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Copies:
    """What one deduplication removed."""

    corpus: str
    reasons: dict[str, int]
    sizes: Counter[int]  # documents in a cluster -> clusters
    similarities: tuple[int, ...]  # near-duplicates in bins of 0.05, from 0
    settings: str
    pairs: tuple[tuple[dict[str, Any], str | None], ...]  # a removed row, and its survivor's text


def gather(part: Part) -> Copies | None:
    """Read one corpus; None if it did not remove copies."""
    reasons = {rule: n for rule, n in part.tally.broken.items() if rule.startswith("dedup.")}
    if not reasons:
        return None
    sizes: Counter[int] = Counter()
    for batch in part.columns([SIZE], "kept"):
        found = pc.value_counts(batch[SIZE])
        sizes.update({entry["values"]: entry["counts"] for entry in found.to_pylist() if entry["values"] is not None})
    near = [batch[SIMILARITY].drop_null().to_numpy() for batch in part.columns([SIMILARITY], "dropped")]
    values = np.concatenate([np.zeros(0, np.float32), *near])
    bins = np.bincount(np.clip((values[values < 1] / 0.05 + 1e-6).astype(int), 0, 19), minlength=20)
    return Copies(part.name, reasons, sizes, tuple(map(int, bins)), part.recipe.steps[-1], _pairs(part))


def _pairs(part: Part) -> tuple[tuple[dict[str, Any], str | None], ...]:
    rows: dict[Any, dict[str, Any]] = {}
    if not part.tally.broken[NEAR]:
        return ()
    for near, n in ((f"{SIMILARITY}=0", NUM_NEAR), (None, NUM_RANDOM)):
        try:
            drawn = ledger.sample(part.path, dropped_by=NEAR, where=[f"{SIMILARITY}<1"], near=near, n=n)
        except LookupError:  # all are copies by the letter
            continue
        rows |= {row[ID]: row for row in drawn}
    found = with_texts(part, list(rows.values()))
    survivors = texts(part.path, [row[SURVIVOR] for row in found if row.get(SURVIVOR)])
    return tuple((row, survivors.get(row[SURVIVOR])) for row in found)


def section(found: Sequence[Copies]) -> str:
    if not found:
        return ""
    said = (
        "Of copies one stays, the best by score, then length, then id. Every near-duplicate was compared with its "
        "survivor itself; those nearest to the bound, where a mistake would be, and some at random stand below with "
        "what differs."
    )
    return note(said) + "".join(_of_corpus(copies) for copies in found)


def _of_corpus(copies: Copies) -> str:
    removed = sum(copies.reasons.values())
    reasons = [(reason, count(n), share(n, removed)) for reason, n in copies.reasons.items()]
    body = heading(copies.corpus) + note(copies.settings)
    body += table(("removed as", "#documents", "#share"), reasons, title="Copies by kind")
    body += _clusters(copies)
    if sum(copies.similarities):
        said = f"{count(sum(copies.similarities))} near-duplicates by their similarity to the copy that stays"
        start = next(i for i, n in enumerate(copies.similarities) if n)
        shown = min(start, 12)
        body += histogram(copies.similarities[shown:], low=0.05 * shown, width=0.05, ticks=2, label=said)
    return body + "".join(_pair(row, survivor) for row, survivor in copies.pairs)


def _clusters(copies: Copies) -> str:
    rows = []
    for low, high in SIZES:
        clusters = sum(n for size, n in copies.sizes.items() if low <= size <= high)
        if clusters:
            what = f"{low}" if low == high else f"{low} to {high}" if high < 10**12 else f"more than {low - 1}"
            documents = sum(size * n for size, n in copies.sizes.items() if low <= size <= high)
            rows.append((what, count(clusters), count(documents)))
    return table(("copies of a document", "#documents that stay", "#documents before"), rows, title="Clusters")


def _pair(row: dict[str, Any], survivor: str | None) -> str:
    alike = row.get(SIMILARITY)
    title = f"{'similarity' if alike is None else f'similarity {alike:.3f}'}: {name_of(row)}"
    facts = f"<ul><li>removed <b>{safe(name_of(row))}</b></li><li>stays <b>{safe(row.get(SURVIVOR))}</b></li></ul>"
    own = row.get(TEXT)
    if own is None or survivor is None:
        missing = "its own text" if own is None else "the survivor's text"
        return details(title, f"<article>{facts}<p class='cut'>The run did not keep {missing}.</p></article>")
    shown, aside = difference(own, survivor)
    kind = "" if "path" in row else ' class="prose"'
    said = note(f"Struck: only in what was removed. Underlaid: only in what stays. {aside}")
    return details(title, f'<article>{facts}{said}<pre{kind} dir="auto">{shown}</pre></article>')


def difference(removed: str, survivor: str) -> tuple[str, str]:
    """Return a comparison as HTML, and what it leaves out; equal stretches are shortened."""
    a, b = _words(removed), _words(survivor)
    matcher = difflib.SequenceMatcher(None, _alike(a), _alike(b), autojunk=False)
    parts = []
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            parts.append(_shortened(a[i:j], first=i == 0, last=j == len(a)))
            continue
        if i < j:
            parts.append(f"<del>{safe(''.join(a[i:j]))}</del>")
        if k < m:
            parts.append(f"<ins>{safe(''.join(b[k:m]))}</ins>")
    cut = len("".join(a)) < len(removed) or len("".join(b)) < len(survivor)
    return "".join(parts), "The beginnings of both are compared." if cut else ""


def _words(text: str) -> list[str]:
    return [piece[0][:200] for piece, _ in zip(PIECES.finditer(text), range(MAX_WORDS), strict=False)]


def _alike(words: Sequence[str]) -> list[str]:
    """Return the words as they are compared: any white space is like any other."""
    return [" " if word.isspace() else word for word in words]


def _shortened(words: Sequence[str], *, first: bool, last: bool) -> str:
    """Return equal words, without the middle of a long stretch."""
    head, tail = 0 if first else AROUND, 0 if last else AROUND
    if len(words) <= head + tail + AROUND:
        return safe("".join(words))
    middle = f'<span class="cut"> … {count(len(words) - head - tail)} equal words and spaces … </span>'
    return safe("".join(words[:head])) + middle + safe("".join(words[len(words) - tail :]))
