"""Our near-duplicate removal beside the peers': one corpus with planted near-copies of known similarity, one run.

    python benchmarks/dedup.py docs.parquet --megabytes 10

Documents of at least 150 words are drawn from the file, and for one in six a near-copy is planted: words replaced by
new ones, five or more apart, until the 5-gram Jaccard similarity is about .95, .9, ... or .5. What it then is exactly
is computed in Python sets. Every tool uses 14 bands of 8 rows of word 5-grams and one thread.

Ours is timed from Parquet to Parquet, verified. Peers are timed from texts in memory to clusters, which flatters them;
only datatrove writes files too. A pair is found if both are in one cluster (ours: one names the other, or both name
the same survivor). A peer that is not installed is named as absent and skipped.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus, write_corpus
from curate.dedup import FINEWEB, dedup
from curate.dedup.minhash import band_keys, signatures

BANDS, ROWS, SIZE = FINEWEB.bands, FINEWEB.rows, FINEWEB.shingle_words
TARGETS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
WORD = re.compile(r"[^\W_]+")
NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
)  # peers do not split these
Pair = tuple[int, int, float]  # two documents and their exact similarity
Clusters = list[int]  # a label for each document


def main() -> None:
    """Print one line per tool: speed, recall by similarity, and pairs joined that should not be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--column", default="text")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--repeats", type=int, default=3, help="of our run; the median counts. Peers run once")
    args = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"  # gaoya and rensa, read when they are imported

    texts, pairs = plant(pq.read_table(args.path, columns=[args.column])[args.column].to_pylist(), args.megabytes)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB, {len(pairs)} planted pairs from {args.path}")
    print(f"{'tool':22} {'seconds':>8} {'MB/s':>7} {'J>=.85':>7} {'J>=.8':>7} {'joined, J<.8':>13} {'J<=.6':>7}")

    texts_array = pa.array(texts)
    batches = [pa.array(texts[i : i + 512]) for i in range(0, len(texts), 512)]
    signatures(texts_array[:2], FINEWEB)  # compiles
    seconds = median(
        [timed(lambda: [band_keys(signatures(b, FINEWEB)[0], FINEWEB) for b in batches])[0] for _ in range(3)]
    )
    print(f"{'curate, signatures':22} {seconds:8.2f} {megabytes / seconds:7.1f}")
    with tempfile.TemporaryDirectory() as folder:
        source = write_corpus(f"{folder}/in", pa.table({"id": ids(len(texts)), "text": texts}).to_batches(512))
        ours(source, f"{folder}/warm")
        runs = [timed(lambda i=i: ours(source, f"{folder}/out{i}")) for i in range(args.repeats)]
        show("curate", median([run[0] for run in runs]), megabytes, runs[0][1], pairs)
        below = removed_below(f"{folder}/out0", texts, 0.8)
        print(f"{'':22} removed rows whose exact similarity to their survivor is below .8: {below}")
    for name in args.peers:
        try:
            seconds, clusters = timed(lambda name=name: PEERS[name](texts))
        except ImportError as error:
            print(f"{name:22} absent: {error}")
            continue
        show(name, seconds, megabytes, clusters, pairs)


def plant(candidates: Iterable[str | None], megabytes: float) -> tuple[list[str], list[Pair]]:
    """Return texts of about `megabytes` in random order, and the planted pairs."""
    random = Random(1)
    fitting = [
        text for text in candidates if text and 150 <= len(WORD.findall(text)) <= 3000 and not NO_SPACES.search(text)
    ]
    random.shuffle(fitting)
    made: list[tuple[str, int | None]] = []  # a text and, for a copy, the place of its original
    size = 0
    for text in fitting:
        if size > megabytes * 1e6:
            break
        made.append((text, None))
        if random.random() < 1 / 6:
            made.append((near_copy(text, random.choice(TARGETS), random), len(made) - 1))
        size += len(text.encode()) * (1 if made[-1][1] is None else 2)
    order = random.sample(range(len(made)), len(made))
    place = {old: new for new, old in enumerate(order)}
    pairs = [
        (place[original], place[copy], jaccard(made[original][0], text))
        for copy, (text, original) in enumerate(made)
        if original is not None
    ]
    return [made[old][0] for old in order], pairs


def near_copy(text: str, target: float, random: Random) -> str:
    """Replace words at least five apart; c of them leave about (s - 5c) / (s + 5c) of s shingles."""
    parts = re.split(r"(\s+)", text)
    words = list(range(0, len(parts), 2))
    count = round(len(words) / 5 * (1 - target) / (1 + target))
    for word in random.sample(words[::5], min(count, len(words) // 5)):
        parts[word] = f"x{random.getrandbits(40):x}"
    return "".join(parts)


def shingles(text: str) -> set[str]:
    words = WORD.findall(text.lower())
    return {" ".join(words[i : i + SIZE]) for i in range(max(1, len(words) - SIZE + 1))}


def jaccard(a: str, b: str) -> float:
    one, two = shingles(a), shingles(b)
    return len(one & two) / len(one | two)


def ids(count: int) -> list[str]:
    return [f"{i:08}" for i in range(count)]


def ours(source: Corpus, out: str) -> Clusters:
    dedup(source, out, max_source_loss=1.0, max_cluster=10**9)
    clusters = list(range(source.num_rows))
    for row in removed(out):
        clusters[int(row["id"])] = int(row["dedup.survivor"])
    return clusters


def removed(out: str) -> list[dict[str, str]]:
    files = sorted(Path(out, "dropped").rglob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def removed_below(out: str, texts: list[str], threshold: float) -> str:
    """Check every removed row against its survivor in Python sets (words as `WORD` has them)."""
    rows = [row for row in removed(out) if row["dropped_by"] == ["dedup.near"]]
    found = [jaccard(texts[int(row["id"])], texts[int(row["dedup.survivor"])]) for row in rows]
    return f"{sum(similarity < threshold - 0.005 for similarity in found)} of {len(rows)}"


def of_datasketch(texts: list[str]) -> Clusters:
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    shingled = [[shingle.encode() for shingle in shingles(text)] for text in texts]
    joined = Joined(len(texts))
    for document, minhash in enumerate(MinHash.bulk(shingled, num_perm=BANDS * ROWS, seed=1)):
        joined.join(document, lsh.query(minhash))
        lsh.insert(document, minhash)
    return joined.labels()


def of_gaoya(texts: list[str]) -> Clusters:
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(32, 0.72, BANDS, ROWS, None, "word", True, (SIZE, SIZE), "smallvec")
    for document, text in enumerate(texts):
        index.insert_document(document, text)
    joined = Joined(len(texts))
    for document, text in enumerate(texts):
        joined.join(document, index.query(text))
    return joined.labels()


def of_rensa(texts: list[str]) -> Clusters:
    from rensa import RMinHash, RMinHashLSH

    lsh = RMinHashLSH(threshold=0.72, num_perm=BANDS * ROWS, num_bands=BANDS)
    joined = Joined(len(texts))
    for document, text in enumerate(texts):
        minhash = RMinHash(num_perm=BANDS * ROWS, seed=1)
        minhash.update(list(shingles(text)))
        joined.join(document, lsh.query(minhash))
        lsh.insert(document, minhash)
    return joined.labels()


def of_datatrove(texts: list[str]) -> Clusters:
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash
    from loguru import logger

    logger.remove()
    config = minhash.MinhashConfig(n_grams=SIZE, num_buckets=BANDS, hashes_per_bucket=ROWS)
    documents = [Document(text, id=name) for name, text in zip(ids(len(texts)), texts, strict=True)]
    joined = Joined(len(texts))
    with tempfile.TemporaryDirectory() as folder:
        signed, bucketed, removal = (f"{folder}/{step}" for step in ("signed", "bucketed", "removal"))
        minhash.MinhashDedupSignature(signed, config).run(iter(documents), 0, 1)
        for band in range(BANDS):
            minhash.MinhashDedupBuckets(signed, bucketed, config=config).run(None, band, BANDS)
        minhash.MinhashDedupCluster(bucketed, removal, config, save_cluster_id=True).run(None, 0, 1)
        first: dict[str, int] = {}
        removing = minhash.MinhashDedupFilter(removal, load_cluster_ids=True, exclusion_writer=Collect(first, joined))
        for document in removing.run(iter(documents), 0, 1):
            cluster = document.metadata.get("minhash_cluster_id")
            if cluster not in (None, -1):
                joined.join(int(document.id), [first.setdefault(cluster, int(document.id))])
    return joined.labels()


class Collect:
    """What datatrove's filter writes dropped documents to: joins them to their cluster."""

    def __init__(self, first: dict[str, int], joined: "Joined") -> None:
        self.first, self.joined = first, joined

    def __enter__(self) -> "Collect":
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, document: object, rank: int) -> None:
        place = int(document.id)
        self.joined.join(place, [self.first.setdefault(document.metadata["minhash_cluster_id"], place)])


class Joined:
    """Clusters by union-find, as the peers' users make them."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def root(self, document: int) -> int:
        while self.parent[document] != document:
            self.parent[document] = self.parent[self.parent[document]]
            document = self.parent[document]
        return document

    def join(self, document: int, others: Iterable[int]) -> None:
        for other in others:
            self.parent[self.root(document)] = self.root(other)

    def labels(self) -> Clusters:
        return [self.root(document) for document in range(len(self.parent))]


PEERS: dict[str, Callable[[list[str]], Clusters]] = {
    "datasketch": of_datasketch,
    "gaoya": of_gaoya,
    "rensa": of_rensa,
    "datatrove": of_datatrove,
}


def show(name: str, seconds: float, megabytes: float, clusters: Clusters, pairs: list[Pair]) -> None:
    def share(low: float, high: float) -> str:
        within = [clusters[a] == clusters[b] for a, b, similarity in pairs if low <= similarity <= high]
        return f"{sum(within) / len(within):.3f}" if within else "-"

    wrong = f"{sum(clusters[a] == clusters[b] for a, b, s in pairs if s < 0.8)}/{sum(s < 0.8 for _, _, s in pairs)}"
    row = f"{name:22} {seconds:8.2f} {megabytes / seconds:7.2f} {share(0.85, 1):>7} {share(0.8, 1):>7} {wrong:>13}"
    print(f"{row} {share(0, 0.6):>7}")
    sys.stdout.flush()


def timed(work: Callable[[], Clusters]) -> tuple[float, Clusters]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
