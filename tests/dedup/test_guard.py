import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.cluster import NONE, Stars
from curate.dedup.guard import WHOLE_CORPUS, Limits, breaches, sources


def decision(survivor: list[int], copy: list[int] = ()) -> Stars:
    n = len(survivor)
    band = np.where(np.isin(np.arange(n), copy), NONE, 0)
    return Stars(np.array(survivor), np.ones(n, dtype=np.float32), band.astype(np.int32), np.isin(np.arange(n), copy))


def ids(n: int) -> pa.Array:
    return pa.array([f"d{i}" for i in range(n)])


def test_a_source_that_loses_too_much_is_named_with_its_largest_survivor():
    survivor = [NONE, 0, 0, 0, NONE, NONE, NONE, NONE, NONE, NONE]
    origin = pa.array(["spam.example"] * 4 + ["good.example"] * 6)
    (found,) = breaches(decision(survivor), ids(10), origin, Limits(0.5, min_source_docs=4))
    assert (found.name, found.example) == ("spam.example", 0)
    assert found.message == "spam.example would lose 3 of its 4 documents"


@pytest.mark.parametrize(
    "limits",
    [Limits(0.75, 4), Limits(0.5, 5), Limits(0.5, 4, allow=("spam.example",))],
)
def test_a_source_within_the_share_or_small_or_allowed_passes(limits):
    survivor = [NONE, 0, 0, 0, NONE, NONE, NONE, NONE, NONE, NONE]
    origin = pa.array(["spam.example"] * 4 + ["good.example"] * 6)
    assert breaches(decision(survivor), ids(10), origin, limits) == []


def test_the_whole_corpus_is_a_source_and_documents_of_unknown_source_are_not_one():
    found = breaches(decision([NONE, 0, 0, 0]), ids(4), pa.array([""] * 4), Limits(0.5, 4))
    assert [breach.name for breach in found] == [WHOLE_CORPUS]


def test_a_cluster_counts_different_texts_only_and_is_allowed_by_its_survivors_id():
    near, copies = decision([NONE, 0, 0, 0]), decision([NONE, 0, 0, 0], copy=[2, 3])
    origin = pa.array(["", "", "", ""])
    (found,) = breaches(near, ids(4), origin, Limits(1.0, max_cluster=2))
    assert (found.name, found.message) == ("d0", "d0 would stand for 3 different texts")
    assert breaches(copies, ids(4), origin, Limits(1.0, max_cluster=2)) == []
    assert breaches(near, ids(4), origin, Limits(1.0, max_cluster=2, allow=("d0",))) == []


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://WWW.Example.org:8080/a?b", "www.example.org"),
        ("http://user:pw@example.org", "example.org"),
        ("example.org/x", ""),
        (None, ""),
    ],
)
def test_the_source_of_a_page_is_the_host_of_its_url(url, host):
    batch = pa.record_batch({"url": pa.array([url], pa.string()), "dump": ["CC-1"]})
    assert sources(batch).to_pylist() == [host]


def test_the_source_of_a_file_is_its_repository_and_a_corpus_may_have_none():
    assert sources(pa.record_batch({"repo_name": ["a/b"], "url": ["http://c"]})).to_pylist() == ["a/b"]
    assert sources(pa.record_batch({"text": ["x", "y"]})).to_pylist() == ["", ""]
