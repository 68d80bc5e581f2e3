import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.checksum import intact
from curate.corpus import Corpus, write_corpus
from curate.parquet import read_receipt


@pytest.fixture
def shard(tmp_path: Path, pages: pa.Table) -> Path:
    write_corpus(tmp_path / "c", pages.to_batches(), receipt={"a": 1})
    return tmp_path / "c/00000.parquet"


def test_a_written_shard_is_intact_and_any_reader_reads_it(shard: Path, pages: pa.Table) -> None:
    assert intact(str(shard)) is True
    assert pq.read_table(shard).equals(pages)
    assert read_receipt(str(shard)) == {"a": 1}


def test_a_flipped_bit_anywhere_is_noticed(shard: Path) -> None:
    before, chance = shard.read_bytes(), random.Random(0)
    undetected = []
    for place in range(len(before)):
        data = bytearray(before)
        data[place] ^= 1 << chance.randrange(8)
        shard.write_bytes(data)
        if intact(str(shard)) is True:
            undetected.append(place)
    assert undetected == []


@pytest.mark.parametrize("size", [0, 3, 8, 200])
def test_a_file_cut_short_is_not_intact(shard: Path, size: int) -> None:
    shard.write_bytes(shard.read_bytes()[:size])
    assert intact(str(shard)) is not True


def test_a_file_of_somebody_else_has_no_seal(tmp_path: Path, pages: pa.Table) -> None:
    pq.write_table(pages, tmp_path / "theirs.parquet")
    assert intact(str(tmp_path / "theirs.parquet")) is None


def test_the_same_rows_give_the_same_bytes(shard: Path, tmp_path: Path, pages: pa.Table) -> None:
    again = write_corpus(tmp_path / "again", pages.to_batches(), receipt={"a": 1})
    assert Path(again.files[0]).read_bytes() == shard.read_bytes()
    assert Corpus(tmp_path / "again").num_rows == pages.num_rows
