"""Which part of the input is rehearsed: random pieces from everywhere, never the first file.

    drawn = draw(source, share=0.02, seed=0)
    drawn.pieces        about 2 % of the input, at least `LEAST` pieces
    drawn.tiny          a few pieces cut to some rows: what a split costs that holds nothing

Splits are cut finer where the source allows it (Parquet by rows, plain JSON lines by bytes, a folder of code by files),
so that a small share is still many pieces: documents that lie together are alike, and many small pieces say more than
few large ones. Small splits are left whole where the share has enough of them, for of parts of them the cost of the
split itself would be most of the time. WARC, archives and compressed lines can only be read whole. The pieces are
sorted by size (powers of four) and, within a size, by the order of the listing, and cut into runs, from each of which a
few are drawn. So every piece has about the same chance, and each size and each part of the listing is in the sample;
two pieces that lie side by side may both be, or copies that lie side by side would never meet.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

from curate.corpus import SPLIT_BYTES, Source, Split, limited

LEAST = 8  # pieces, where there are as many: fewer give no interval to speak of
WANTED = 48  # pieces, where splits can be cut
WORTH_BYTES = 2**22  # of a piece: some tenths of a second of work, some hundredths of a split's own
LEAST_BYTES, LEAST_FILES, LEAST_ROWS = 2**20, 20, 64  # of a piece of JSON lines, of a folder of code, of Parquet
DRAWN_A_RUN = 4
NUM_TINY, TINY_ROWS = 4, 16


@dataclass(frozen=True)
class Drawn:
    """A sample of the input.

    Attributes:
        splits: the whole run's units of work, those of the input as it is.
        pieces: the sample.
        tiny: pieces with a limit of a few rows, from outside of the sample; none where all is in it.
        skips: rows of a piece's split to pass over, by the piece's name.
        num_pieces: how many there are in all.
        total_bytes, total_rows: of the whole; rows are None where counting means reading.
    """

    splits: tuple[Split, ...]
    pieces: tuple[Split, ...]
    tiny: tuple[Split, ...]
    skips: dict[str, int]
    num_pieces: int
    total_bytes: int
    total_rows: int | None

    @property
    def share(self) -> float:
        """Share of the input's bytes that the sample has."""
        return sum(piece.num_bytes for piece in self.pieces) / max(self.total_bytes, 1)


def draw(source: Source, *, share: float, seed: int = 0, limit: int | None = None) -> Drawn:
    """Draw about `share` of a source's bytes.

    Args:
        share: more than 0, at most 1.
        limit: rows that the planned run reads; see `curate.corpus.limited`.

    Raises:
        ValueError: no such share, or nothing to read.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share:g} of the input cannot be rehearsed; say more than 0, at most 1: 0.02")
    splits = [_cut(split) for split in limited(source.splits(), limit)]
    total = sum(split.num_bytes for split in splits)
    if not total:
        raise ValueError("the input has no bytes to read; is it the right folder, and was the step that fills it run?")
    pieces, skips = [split for split in splits if split.num_bytes], dict[str, int]()
    # the first splits of a limited run are read as they are; where splits are many, none need be cut
    enough = WANTED if total * share / WANTED >= WORTH_BYTES else LEAST
    if limit is None and share < 1 and share * len(pieces) < enough:
        smaller = [piece for piece in finer(source, total * share / WANTED).splits() if piece.num_bytes]
        pieces, skips = windows(smaller, total * share / WANTED)
    chosen = choose(pieces, max(math.ceil(share * len(pieces)), min(LEAST, len(pieces))), seed)
    rows = [split.num_rows for split in splits]
    return Drawn(
        splits=tuple(splits),
        pieces=tuple(chosen),
        tiny=_tiny(pieces, chosen, seed),
        skips=skips,
        num_pieces=len(pieces),
        total_bytes=total,
        total_rows=None if None in rows else sum(number for number in rows if number is not None),
    )


def _cut(split: Split) -> Split:
    """Let a limited split say what it will read of what it has."""
    if split.limit is None or not split.num_rows:
        return split
    return replace(split, num_rows=split.limit, num_bytes=split.num_bytes * split.limit // split.num_rows)


def finer(source: Source, piece_bytes: float) -> Source:
    """Return the source with splits of about this size, where its kind allows smaller ones."""
    names: list[str] = [field.name for field in fields(source)] if is_dataclass(source) else []
    if "split_bytes" in names:
        return replace(source, split_bytes=int(min(max(piece_bytes, LEAST_BYTES), SPLIT_BYTES)))  # type: ignore[type-var]
    if "split_files" in names:
        splits = source.splits()
        file_bytes = sum(split.num_bytes for split in splits) / max(sum(split.num_rows or 0 for split in splits), 1)
        files = int(max(piece_bytes / max(file_bytes, 1), LEAST_FILES))
        return replace(source, split_files=min(files, source.split_files))  # type: ignore[type-var, attr-defined]
    return source


def windows(splits: Sequence[Split], piece_bytes: float) -> tuple[list[Split], dict[str, int]]:
    """Cut splits that know their rows into pieces of about this size; return them and the rows that each skips."""
    pieces: list[Split] = []
    skips: dict[str, int] = {}
    for split in splits:
        rows = split.num_rows or 0
        wanted = max(round(rows * piece_bytes / split.num_bytes), LEAST_ROWS)
        parts = max(rows // wanted, 1) if rows else 1
        if parts == 1:
            pieces.append(split)
            continue
        bounds = [rows * at // parts for at in range(parts + 1)]
        for lo, hi in itertools.pairwise(bounds):
            name, size = f"{split.name}.r{lo:06d}", split.num_bytes * (hi - lo) // rows
            pieces.append(replace(split, name=name, num_rows=hi - lo, num_bytes=size, limit=hi - lo))
            skips[name] = lo
    return pieces, skips


def choose(pieces: Sequence[Split], num: int, seed: int) -> list[Split]:
    """Draw `num` pieces, some from each of several runs of the pieces in the order of size and listing."""
    order = sorted(range(len(pieces)), key=lambda at: (int(math.log(max(pieces[at].num_bytes, 1), 4)), at))
    runs = max(num // DRAWN_A_RUN, 1)
    draws = random.Random(seed)
    chosen: list[int] = []
    for run in range(runs):
        lo, hi = (len(order) * at // runs for at in (run, run + 1))
        first, last = (num * at // runs for at in (run, run + 1))
        chosen += draws.sample(order[lo:hi], min(last - first, hi - lo))
    return [pieces[at] for at in chosen]


def _tiny(pieces: Sequence[Split], chosen: Sequence[Split], seed: int) -> tuple[Split, ...]:
    taken = {piece.name for piece in chosen}
    left = [piece for piece in pieces if piece.name not in taken]
    some = random.Random(seed).sample(left, min(NUM_TINY, len(left)))
    return tuple(replace(piece, limit=min(piece.num_rows or TINY_ROWS, TINY_ROWS), num_bytes=1) for piece in some)
