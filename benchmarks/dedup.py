"""Our near-duplicate removal beside the peers: one corpus with planted near-copies of known similarity, one run.

    python benchmarks/dedup.py docs.parquet --megabytes 40 [--code code.parquet]

Documents of at least 150 words are drawn from the file, and for one in six a near-copy is planted: words replaced by
new ones, five or more apart, until the 5-gram Jaccard similarity is about .95, .9, ... or .5. What it then is exactly
is computed in Python sets. Every tool uses 14 bands of 8 rows of word 5-grams on one core (this process and its threads
are bound to it), and reads and writes Parquet: ours as `curate dedup` does, verified, with its evidence; around a peer
there is PyArrow, which reads the texts and writes the rows that stay (one of each cluster) as it writes by default.
"in memory" leaves that out: from texts to clusters. Each peer runs in its quickest mode: gaoya asks its index for each
document and inserts it if nothing is found; text-dedup and datasketch hash with xxhash; datatrove runs its four stages.

A pair is found if both are in one cluster (ours: one names the other, or both name the same survivor). "joined, J<.8"
counts planted pairs below the threshold in one cluster; of ours every removed row is also held against its survivor.
With --code, both our settings over real code in many versions, every removed file held against its survivor in Python
sets of its tokens. A peer that is not installed is named as absent and skipped.
"""

import argparse
import gc
import os
import re
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus, write_corpus
from curate.dedup import FINEWEB, STACK, dedup
from curate.dedup.minhash import band_keys, signatures

BANDS, ROWS, SIZE = FINEWEB.bands, FINEWEB.rows, FINEWEB.shingle_words
TARGETS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
WORD = re.compile(r"[^\W_]+")
NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U00033479]"
)  # scripts without spaces: one word a character here, which peers do not do, so they are left out of the race
NO_LIMIT = {"max_source_loss": 1.0, "max_cluster": 10**9}
Pair = tuple[int, int, float]  # two documents and their exact similarity
Clusters = list[int]  # a label for each document


def main() -> None:
    """Print one line per tool: speed, recall by similarity, and pairs joined that should not be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--column", default="text")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--repeats", type=int, default=5, help="of our run and of quick peers; the median counts")
    parser.add_argument("--cpu", action="store_true", help="count processor seconds: for a machine that others use too")
    parser.add_argument("--code", help="a Parquet file of programs with a column text")
    args = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"  # gaoya and rensa, read when they are imported
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if args.cpu:
        timed.clock = time.process_time
    documents = pq.read_table(args.path, columns=[args.column])[args.column].to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        compare(documents, args.megabytes, args.peers, folder, args.repeats)
        if args.code:
            on_code(args.code, f"{folder}/code")


def compare(documents: list[str | None], megabytes: float, peers: list[str], folder: str, repeats: int) -> None:
    """Print one table: ours and some peers on `megabytes` of the documents."""
    texts, pairs = plant(documents, megabytes)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    table = pa.table({"id": ids(len(texts)), "text": texts})
    source = write_corpus(f"{folder}/in", table.to_batches(512))
    print(f"\n{len(texts):,} documents, {megabytes:.1f} MB, {len(pairs)} planted pairs, one core")
    print(f"{'':22} {'Parquet to Parquet':>28} {'in memory':>10}   {'recall':>13} {'joined':>9} {'also':>7}")
    print(
        f"{'tool':22} {'seconds':>8} {'MB/s':>9} {'ours is':>9} {'MB/s':>10}   "
        f"{'J>=.85':>6} {'J>=.8':>6} {'J<.8':>9} {'J<=.6':>7}"
    )
    batches = [pa.array(texts[i : i + 512]) for i in range(0, len(texts), 512)]
    sign = lambda: [band_keys(signatures(batch, FINEWEB)[0], FINEWEB) for batch in batches]  # noqa: E731
    sign()  # compiles
    print(f"{'curate, signatures':22} {'':28} {megabytes / median([timed(sign)[0] for _ in range(5)]):10.1f}")
    ours(source, f"{folder}/warm")
    mine: list[float] = []
    theirs: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    clusters: dict[str, Clusters] = {}
    for turn in range(repeats):  # by turns, so that a busy moment of the machine meets all
        seconds, found = timed(lambda turn=turn: ours(source, f"{folder}/out{turn}"))
        mine.append(seconds)
        for name in [name for name in peers if turn == 0 or name not in SLOW]:
            try:
                seconds, (within, clusters[name]) = timed(lambda name=name: around(PEERS[name], source, folder))
                theirs[name].append((seconds, within))
            except ImportError as error:
                print(f"{name:22} absent: {error}")
                peers = [other for other in peers if other != name]
    show("curate", median(mine), None, median(mine), megabytes, found, pairs)
    print(f"{'':22} removed rows below .8 of their survivor: {removed_below(f'{folder}/out0', texts, 0.8)}")
    for name in peers:
        seconds, within = (median(list(times)) for times in zip(*theirs[name], strict=True))
        show(name, seconds, within, median(mine), megabytes, clusters[name], pairs)


def around(peer: Callable[[list[str]], Clusters], source: Corpus, folder: str) -> tuple[float, Clusters]:
    """Read the texts, let a peer cluster them, and write one row of each cluster; return its own seconds too."""
    table = pq.read_table(source.files, use_threads=False)
    seconds, clusters = timed(lambda: peer(table["text"].to_pylist()))
    _, first = np.unique(clusters, return_index=True)
    pq.write_table(table.take(pa.array(np.sort(first))), f"{folder}/peer.parquet")
    return seconds, clusters


def on_code(path: str, folder: str) -> None:
    """Print, for both settings, what leaves a corpus of programs, and how much of it leaves wrongly."""
    table = pq.read_table(path, columns=["text"])
    texts = table["text"].to_pylist()
    source = write_corpus(f"{folder}/in", table.append_column("id", pa.array(ids(len(texts)))).to_batches(512))
    megabytes = sum(len(text.encode()) for text in texts if text) / 1e6
    print(f"\n{len(texts):,} programs, {megabytes:.1f} MB")
    for name, settings, tokens in (("FINEWEB", FINEWEB, WORDS), ("STACK", STACK, IDENTIFIERS)):
        out = f"{folder}/{name}"
        seconds, report = timed(lambda out=out, s=settings: dedup(source, out, settings=s, **NO_LIMIT))
        rows = removed(out)
        near = [row for row in rows if row["dropped_by"] == ["dedup.near"]]
        exact = [row for row in rows if row["dropped_by"] == ["dedup.exact"]]
        pairs = [(texts[int(row["id"])] or "", texts[int(row["dedup.survivor"])] or "") for row in near]
        found = [jaccard(a, b, tokens) for a, b in pairs]
        right = sum(similarity >= settings.threshold - 1e-6 for similarity in found)
        told = sum(abs(s - float(row["dedup.similarity"])) < 1e-5 for s, row in zip(found, near, strict=True))
        same = sum(
            (texts[int(row["id"])] or "").split() == (texts[int(row["dedup.survivor"])] or "").split() for row in exact
        )
        print(
            f"{name}: {megabytes / seconds:.1f} MB/s, {report.num_kept:,} stay\n"
            f"  {len(near):,} near-duplicates left, {right:,} of them with an exact Jaccard of {settings.threshold} or "
            f"more to their survivor (least {min(found, default=1):.4f}; told to five digits: {told:,})\n"
            f"  {len(exact):,} exact duplicates left, {same:,} of them equal but for white space"
        )


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


class Spaced(dict[int, str]):
    """For `str.translate`: each code point as it counts in a word, and blanks for what does not."""

    def __init__(self, also: str, lower: bool) -> None:
        self.also, self.lower = also, lower

    def __missing__(self, code_point: int) -> str:
        char = chr(code_point)
        letter = unicodedata.category(char)[0] in "LNM" or char in self.also
        alone = self.lower and letter and NO_SPACES.match(char)
        found = f" {char} " if alone else char if letter else " "
        self[code_point] = found.lower() if self.lower and char.isascii() else found
        return self[code_point]


WORDS, IDENTIFIERS = Spaced(also="", lower=True), Spaced(also="_", lower=False)


def shingles(text: str, tokens: Spaced = WORDS) -> set[str]:
    words = text.translate(tokens).split()
    return {" ".join(words[i : i + SIZE]) for i in range(max(1, len(words) - SIZE + 1))}


def jaccard(a: str, b: str, tokens: Spaced = WORDS) -> float:
    one, two = shingles(a, tokens), shingles(b, tokens)
    return len(one & two) / len(one | two)


def ids(count: int) -> list[str]:
    return [f"{i:08}" for i in range(count)]


def ours(source: Corpus, out: str) -> Clusters:
    report = dedup(source, out, **NO_LIMIT)
    clusters = list(range(report.num_rows))
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
    joined = Joined(len(texts))
    for document, text in enumerate(texts):  # quicker than inserting all and asking for all: measured
        found = index.query(text)
        joined.join(document, found)
        if not found:
            index.insert_document(document, text)
    return joined.labels()


def of_text_dedup(texts: list[str]) -> Clusters:
    """Its fingerprints and tables as its `main` makes them, without the copies that `datasets` keeps on disk."""
    from text_dedup.minhash import RNG, SIGNATURE_COLUMN, embed_func, xxh3_32hash

    prime, most = np.uint32(2**32 - 5), np.uint32(2**32 - 1)
    draw = [RNG.randint(low, prime, size=(BANDS * ROWS,), dtype=np.uint32) for low in (1, 0)]
    ranges = [(band * ROWS, (band + 1) * ROWS) for band in range(BANDS)]
    tables: list[dict[bytes, int]] = [{} for _ in range(BANDS)]
    joined = Joined(len(texts))
    for document, text in enumerate(texts):
        made = embed_func(
            text,
            document,
            num_perm=BANDS * ROWS,
            ngram_size=SIZE,
            min_length=SIZE,
            hashranges=ranges,
            permutations=(draw[0], draw[1]),
            hash_func=xxh3_32hash,
            dtype=np.uint32,
            max_hash=most,
            modulo_prime=prime,
        )
        for table, band in zip(tables, made[SIGNATURE_COLUMN], strict=True):
            joined.join(document, [table.setdefault(band, document)])
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
    "text-dedup": of_text_dedup,
    "datatrove": of_datatrove,
}
SLOW = {"datasketch", "text-dedup", "datatrove"}


def show(
    name: str,
    seconds: float,
    within: float | None,
    mine: float,
    megabytes: float,
    clusters: Clusters,
    pairs: list[Pair],
) -> None:
    def share(low: float, high: float) -> str:
        together = [clusters[a] == clusters[b] for a, b, similarity in pairs if low <= similarity <= high]
        return f"{sum(together) / len(together):.3f}" if together else "-"

    below = [clusters[a] == clusters[b] for a, b, similarity in pairs if similarity < 0.8]
    memory = "" if within is None else f"{megabytes / within:.2f}"
    ratio = "" if within is None else f"{seconds / mine:.1f} x"
    row = f"{name:22} {seconds:8.2f} {megabytes / seconds:9.2f} {ratio:>9} {memory:>10}   "
    print(f"{row}{share(0.85, 1):>6} {share(0.8, 1):>6} {f'{sum(below)}/{len(below)}':>9} {share(0, 0.6):>7}")
    sys.stdout.flush()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()  # nobody sweeps what the tool before left behind
    start = timed.clock()
    result = work()
    return timed.clock() - start, result


timed.clock = time.perf_counter


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
