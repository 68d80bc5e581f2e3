import re

import pytest

from curate.corpus import write_corpus
from curate.dedup import FINEWEB, MinHash, dedup, plan
from curate.dedup.plan import GB, MB, START_S


def test_bytes_of_signatures_are_counted_from_the_format():
    assert plan(1000, id_bytes=45).signature_bytes == 14 * 8 + 16 + 24 + 45
    assert plan(1000, settings=MinHash(bands=25, rows=10), id_bytes=45).signature_bytes == 25 * 8 + 16 + 24 + 45


def test_work_is_cut_so_that_a_task_holds_its_bound():
    loose, tight = plan(10_000_000, memory=4 * GB), plan(10_000_000, memory=1 * GB)
    assert loose.num_ranges < tight.num_ranges
    assert loose.num_strips < tight.num_strips
    assert loose.block_docs > tight.block_docs
    assert 10_000_000 * 16 / tight.num_ranges * 60 < 1 * GB
    assert tight.peak_bytes <= 1 * GB


def test_memory_and_disk_grow_with_the_documents_only_where_they_must():
    one, ten = plan(1_000_000, memory=2 * GB), plan(10_000_000, memory=2 * GB)
    assert ten.disk_bytes == pytest.approx(10 * one.disk_bytes)
    assert ten.seconds - START_S == pytest.approx(10 * (one.seconds - START_S))
    assert ten.peak_bytes <= 2 * GB


def test_a_bound_that_cannot_hold_is_an_error_before_any_work(tmp_path, documents):
    with pytest.raises(ValueError, match=r"8 GB of memory cannot hold 1,000,000,000 documents.*allow 21\.7 GB"):
        plan(10**9, memory=8 * GB)
    assert plan(10**9, memory=24 * GB, workers=16).num_ranges >= 256
    source = write_corpus(tmp_path / "in", documents(["x", "y"]).to_batches())
    with pytest.raises(ValueError, match="cannot hold 2 documents"):
        dedup(source, tmp_path / "out", memory=100 * MB)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("num_docs", [2, 10**6, 123_456_789, 10**9, 4_249_999_999])
def test_the_memory_that_an_error_asks_for_is_enough(num_docs):
    with pytest.raises(ValueError, match="allow") as error:
        plan(num_docs, memory=100 * MB)
    number, unit = re.findall(r"allow ([\d.]+) (MB|GB) or more", str(error.value))[0]
    assert plan(num_docs, memory=int(float(number) * {"MB": MB, "GB": GB}[unit])).num_docs == num_docs


def test_more_documents_than_32_bits_number_are_refused():
    with pytest.raises(ValueError, match="4,300,000,000 documents are more than one run can number"):
        plan(4_000_000_000, num_indexed=300_000_000, memory=200 * GB)


def test_a_run_is_told_its_plan_before_it_starts_and_reports_its_error(tmp_path, documents):
    source = write_corpus(tmp_path / "in", documents(["x", "y z"]).to_batches())
    told = []
    report = dedup(
        source, tmp_path / "out", on_plan=lambda planned: told.append((planned, (tmp_path / "out").exists()))
    )
    assert told == [(report.plan, False)]
    assert report.plan.num_docs == 2
    assert "planned" in str(report)
    assert "took" in str(report)
    assert dedup(source, tmp_path / "out").plan is None  # found done


def test_the_plan_reads_in_one_line():
    text = str(plan(10_000_000, settings=FINEWEB, memory=2 * GB, workers=2, num_indexed=1000))
    assert "10,000,000 documents against 1,000 in the index" in text
    assert "2 at a time, 2 GB each" in text
    assert "\n" not in text
