"""What a run did and took, from receipts, files and a log that is written here by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.plan.fit import Whole
from curate.plan.measure import measure, with_starts
from curate.plan.numbers import bare_of, numbers_of
from curate.plan.predict import predict
from curate.plan.result import Part
from curate.writer import ShardWriter
from tests.plan.made import drawn_of, shard, split_line, write_log


def test_documents_are_from_receipts_seconds_from_the_log_and_bytes_from_the_files(tmp_path: Path) -> None:
    shard(tmp_path / "1-clean", "a", rows=(100, 40), text=(5000, 2000))
    shard(tmp_path / "1-clean", "b", rows=(50, 20), text=(2500, 1000), quarantined=3)
    lines = [split_line("a", 2.0, worker="h:1"), split_line("b", 1.0, worker="h:1", cpu_seconds=0.75)]
    write_log(tmp_path / "1-clean", lines, seconds=3.5)
    (step,) = measure(str(tmp_path))
    assert (step.name, step.verb, step.seconds, step.tries) == ("1-clean", "run", 3.5, 1)
    assert {what: step.total(what) for what in ("rows_in", "rows_out", "text_in", "text_out", "quarantined")} == {
        "rows_in": 150, "rows_out": 60, "text_in": 7500, "text_out": 3000, "quarantined": 3,
    }  # fmt: skip
    assert step.total("seconds") == 3.0
    assert step.total("cpu_seconds") == 2.75
    assert step.disk == sum(file.stat().st_size for file in (tmp_path / "1-clean").glob("*.parquet"))


def test_steps_come_in_the_order_they_began(tmp_path: Path) -> None:
    for at, name in enumerate(("b", "a")):
        shard(tmp_path / name, "x", rows=(1, 1), text=(1, 1))
        write_log(tmp_path / name, [split_line("x", 1.0)], seconds=1.0, unix=100.0 + at)
    assert [step.name for step in measure(str(tmp_path))] == ["b", "a"]


def test_of_several_tries_the_time_adds_up_and_what_was_found_done_costs_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shard(tmp_path, name, rows=(10, 5), text=(10, 5))
    write_log(tmp_path, [split_line("a", 2.0)], seconds=2.0, unix=1.0)
    write_log(tmp_path, [split_line("a", 0.0) | {"resumed": True}, split_line("b", 3.0)], seconds=3.5, unix=9.0)
    (step,) = measure(str(tmp_path))
    assert (step.name, step.tries, step.seconds, step.total("seconds")) == ("", 2, 5.5, 5.0)


def test_the_first_split_of_a_process_pays_for_loading(tmp_path: Path) -> None:
    """Its first batch took 3.2 s where the others' took 0.2: 3 s are the process's, not the split's."""
    for name in ("a", "b", "c"):
        shard(tmp_path, name, rows=(10, 5), text=(10, 5))
    parts: list[list[Any]] = [["Score", 4.0, 4.0, 10, 10, 3.2]]
    others: list[list[Any]] = [["Score", 1.0, 1.0, 10, 10, 0.2]]
    write_log(tmp_path, [split_line("a", 4.0, parts), split_line("b", 1.0, others), split_line("c", 1.0, others)], 6.0)
    (step,) = measure(str(tmp_path))
    assert [unit.start_seconds for unit in step.units.values()] == pytest.approx([3.0, 0, 0])


def test_a_slower_first_batch_is_not_taken_for_loading(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shard(tmp_path, name, rows=(10, 5), text=(10, 5))
    lines = [
        split_line("a", 1.0, [["Score", 1.0, 1.0, 10, 10, 0.3]]),
        split_line("b", 1.0, [["Score", 1, 1, 10, 10, 0.2]]),
    ]
    write_log(tmp_path, lines, 2.0)
    assert measure(str(tmp_path))[0].total("start_seconds") == 0


def test_a_first_batch_is_held_against_the_others_by_its_bytes(tmp_path: Path) -> None:
    """The largest split comes first: 3 s for 3,000 bytes are no more than the others' 0.1 s for 100."""
    lines = []
    for name, size in (("a", 3000), ("b", 100), ("c", 100)):
        shard(tmp_path, name, rows=(10, 5), text=(size, 50))
        lines.append(split_line(name, size / 1000, [["Score", size / 1000, size / 1000, 10, size, size / 1000]]))
    write_log(tmp_path, lines, 4.0)
    assert measure(str(tmp_path))[0].total("start_seconds") == 0


def test_what_a_process_did_slower_the_first_time_is_its_start(tmp_path: Path) -> None:
    """Two splits took 3 + 2 s, then 2 + 2 s by the same process: 1 s is no split's, and .75 of it was work."""
    for go, first in (("young", 3.0), ("again", 2.0)):
        for name in ("a", "b"):
            shard(tmp_path / go, name, rows=(10, 5), text=(10, 5))
        lines = [split_line("a", first, cpu_seconds=0.75 * first), split_line("b", 2.0, cpu_seconds=1.5)]
        write_log(tmp_path / go, lines, first + 2.0)
    young, again = (measure(str(tmp_path / go)) for go in ("young", "again"))
    (step,) = with_starts(again, young)
    assert step.total("start_seconds") == 1.0
    assert step.total("seconds") - step.total("start_seconds") == 4.0
    assert step.total("cpu_seconds") == pytest.approx(3.75)
    (alone,) = with_starts(measure(str(tmp_path / "again")), [])
    assert (alone.total("start_seconds"), alone.total("seconds")) == (0, 4.0)


def test_where_nobody_looked_inside_splits_are_compared_by_their_bytes(tmp_path: Path) -> None:
    """The first took 9 s for 300 bytes, the others 2 s for 200 and 3 s for 300: 6 s are the process's."""
    lines = []
    for name, seconds, size in (("a", 9.0, 300), ("b", 2.0, 200), ("c", 3.0, 300)):
        shard(tmp_path, name, rows=(10, 5), text=(10, 5))
        lines.append(split_line(name, seconds) | {"bytes": size})
    write_log(tmp_path, lines, 14.0)
    assert [unit.start_seconds for unit in measure(str(tmp_path))[0].units.values()] == pytest.approx([6.0, 0, 0])


def test_small_shards_put_in_place_together_do_not_count_their_wait_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shard(tmp_path, name, rows=(10, 5), text=(10, 5))
    write_log(tmp_path, [split_line("a", 3.0), split_line("b", 1.0)], 2.0)
    (step,) = measure(str(tmp_path))
    assert [unit.seconds for unit in step.units.values()] == [1.5, 0.5]


def test_phases_without_splits_are_told_apart(tmp_path: Path) -> None:
    shard(tmp_path, "a", rows=(10, 8), text=(10, 8))
    lines = [split_line("a", 2.0) | {"phase": "signing"}, split_line("ranking 0", 0.5) | {"phase": "ranking"}]
    ends = [{"event": "phase_end", "at": 1, "phase": "signing", "seconds": 2.0}]
    ends += [{"event": "phase_end", "at": 2, "phase": "ranking", "seconds": 0.6}]
    write_log(tmp_path, lines, 3.0, verb="dedup", more=ends)
    (step,) = measure(str(tmp_path))
    assert step.total("seconds") == 2.0
    assert step.phases == {"ranking": 0.6}


def test_a_folder_without_a_log_still_tells_what_it_holds(tmp_path: Path) -> None:
    shard(tmp_path, "a", rows=(10, 8), text=(10, 8))
    (step,) = measure(str(tmp_path))
    assert (step.total("rows_out"), step.total("seconds"), step.tries) == (8, 0, 0)


def test_a_plan_by_hand(tmp_path: Path) -> None:
    """Two pieces of 100 and 300 bytes and an empty one, of a whole of ten splits and 4,000 bytes.

    A split that holds nothing took 0.5 s. So the pieces' bytes took (2.5 - 0.5) + (6.5 - 0.5) = 8 s, 0.02 s each; the
    whole's take 80 s, and its ten splits 5 s. Of 40 documents in the pieces 10 stay: of the whole's 400, 100.
    """
    for name, seconds, rows in (("a", 2.5, (10, 2)), ("b", 6.5, (30, 8)), ("t", 0.5, (0, 0))):
        shard(tmp_path, name, rows=rows, text=(rows[0] * 10, rows[1] * 10))
        parts = [["Keep", seconds, seconds, rows[0], rows[0] * 10, rows[0] / 100]]
        write_log(tmp_path, [split_line(name, seconds, parts)], seconds)
    drawn = drawn_of({"a": 100, "b": 300}, tiny=["t"], num_splits=10, total_bytes=4000)
    whole = Whole.of([100, 300], None, 4000, None, num_pieces=20)
    steps = measure(str(tmp_path), footers=True)
    values = numbers_of(steps[0], drawn, whole, 0.0).values
    assert values["seconds"][0] == pytest.approx(85)
    assert (values["rows_in"][0], values["rows_out"][0], values["text_out"][0]) == pytest.approx((400, 100, 1000))
    (step,) = predict(steps, str(tmp_path), drawn, whole, (1, 5))
    assert step.wall.value == pytest.approx(85)
    assert step.split_seconds == 0.5
    assert step.rows_out.value == pytest.approx(100)
    # ten equal splits by five workers, none of which is quicker than the half that a fifth of two is
    assert 85 / 5 <= step.walls[5] <= 85 / 5 * 1.5
    assert step.longest == pytest.approx(8.5)


def test_an_empty_split_is_where_the_line_through_small_and_large_ones_begins() -> None:
    """Pieces take 5 s, tiny ones of a fifth of them 1.8 s: 0.8 s for each fifth, and 1 s whatever is in them."""
    assert bare_of([4.0, 6.0], [1.8, 1.7, 9.0], 0.2) == pytest.approx(1.0)
    assert bare_of([4.0, 6.0], [], 0.0) == 0
    assert bare_of([4.0, 6.0], [0.1], 0.2) == 0  # never less than nothing
    assert bare_of([4.0, 6.0], [4.0], 0.8) == 0  # a tiny piece that is none


def test_the_parts_of_a_step_tell_seconds_for_a_mb_and_a_document(tmp_path: Path) -> None:
    shard(tmp_path, "a", rows=(1000, 250), text=(2_000_000, 500_000), stages=("Extract()", "Keep(x)"))
    parts: list[list[Any]] = [
        ["reading", 0.5, 0.5, 1000, 0, 0.1],
        ["Extract", 3.0, 3.0, 1000, 2_000_000, 0.1],
        ["Keep", 0.25, 0.25, 1000, 2_000_000, 0.1],
        ["writing", 0.25, 0.25, 1000, 0, 0.1],
    ]
    write_log(tmp_path, [split_line("a", 4.0, parts)], 4.0)
    drawn = drawn_of({"a": 2_000_000}, tiny=[], num_splits=1, total_bytes=2_000_000)
    whole = Whole.of([2_000_000], None, 2_000_000, None, num_pieces=1)
    (step,) = predict(measure(str(tmp_path), footers=True), str(tmp_path), drawn, whole, (1,))
    assert step.parts == (
        Part("reading", 0.125, 0.0, 0.0005, None),
        Part("Extract", 0.75, 1.5, 0.003, 1.0),
        Part("Keep", 0.0625, 0.125, 0.00025, 0.25),
        Part("writing", 0.0625, 0.0, 0.00025, None),
    )


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_bytes_around_the_rows_are_told_from_the_rows(tmp_path: Path, kind: pa.DataType) -> None:
    for name, count in (("few", 1), ("many", 2000)):
        schema = pa.schema([("text", kind)])
        with ShardWriter(tmp_path, name, schema) as writer:
            writer.write(
                pa.record_batch({"text": pa.array([f"{at * 7919 % 10007} words" for at in range(count)], kind)})
            )
            writer.commit({"tally": {"steps": [["input", count, 9]], "quarantined": {}}, "split": {"name": name}})
    (step,) = measure(str(tmp_path), footers=True)
    few, many = step.units["few"], step.units["many"]
    assert few.around == pytest.approx(many.around, abs=40)
    assert many.disk - many.around > 1000 > few.disk - few.around
