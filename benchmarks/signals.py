"""Our text signals beside datatrove's filters: the same documents, one thread, one run.

    python benchmarks/signals.py docs.parquet --documents 150

datatrove runs the four filters of its examples/fineweb.py over each document, in that order and stopping at the first
that drops it, which is its fastest way. Ours measures everything of every document, with nothing to stop for. Then each
filter alone is asked about every document, and the decisions are compared.

Where they differ: our words are nearly, not wholly, spaCy's, which matters to a page that lies on a threshold; and a
line here ends at CR LF too, where datatrove leaves a CR on every line, which then neither ends well nor is empty.
"""

import argparse
import time
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

from curate.signals import c4, fineweb, gopher, repetition
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure, Rule

# In the order, and with the settings, of datatrove's examples/fineweb.py.
FILTERS = {
    "repetition": (GopherRepetitionFilter(), repetition.RULES),
    "gopher": (GopherQualityFilter(), gopher.RULES),
    "c4": (C4QualityFilter(filter_no_terminal_punct=False), c4.RULES),
    "fineweb": (FineWebQualityFilter(), fineweb.RULES),
}
BATCH = 500


def main() -> None:
    """Print speeds, their ratio, and where the decisions differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--documents", type=int, default=150, help="how many, spread over the file")
    parser.add_argument("--column", default="text")
    parser.add_argument("--show", action="store_true", help="print every document on which a filter differs")
    args = parser.parse_args()

    texts = spread(pq.read_table(args.path, columns=[args.column])[args.column].drop_null(), args.documents)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {megabytes:.2f} MB of {args.path}")

    started = time.perf_counter()
    ours("warm", texts[:2], ())
    print(f"first use of our kernels: {time.perf_counter() - started:.1f} s")
    for filter_, _ in FILTERS.values():  # spaCy loads on first use
        filter_.filter(Document("A warm and sunny day. " * 20, id="warm"))

    seconds = {"datatrove": timed(lambda: [chain(text) for text in texts])}
    measure = Measure((TextSignals(),))
    batches = pa.table({"text": texts}).to_batches(max_chunksize=BATCH)
    seconds["curate"] = min(timed(lambda: [measure(batch) for batch in batches]) for _ in range(3))
    for name, spent in seconds.items():
        print(f"{name:10} {megabytes / spent:8.2f} MB/s  {len(texts) / spent:8.0f} documents/s")
    print(f"ratio      {seconds['datatrove'] / seconds['curate']:8.0f}")

    for name, (filter_, rules) in FILTERS.items():
        compare(name, texts, [reason(filter_, text) for text in texts], ours(name, texts, rules), args.show)


def spread(column: pa.ChunkedArray, count: int) -> list[str]:
    """Return `count` texts at equal distances, so that every source in the file has a say."""
    step = max(len(column) // count, 1)
    found: list[str] = column.take(pa.array(range(0, len(column), step))).to_pylist()[:count]
    return found


def chain(text: str) -> bool:
    """Run datatrove's filters until one drops the document."""
    document = Document(text, id="")
    return all(filter_.filter(document) is True for filter_, _ in FILTERS.values())


def reason(filter_: object, text: str) -> str:
    """Return why datatrove drops the document, or nothing."""
    answer = filter_.filter(Document(text, id=""))  # type: ignore[attr-defined]
    return "" if answer is True else answer[1]


def ours(group: str, texts: list[str], rules: tuple[Rule, ...]) -> list[list[str]]:
    """Return the rules each document breaks."""
    signals = TextSignals((group,)) if group in FILTERS else TextSignals()
    batch = Keep(rules)(Measure((signals,))(pa.RecordBatch.from_pydict({"text": texts})))
    return [broken or [] for broken in batch["dropped_by"].to_pylist()]


def compare(name: str, texts: list[str], theirs: list[str], found: list[list[str]], show: bool) -> None:
    """Print the agreement of one filter and the kinds of disagreement."""
    differ = [i for i, (a, b) in enumerate(zip(theirs, found, strict=True)) if bool(a) != bool(b)]
    dropped = sum(map(bool, theirs))
    agreement = 1 - len(differ) / len(texts)
    print(f"\n{name}: agrees on {agreement:.2%}; dropped by datatrove {dropped}, by us {sum(map(bool, found))}")
    kinds = Counter(f"datatrove {theirs[i] or 'keeps'}, we {' '.join(found[i]) or 'keep'}" for i in differ)
    for kind, count in kinds.most_common():
        print(f"  {count:4} {kind}")
    for i in differ if show else ():
        print(f"  document {i}: {texts[i][:200]!r}")


def timed(work: object) -> float:
    """Return the processor seconds `work` takes; unlike the clock's they do not grow when others use the machine."""
    started = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - started


if __name__ == "__main__":
    main()
