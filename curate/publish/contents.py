"""What a corpus is made of, and whose it is: languages, domains, licences, and the terms of known sources.

Terms are quoted only of a source that the data itself names: a dump of Common Crawl in the column `dump`, The Stack's
identifiers among the columns, or the stage that fetched texts from Software Heritage.
"""

import re
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from curate.ledger.card import LANGUAGE, card_of
from curate.ledger.markdown import table, words
from curate.parquet import read_receipt
from curate.publish.subset import Subset
from curate.report.mix import HOST, KINDS, TOP, gather

DUMP = re.compile(r"^CC-MAIN-\d{4}-\d{2}")
MOST_DUMPS = 8
STACK_V1 = {"hexsha", "max_stars_repo_path"}
STACK_V2 = {"blob_id", "snapshot_id", "directory_id"}


def contents(subset: Subset) -> list[str]:
    """Return the paragraphs about languages, domains, repositories and licences."""
    if subset.is_code and LANGUAGE in subset.corpus.schema.names:
        return card_of(subset.chain()).sections("###")
    said: list[str] = []
    for column, came, kept in _mixes(subset):
        most = sorted(kept, key=lambda name: (-kept[name], name))[:TOP]
        rows = [(words(name[:80]), f"{kept[name]:,}", _stayed(came, kept, name)) for name in most]
        if len(kept) > len(most):
            others = sum(kept.values()) - sum(kept[name] for name in most)
            rows.append((f"{len(kept) - len(most):,} others", f"{others:,}", ""))
        said += [f"### {KINDS[column]}", table(("", "documents", "of those read"), rows)]
    return said


def _mixes(subset: Subset) -> list[tuple[str, Counter[str], Counter[str]]]:
    if subset.parts:
        return [(mix.column, mix.came, mix.kept) for mix in gather(subset.parts) if mix.kept]
    known = [column for column in KINDS if column in subset.corpus.schema.names]
    return [(column, Counter(), counts) for column in known if len(counts := _counts(subset, column)) > 1]


def _counts(subset: Subset, column: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in subset.corpus.batches([column]):
        values = pc.fill_null(pc.cast(batch[column], pa.string()), "(none)")
        if column == "url":
            values = pc.utf8_lower(pc.replace_substring_regex(values, HOST, r"\1"))
        found.update({pair["values"]: pair["counts"] for pair in pc.value_counts(values).to_pylist()})
    return found


def _stayed(came: Counter[str], kept: Counter[str], name: str) -> str:
    return f"{kept[name] / came[name]:.1%}" if came[name] else ""


def sources(subset: Subset) -> list[str]:
    """Return the terms of the sources that the data names."""
    said = []
    if dumps := _dumps(subset):
        named = ", ".join(f"{name} {num:,}" for name, num in dumps[:MOST_DUMPS])
        more = f" and {len(dumps) - MOST_DUMPS} more" if len(dumps) > MOST_DUMPS else ""
        said.append(
            f"Pages were crawled by [Common Crawl](https://commoncrawl.org) ({named}{more} documents). Using them is "
            "subject to [Common Crawl's terms of use](https://commoncrawl.org/terms-of-use); the rights in each page "
            "stay with its publisher."
        )
    names = set(subset.corpus.schema.names) | _came_with(subset)
    for columns, title, page in (
        (STACK_V1, "The Stack", "https://huggingface.co/datasets/bigcode/the-stack"),
        (STACK_V2, "The Stack v2", "https://huggingface.co/datasets/bigcode/the-stack-v2"),
    ):
        if columns <= names:
            said.append(
                f"Files are from [{title}]({page}). Its terms of use go with them: keep to the licence of each file, "
                "attribution included, and take out what its authors ask to have removed when a new version does."
            )
    if subset.ran("FetchContents"):
        said.append(
            "Texts were fetched from [Software Heritage](https://www.softwareheritage.org), whose "
            "[principles for language models of code](https://www.softwareheritage.org/2023/10/19/"
            "swh-statement-on-llm-for-code/) ask for open models, named identifiers of what was trained on, and a way "
            "out for authors."
        )
    return said


def _dumps(subset: Subset) -> list[tuple[str, int]]:
    if "dump" not in subset.corpus.schema.names:
        return []
    counts = _counts(subset, "dump")
    return sorted((name, num) for name, num in counts.items() if DUMP.match(name))


def _came_with(subset: Subset) -> set[str]:
    """Return the columns that its first corpus got from the input."""
    if not subset.parts:
        return set()
    first = subset.parts[0]
    given = (read_receipt(first.files("kept")[0]) or {}).get("columns", {})
    return set(first.names) - set(given)
