"""Which pieces are rehearsed: from everywhere, by a seed, and never more than is needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.corpus import Corpus, Split, read_split, write_corpus
from curate.document import WEB, Batch
from curate.plan.draw import LEAST, choose, draw, finer, windows
from curate.readers.chosen import Chosen
from curate.readers.jsonl import Jsonl


@dataclass(frozen=True)
class Files:
    """A source of whole files, as WARC is."""

    sizes: tuple[int, ...]

    @property
    def schema(self) -> pa.Schema:
        return WEB

    def splits(self) -> list[Split]:
        return [Split(f"{at:03}", f"{at:03}", 0, -1, None, size) for at, size in enumerate(self.sizes)]

    def read(self, split: Split) -> Iterator[Batch]:
        yield from ()


def numbers(pieces: tuple[Split, ...]) -> list[int]:
    return sorted(int(piece.name) for piece in pieces)


def test_a_tenth_of_a_hundred_files_is_five_of_each_half() -> None:
    drawn = draw(Files((1000,) * 100), share=0.1, seed=3)
    assert [at // 50 for at in numbers(drawn.pieces)] == [0] * 5 + [1] * 5
    assert drawn.share == pytest.approx(0.1)
    assert drawn.num_pieces == len(drawn.splits) == 100


def test_sizes_are_in_the_sample_as_they_are_in_the_whole() -> None:
    drawn = draw(Files((10, 100_000) * 40), share=0.25)
    assert sorted(piece.num_bytes for piece in drawn.pieces) == [10] * 10 + [100_000] * 10


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    source = Files((1000,) * 100)
    one, again, other = (draw(source, share=0.1, seed=seed).pieces for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_eight_pieces_are_taken_however_small_the_share() -> None:
    assert len(draw(Files((1000,) * 100), share=0.001).pieces) == LEAST
    assert len(draw(Files((1000,) * 3), share=0.001).pieces) == 3


@pytest.mark.parametrize(("share", "worth", "whole"), [(0.1, 2**22, True), (0.05, 2**22, False), (0.1, 100, False)])
def test_small_splits_stay_whole_where_a_share_has_eight_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, worth: int, whole: bool
) -> None:
    """Of parts of small splits, the cost of a split itself would be most of the time; of large ones it is nothing."""
    monkeypatch.setattr("curate.plan.draw.WORTH_BYTES", worth)
    batch = pa.record_batch({"text": ["a" * 50] * 200, "id": [str(at) for at in range(200)]})
    for shard in range(80):
        write_corpus(tmp_path / f"{shard:02}", [batch])
    drawn = draw(Corpus(tmp_path), share=share)
    assert (drawn.skips == {}) is whole
    assert len(drawn.pieces) >= LEAST


def test_tiny_pieces_are_not_in_the_sample_and_hold_a_few_rows() -> None:
    drawn = draw(Files((1000,) * 20), share=0.5)
    assert len(drawn.tiny) == 4
    assert not set(numbers(drawn.tiny)) & set(numbers(drawn.pieces))
    assert {piece.limit for piece in drawn.tiny} == {16}
    assert draw(Files((1000,) * 20), share=1.0).tiny == ()


def test_one_large_file_of_lines_is_cut_finer_than_a_run_would(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n' * 1_500_000)  # 21 MB
    drawn = draw(Jsonl(str(tmp_path)), share=0.1)
    assert len(drawn.splits) == 1
    assert drawn.num_pieces == 21  # of 2^20 bytes, the least
    assert len(drawn.pieces) == LEAST
    assert drawn.total_bytes == 21_000_000


def test_parquet_is_cut_by_rows_and_all_windows_together_are_the_whole(tmp_path: Path) -> None:
    rows = pa.record_batch({"text": ["some words"] * 10_000, "id": [str(at) for at in range(10_000)]})
    source = write_corpus(tmp_path, [rows])  # three row groups of at most 4,096 rows, one split
    drawn = draw(source, share=0.1)
    assert drawn.num_pieces == 156  # windows of 64 or 65 rows, of each group as many as it holds
    assert len(drawn.pieces) == 16
    assert {piece.limit for piece in drawn.pieces} <= {64, 65}
    pieces, skips = windows(finer(source, 1).splits(), 1)
    everything = Chosen("", source, tuple(pieces), tuple(skips.items()))
    ids = [row for split in pieces for batch in read_split(everything, split) for row in batch["id"].to_pylist()]
    assert ids == [str(at) for at in range(10_000)]


def test_many_files_are_taken_whole(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for at in range(60):
        write_corpus(folder / f"{at:02}", [pa.record_batch({"text": ["some words"] * 200, "id": ["a"] * 200})])
    assert draw(Corpus(folder), share=0.9).num_pieces == 60
    assert draw(Corpus(folder), share=0.1).num_pieces == 180  # of 66 or 67 rows


def test_a_corpus_tells_its_rows_and_a_limited_run_reads_its_first_splits(tmp_path: Path, pages: pa.Table) -> None:
    parts = (pages.slice(at, 10).to_batches()[0] for at in range(0, 40, 10))
    corpus = write_corpus(tmp_path, parts, shard_rows=10)
    assert draw(corpus, share=0.5).total_rows == 40
    limited = draw(corpus, share=1.0, limit=15)
    assert limited.total_rows == 15
    assert [split.num_rows for split in limited.splits] == [10, 5]
    assert limited.total_bytes == corpus.splits()[0].num_bytes + corpus.splits()[1].num_bytes // 2


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="more than 0, at most 1"):
        draw(Files((1000,)), share=share)


def test_an_input_without_bytes_is_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path, [], schema=WEB)
    with pytest.raises(ValueError, match="no bytes to read"):
        draw(Corpus(tmp_path), share=0.1)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 5))
def test_the_wanted_number_of_different_pieces_is_drawn(sizes: list[int], num: int, seed: int) -> None:
    pieces = Files(tuple(sizes)).splits()
    chosen = choose(pieces, min(num, len(pieces)), seed)
    assert len({piece.name for piece in chosen}) == min(num, len(pieces))


def test_every_piece_has_its_chance() -> None:
    pieces = Files((1000,) * 12).splits()
    met = {piece.name for seed in range(60) for piece in choose(pieces, 4, seed)}
    assert len(met) == 12
