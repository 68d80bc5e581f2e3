"""What was taken out of a corpus, and what was replaced in it: copies, benchmarks, secrets, addresses, bad records."""

import posixpath
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curate.decontaminate.decontaminate import FOLDER as BENCHMARKS
from curate.decontaminate.evidence import HITS
from curate.ledger.markdown import table, words
from curate.parquet import read_receipt
from curate.publish.subset import Subset
from curate.report.view import Part
from curate.storage import find, open_binary

SIZE = "minhash_cluster_size"
SIZES = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 100), (101, 10**12))
MOST_REASONS = 12


def copies(subset: Subset) -> list[str]:
    """Return the paragraphs about near-duplicates; none where none were looked for."""
    said: list[str] = []
    for part in subset.parts:
        reasons = {rule: n for rule, n in part.tally.broken.items() if rule.startswith("dedup.")}
        whole = _dedup_receipt(part)
        if not reasons and whole is None:
            continue
        rows = [(f"`{reason}`", f"{n:,}") for reason, n in sorted(reasons.items())]
        said += (
            [f"In `{part.name}`, of {part.tally.rows_in:,} documents:", table(("removed as", "documents"), rows)]
            if rows
            else [f"In `{part.name}`, of {part.tally.rows_in:,} documents, no copy was found."]
        )
        if whole:
            said.append(
                f"{whole['num_compared']:,} candidate pairs were compared exactly and {whole['num_rejected']:,} of "
                f"them were not alike enough; the largest cluster has {whole['largest_cluster']:,} documents."
            )
    clusters = list(_clusters(subset)) if said else []
    return said + ([table(("copies of a document", "documents here"), clusters)] if clusters else [])


def _dedup_receipt(part: Part) -> dict[str, Any] | None:
    found = (read_receipt(part.files("kept")[0]) or {}).get("dedup")
    return found if isinstance(found, dict) else None


def _clusters(subset: Subset) -> Iterator[tuple[str, str]]:
    if SIZE not in subset.corpus.schema.names:
        return
    sizes: Counter[int] = Counter()
    for batch in subset.corpus.batches([SIZE]):
        for pair in pc.value_counts(batch[SIZE].drop_null()).to_pylist():
            sizes[pair["values"]] += pair["counts"]
    for low, high in SIZES:
        if num := sum(n for size, n in sizes.items() if low <= size <= high):
            yield (f"{low}" if low == high else f"{low} to {high}" if high < 10**12 else f"over {low - 1}"), f"{num:,}"


def benchmarks(subset: Subset) -> list[str]:
    """Return the paragraphs about decontamination; none where nothing was looked for."""
    said: list[str] = []
    for part in subset.parts:
        if not any("Decontaminate(" in step for step in part.recipe.steps):
            continue
        against = _against(part)
        known = (
            f"{len(against)} benchmarks with {sum(against.values()):,} items"
            if against
            else "benchmarks whose list is no longer beside it"
        )
        said.append(f"In `{part.name}`, {part.tally.rows_in:,} documents were held against {known}.")
        left, stays = _hits(part, "dropped"), _hits(part, "kept")
        keys = sorted({*left, *stays}, key=lambda key: (-left[key], -stays[key], key))
        rows = [(words(name), method, f"{left[name, method]:,}", f"{stays[name, method]:,}") for name, method in keys]
        if rows:
            said.append(
                "Documents in which something of a benchmark stands: those that left, and those that stay because it "
                "is below the bound or was cut out."
            )
            said.append(table(("benchmark", "method", "left", "stay"), rows, num_words=2))
        else:
            said.append("Nothing of them was found in any document.")
        if against:
            held = ", ".join(f"{name} {num:,}" for name, num in sorted(against.items()))
            said.append(f"Held against (items): {held}.")
    return said


def _against(part: Part) -> Counter[str]:
    """Return benchmark -> items that documents were held against."""
    items: set[tuple[str, str]] = set()
    folder = f"{part.path}/{BENCHMARKS}"
    for name in (posixpath.basename(file) for file in find(folder)):
        if name.endswith(".jsonl") and name.removesuffix(".jsonl") in " ".join(part.recipe.steps):
            with open_binary(f"{folder}/{name}") as lines:
                rows = map(orjson.loads, lines)
                items |= {(row["benchmark"], row["item"]) for row in rows}
    return Counter(benchmark for benchmark, _ in items)


def _hits(part: Part, fate: str) -> Counter[tuple[str, str]]:
    """Count documents by what of a benchmark, by which method, stands in them."""
    found: Counter[tuple[str, str]] = Counter()
    for batch in part.columns([HITS], fate):
        lists = batch[HITS]
        hits = pc.list_flatten(lists)
        columns = {"row": pc.list_parent_indices(lists)}
        columns |= {name: pc.struct_field(hits, name) for name in ("benchmark", "method")}
        once = pa.table(columns).group_by(["row", "benchmark", "method"]).aggregate([])
        for row in once.to_pylist():
            found[row["benchmark"], row["method"]] += 1
    return found


def replaced(subset: Subset) -> list[str]:
    """Return the paragraphs about secrets and addresses that were replaced in the texts."""
    rows = [
        (f"`{what}`", part.name, f"{num:,}")
        for part in subset.parts
        for what, num in sorted(part.tally.counted.items(), key=lambda each: (-each[1], each[0]))
    ]
    looked = [name for name, stages in PRIVACY.items() if subset.ran(*stages)]
    if not looked:
        return []
    what = "; ".join(looked)
    if not rows:
        return [f"Looked for and replaced: {what}. None was counted."]
    return [f"Looked for and replaced: {what}.", table(("what", "corpus", "found"), rows, num_words=2)]


PRIVACY = {
    "keys, tokens and passwords": ("ReplaceSecrets",),
    "e-mail and public IP addresses": ("ReplaceAddresses",),
}


def quarantine(subset: Subset) -> list[str]:
    """Return the paragraphs about records that could not be read; they are not in the corpus."""
    rows = [
        (words(reason[:200]), part.name, f"{num:,}")
        for part in subset.parts
        for reason, num in sorted(part.tally.quarantined.items(), key=lambda each: (-each[1], each[0]))[:MOST_REASONS]
    ]
    said = "Records that could not be read, or broke a stage, and are not here:"
    return [said, table(("reason", "corpus", "records"), rows, num_words=2)] if rows else []
