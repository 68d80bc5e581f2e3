import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from curate.ledger.bloom import has_filter, may_hold, xxh64
from curate.writer import ShardWriter

NUM_ROWS = 10_000  # three row groups


@given(st.binary(max_size=200))
def test_the_hash_is_xxh64(data: bytes) -> None:
    assert xxh64(data) == xxhash.xxh64_intdigest(data)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random ids, as a crawl's, which no order or statistics help to find."""
    folder = tmp_path_factory.mktemp("bloom")
    ids = [str(uuid.UUID(int=i * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for i in range(NUM_ROWS)]
    batch = pa.RecordBatch.from_pydict({"id": ids, "number": list(range(NUM_ROWS))})
    with ShardWriter(folder, "00000", batch.schema) as writer:
        for start in range(0, NUM_ROWS, 512):
            writer.write(batch.slice(start, 512))
        writer.commit({})
    return folder / "00000.parquet"


def groups(path: Path, value: str, column: str = "id") -> list[int]:
    with path.open("rb") as file:
        return may_hold(pq.read_metadata(path), file, column, value)


def test_every_id_is_found_in_its_row_group_and_hardly_ever_in_another(shard: Path) -> None:
    found = [groups(shard, i) for i in pq.read_table(shard)["id"].to_pylist()[::100]]
    assert all(at * 100 // 4096 in where for at, where in enumerate(found))
    assert sum(map(len, found)) <= 105  # 100 of them are right


def test_an_id_that_is_not_there_is_in_no_row_group(shard: Path) -> None:
    absent = [groups(shard, str(uuid.UUID(int=i << 90))) for i in range(100)]
    assert sum(map(len, absent)) <= 5


def test_a_file_of_another_writer_may_hold_it_where_its_statistics_allow(tmp_path: Path) -> None:
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"id": [f"{i:05}" for i in range(3000)]}), path, row_group_size=1000)
    assert not has_filter(pq.read_metadata(path), "id")
    assert groups(path, "01500") == [1]
    assert groups(path, "9") == []


def test_a_column_of_numbers_may_hold_anything(shard: Path) -> None:
    assert groups(shard, "3", "number") == [0, 1, 2]
    assert groups(shard, "3", "absent") == []
