"""What a run will take before it starts: memory, disk and time, and how the work is cut to hold a bound on memory.

    print(plan(10_000_000, memory=2 * GB, workers=2))

A task works on a block of documents, a range of keys or a strip of ranks, and their numbers are chosen so that no
process takes more than `memory`: a program with its libraries, 21 bytes a document for the arrays of the decision, and
what is left, but at most 4 GB, for one task. A bound that cannot hold is an error here, before any work.

Bytes are counted from the formats; seconds are measured by `benchmarks/dedup_scale.py` (deciding) and
`benchmarks/dedup.py` (text), on one core of a busy 2-core machine. The least certain are how many documents are
compared, 0.8 a document in the benchmark's corpus, and the speed of the disk.
"""

from dataclasses import dataclass

from curate.amounts import duration, size, size_up
from curate.dedup.layout import MOST_DOCUMENTS
from curate.dedup.minhash import FINEWEB, MinHash

MB, GB = 10**6, 10**9
MEMORY = 2 * GB  # of one process, where nothing is declared
BASE_BYTES = 500 * MB  # Python with numpy, pyarrow and numba, compiled, and one split of text being signed
MOST_ROOM, LEAST_ROOM = 4 * GB, 150 * MB  # for one task
ARRAY_BYTES = 21  # a document: survivor, similarity, size, row and rank, 4 each, and a flag
RANKING_BYTES = 300  # a document of a strip: id, score, length and hash, read, joined and sorted
ENTRY_BYTES = 60  # an entry of a range: key and rank, and the copies that sorting makes
BLOCK_BYTES = 4096  # a document of a block: its entries or, where others ask for it, 512 shingles
TEXT_BYTES = 3500  # a document: FineWeb's mean
WORD_BYTES = 6  # of English, its blank included; as many shingles as words

SIGN_S, WRITE_S, READ_S = 1 / 150, 1 / 120, 1 / 400  # a MB of text: to sign; to read and write all; to read it again
INDEX_S = 1 / 50  # a MB of text, read once more, its sets sorted and written
START_S = 1.0  # to load the compiled kernels
DECIDE_S = 18e-6  # a document: ranked, its keys scattered, joined and linked
PAIR_S, NUM_PAIRS = 10e-6, 0.8  # one comparison of 400 shingles with both sets made; comparisons a document
SETTLE_S = 0.5e-6  # a document, in the deciding process


@dataclass(frozen=True)
class Plan:
    """A run on paper. Bytes and seconds are estimates; ranges, strips and block_docs are what the run will use."""

    num_docs: int
    num_indexed: int
    memory: int
    workers: int
    block_docs: int  # documents of one block
    num_ranges: int  # of keys
    num_strips: int  # of ranks
    signature_bytes: int  # of one document, in its signed file, before compression
    index_bytes: int  # of one document that an index keeps
    disk_bytes: int  # of scratch, deleted at the end
    peak_bytes: int  # of memory, all processes of one machine together; they map the same arrays
    seconds: float

    def __str__(self) -> str:
        cut = f"{self.num_ranges} ranges of keys, {self.num_strips} strips of ranks, blocks of {self.block_docs:,}"
        against = f" against {self.num_indexed:,} in the index" if self.num_indexed else ""
        return (
            f"plan: {self.num_docs:,} documents{against}, {self.signature_bytes} bytes each in signatures; at most "
            f"{size(self.peak_bytes)} of memory ({self.workers} at a time, {size(self.memory)} each; {cut}), "
            f"{size(self.disk_bytes)} of scratch on disk, about {duration(self.seconds)}"
        )


def plan(
    num_docs: int,
    *,
    settings: MinHash = FINEWEB,
    memory: int = MEMORY,
    workers: int = 1,
    text_bytes: int | None = None,
    num_indexed: int = 0,
    indexed: bool = False,
    hold: bool = False,
    id_bytes: int = 45,
) -> Plan:
    """Return what deduplicating some documents takes.

    Args:
        num_docs: documents of the corpus; num_indexed: of the index it is held against; indexed: whether it is added to
            one.
        memory: bytes that one process may use.
        workers: tasks at a time.
        text_bytes: of all texts; 3,500 a document where it is not known.
        hold: whether the texts, and what deciding writes, are held in memory.
        id_bytes: mean length of an id.

    Raises:
        ValueError: the bound cannot hold, or there are more documents than 32 bits can number.
    """
    total = num_docs + num_indexed
    if memory <= 0:
        raise ValueError(f"a task cannot work in {memory:,} bytes of memory; allow {size(MEMORY)}, the default")
    if total > MOST_DOCUMENTS:
        raise ValueError(f"{total:,} documents are more than one run can number ({MOST_DOCUMENTS:,}); split the corpus")
    room = min(memory - BASE_BYTES - ARRAY_BYTES * total, MOST_ROOM)
    if room < LEAST_ROOM:
        least = BASE_BYTES + ARRAY_BYTES * total + LEAST_ROOM
        raise ValueError(
            f"{size(memory)} of memory cannot hold {total:,} documents: the program takes {size(BASE_BYTES)}, "
            f"{ARRAY_BYTES} bytes a document are {size(ARRAY_BYTES * total)}, and a task needs {size(LEAST_ROOM)}; "
            f"allow {size_up(least)} or more, or deduplicate the corpus in parts with an index"
        )
    text = TEXT_BYTES * num_docs if text_bytes is None else text_bytes
    entries = num_docs * (settings.bands + 2)
    num_ranges = 1 << max(0, (-(-entries * ENTRY_BYTES // room) - 1).bit_length())
    task = max(entries // num_ranges * ENTRY_BYTES, min(num_docs * BLOCK_BYTES, room))
    signature = _signature(settings, id_bytes)
    shingles = text / max(num_docs, 1) / WORD_BYTES
    scratch = int(num_docs * (_scratch(settings, id_bytes) + 0.1 * 8 * shingles))
    return Plan(
        num_docs=num_docs,
        num_indexed=num_indexed,
        memory=memory,
        workers=workers,
        block_docs=max(1, room // BLOCK_BYTES),
        num_ranges=num_ranges,
        num_strips=max(1, -(-num_docs * RANKING_BYTES // room)),
        signature_bytes=signature,
        index_bytes=int(20 * settings.bands + 48 + id_bytes + 8 * shingles),
        disk_bytes=0 if hold else num_docs * signature + scratch,
        peak_bytes=(text + num_docs * signature + scratch) * hold
        + ARRAY_BYTES * total
        + workers * (BASE_BYTES + task)
        + (BASE_BYTES if workers > 1 else 0),
        seconds=_seconds(num_docs, text / 1e6, workers) + (text / 1e6 * INDEX_S / workers if indexed else 0),
    )


def held_bytes(num_docs: int, text_bytes: int, settings: MinHash, id_bytes: int = 45) -> int:
    """Return what a run keeps in memory that holds its texts, their signatures and what deciding writes."""
    return text_bytes + num_docs * (_signature(settings, id_bytes) + _scratch(settings, id_bytes))


def _signature(settings: MinHash, id_bytes: int) -> int:
    """Return the bytes of a document's signature: keys, hash, numbers and id."""
    return 8 * settings.bands + 16 + 24 + id_bytes


def _scratch(settings: MinHash, id_bytes: int) -> int:
    """Return the bytes a document leaves in the deciding phases, without shingle sets."""
    sorted_, arrays, keys, exact, linked = id_bytes + 36 + 4, 8, 12 * settings.bands, 20, 250
    return sorted_ + arrays + keys + exact + linked


def _seconds(num_docs: int, megabytes: float, workers: int) -> float:
    text = megabytes * (SIGN_S + 2 * READ_S + WRITE_S)
    return START_S + (text + num_docs * (DECIDE_S + NUM_PAIRS * PAIR_S)) / workers + num_docs * SETTLE_S
