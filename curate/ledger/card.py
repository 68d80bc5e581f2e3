"""A card of a corpus, language by language: what is in it, how it scores, its licences, and what each step kept.

    write_card("runs/stack")                # runs/stack/CARD.md, Markdown, as the hub shows it
    card("runs/stack").languages[0].kept    # files of the first language left after each step

Every number is counted from the shards and their evidence, and each step's sum over the languages is held against the
receipts: where they differ (a `dropped/` was deleted, say) there is an error and no card. The language of a dropped
file is the one it had when it left; a file that could not be read has none, and is counted apart.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import DROPPED, Corpus
from curate.document import DROPPED_BY, TEXT
from curate.ledger.broken import BROKEN
from curate.ledger.leaves import Chain, Leaf, Link
from curate.ledger.markdown import table

LANGUAGE, LICENSE, SCORE, INT_SCORE, BYTES = "language", "license", "score", "int_score", "bytes"
NONE = "(none)"  # a file without a language or licence
GRADES = 6  # 0 to 5
TOP_LICENSES = 3
CONTENTS = ("language", "files", "share", "MB", "mean score", "licences")
STEP_CHARS = 300  # of a step's recipe; the receipts have it whole

Gone = Counter[tuple[int, str]]  # (step, language) -> files that left there


@dataclass(frozen=True)
class Step:
    """A step that took files out: its corpus, its stage as the receipt names it, files left over all languages."""

    corpus: str
    name: str
    files: int

    @property
    def title(self) -> str:
        return f"{self.corpus} {self.name.split('(')[0].rpartition('.')[2]}"


@dataclass(frozen=True)
class Language:
    """What the corpus holds of one language, and how it came to that."""

    name: str
    came: int  # files read of this language
    kept: tuple[int, ...]  # files left after each step
    files: int
    text_bytes: int
    mean_score: float | None
    scores: tuple[int, ...]  # files by int_score, 0 to 5; empty where nothing was scored
    licenses: Mapping[str, int]


@dataclass(frozen=True)
class Card:
    """Languages, most files first, and the steps between the input and the corpus."""

    corpus: str
    came: int
    quarantined: int
    steps: tuple[Step, ...]
    languages: tuple[Language, ...]

    def __str__(self) -> str:
        """Return the card as Markdown."""
        files, size = sum(row.files for row in self.languages), sum(row.text_bytes for row in self.languages)
        num = sum(row.files > 0 for row in self.languages)
        read = f"{files:,} files in {num} languages, {size / 1e6:,.2f} MB of text, out of {self.came:,} files read"
        unread = f"; {self.quarantined:,} more could not be read (see `quarantine/`)." if self.quarantined else "."
        return "\n\n".join([f"# {self.corpus}", read + unread, *self.sections()]) + "\n"

    def sections(self, heading: str = "##") -> list[str]:
        """Return headings and tables: languages, scores, what each step kept."""
        files = sum(row.files for row in self.languages)
        there = [row for row in self.languages if row.files]
        parts = [f"{heading} Languages", table(CONTENTS, [_contents(row, files) for row in there])]
        if any(row.scores for row in there):
            head = ("language", *(f"scored {grade}" for grade in range(GRADES)))
            scored = [(row.name, *(f"{n:,}" for n in row.scores)) for row in there if row.scores]
            parts += [f"{heading} Scores", "Files by rounded score.", table(head, scored)]
        if self.steps:
            steps = [f"{at}. {step.title}: `{_cut(step.name)}`" for at, step in enumerate(self.steps, start=1)]
            head = ("language", "files read", *(f"{at}" for at in range(1, len(self.steps) + 1)), "in all")
            said = "Share of the files that came to a step and passed it."
            shares = table(head, map(_shares, self.languages))
            parts += [f"{heading} What each step kept", said, shares, "\n".join(steps)]
        return parts


def write_card(run: str, out: str | None = None) -> str:
    """Write the card of the last corpus of a run as Markdown and return its path, RUN/CARD.md by default."""
    path = out or f"{str(run).rstrip('/')}/CARD.md"
    text = str(card(run))
    with fsspec.open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def card(run: str) -> Card:
    """Return the card of the last corpus of a run.

    Args:
        run: folder of corpora of which each reads what the one before kept, or one corpus.

    Raises:
        FileNotFoundError: nothing is there, or nothing was kept.
        ValueError: the corpora are no chain, have no column `language`, or the evidence does not add up.
    """
    return card_of(Chain.of(str(run)))


def card_of(chain: Chain) -> Card:
    """Return the card of the last corpus of a chain; see `card`."""
    final = Corpus(chain.links[-1].path)
    if LANGUAGE not in final.schema.names:
        raise ValueError(
            f"{final.path} has no column {LANGUAGE!r} to tell languages apart; it has {final.schema.names}"
        )
    steps: list[Step] = []
    gone: list[Counter[str]] = []  # for each step
    for link in chain.links:
        for step, left in _steps(link, _dropped(chain, link)):
            steps.append(step)
            gone.append(left)
    tallies = [link.recipe.tally for link in chain.links if link.recipe]
    groups: dict[str, list[dict[str, Any]]] = {name: [] for left in gone for name in left}
    for group in _groups(final):
        groups.setdefault(group[LANGUAGE] or NONE, []).append(group)
    found = [_language(name, groups[name], [left[name] for left in gone]) for name in groups]
    languages = tuple(sorted(found, key=lambda language: (-language.files, -language.came, language.name)))
    quarantined = sum(tally.num_quarantined for tally in tallies)
    came = tallies[0].rows_in if tallies else sum(language.came for language in languages)
    assert sum(language.came for language in languages) + quarantined == came, "each corpus was held against its tally"
    return Card(chain.links[-1].name, came, quarantined, tuple(steps), languages)


def _dropped(chain: Chain, link: Link) -> Gone:
    """Count what left a corpus by step (0 where the marks do not tell it) and language."""
    found: Gone = Counter()
    for leaf in chain.leaves():
        if leaf.link == link and leaf.fate == DROPPED:
            for batch in _batches(leaf, (DROPPED_BY, BROKEN, LANGUAGE)):
                told = batch[BROKEN].is_valid() if BROKEN in batch.schema.names else [False] * batch.num_rows
                marks = pc.binary_join(batch[DROPPED_BY], "\n").to_pylist()
                keys = Counter(zip(marks, map(bool, np.asarray(told)), _languages(batch), strict=True))
                for (names, by_language, language), count in keys.items():
                    step = link.position(names.split("\n"), by_language=by_language) - link.offset
                    found[step, language] += count
    return found


def _batches(leaf: Leaf, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    corpus = leaf.corpus()
    if corpus is not None:
        there = [name for name in columns if name in corpus.schema.names]
        for split in corpus.splits():
            yield from corpus.read(split, there)


def _steps(link: Link, gone: Gone) -> Iterator[tuple[Step, Counter[str]]]:
    """Yield the steps of a corpus that took files out, with those files by language.

    Marks that are no rule's do not tell their step. They belong to the one step whose count they make whole; if that
    cannot be said, the corpus is shown as a single step.

    Raises:
        ValueError: the rows that were found are not those that left.
    """
    if link.recipe is None:
        return
    tally = link.recipe.tally
    if gone.total() + tally.num_quarantined != tally.rows_in - tally.rows_out:
        raise ValueError(
            f"{link.path} dropped {tally.num_dropped:,} files by its receipts, and {gone.total():,} are in its "
            f"{DROPPED}/; put the missing files back, or make the corpus again"
        )
    counts = [files for _, files, _ in tally.steps]
    lost = {step: counts[step - 1] - counts[step] for step in range(1, len(counts)) if counts[step] < counts[step - 1]}
    known = {step: sum(n for (at, _), n in gone.items() if at == step) for step in lost}
    short = [step for step in lost if known[step] < lost[step]]
    unknown = sum(n for (at, _), n in gone.items() if at not in lost)
    whole = all(known[step] <= lost[step] for step in lost) and (not unknown or len(short) == 1)
    places = lost if whole else [len(counts) - 1] * bool(lost)
    for step in places:
        left: Counter[str] = Counter()
        for (at, language), n in gone.items():
            if not whole or at == step or (at not in lost and short == [step]):
                left[language] += n
        if left:  # else the step only sent files to quarantine
            yield Step(link.name, link.recipe.steps[step] if whole else "all steps", counts[step]), left


def _groups(final: Corpus) -> list[dict[str, Any]]:
    """Count a corpus by language, licence and rounded score: files, bytes, and the sum of the raw scores."""
    wanted = [name for name in (LANGUAGE, LICENSE, SCORE, INT_SCORE, TEXT) if name in final.schema.names]
    parts = []
    for split in final.splits():
        for batch in final.read(split, wanted):
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            text = columns.pop(TEXT, None)
            columns[BYTES] = pa.array([0] * batch.num_rows) if text is None else pc.binary_length(text).cast(pa.int64())
            parts.append(pa.table(columns))
    whole = pa.concat_tables(parts)
    for name in {LICENSE, SCORE, INT_SCORE} - set(wanted):
        whole = whole.append_column(name, pa.nulls(whole.num_rows, pa.float64()))
    sums = [([], "count_all"), (BYTES, "sum"), (SCORE, "sum"), (SCORE, "count")]
    groups: list[dict[str, Any]] = whole.group_by([LANGUAGE, LICENSE, INT_SCORE]).aggregate(sums).to_pylist()
    return groups


def _language(name: str, groups: Sequence[Mapping[str, Any]], gone: Sequence[int]) -> Language:
    files = sum(group["count_all"] for group in groups)
    came = files + sum(gone)
    licenses: Counter[str] = Counter()
    scores: Counter[int] = Counter()
    for group in groups:
        licenses[group[LICENSE] or NONE] += group["count_all"]
        if group[INT_SCORE] is not None:
            scores[int(group[INT_SCORE])] += group["count_all"]
    scored = sum(group["score_count"] for group in groups)
    mean = sum(group["score_sum"] or 0.0 for group in groups) / scored if scored else None
    histogram = tuple(scores[grade] for grade in range(GRADES)) if scores else ()
    kept = tuple(came - left for left in itertools.accumulate(gone))
    size = sum(group["bytes_sum"] or 0 for group in groups)
    return Language(name, came, kept, files, size, mean, histogram, dict(licenses.most_common()))


def _languages(batch: pa.RecordBatch) -> list[str]:
    if LANGUAGE not in batch.schema.names:
        return [NONE] * batch.num_rows
    return [name or NONE for name in batch[LANGUAGE].to_pylist()]


def _contents(language: Language, files: int) -> tuple[str, ...]:
    most = list(language.licenses.items())[:TOP_LICENSES]
    others = language.files - sum(count for _, count in most)
    told = [f"{name} {count / language.files:.0%}" for name, count in most]
    told += [f"others {others / language.files:.0%}"] if others else []
    return (
        language.name,
        f"{language.files:,}",
        f"{language.files / files:.1%}",
        f"{language.text_bytes / 1e6:,.2f}",
        "-" if language.mean_score is None else f"{language.mean_score:.2f}",
        ", ".join(told) if language.licenses.keys() != {NONE} else "-",
    )


def _shares(language: Language) -> tuple[str, ...]:
    """Return the cells of one language: files read, what each step let pass of what came to it, what is left."""
    left = [language.came, *language.kept]
    passed = [f"{after / before:.0%}" if before else "-" for before, after in itertools.pairwise(left)]
    return (language.name, f"{language.came:,}", *passed, f"{language.files / language.came:.1%}")


def _cut(name: str) -> str:
    name = name.replace("`", "'").replace("\n", " ")
    return name if len(name) <= STEP_CHARS else f"{name[:STEP_CHARS]}..."
