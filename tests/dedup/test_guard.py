import pyarrow as pa
import pytest

from curate.dedup.guard import WHOLE_CORPUS, Limits, cluster_breaches, source_breaches, sources


def losses(*rows: tuple[str, int, int]) -> pa.Table:
    return pa.table(dict(zip(("source", "total", "lost"), map(list, zip(*rows, strict=True)), strict=True)))


SPAM = losses(("spam.example", 4, 3), ("good.example", 6, 0))


def test_a_source_that_loses_too_much_is_named():
    (found,) = source_breaches(SPAM, Limits(0.5, min_source_docs=4))
    assert found.name == "spam.example"
    assert found.message == "spam.example would lose 3 of its 4 documents"


@pytest.mark.parametrize("limits", [Limits(0.75, 4), Limits(0.5, 5), Limits(0.5, 4, allow=("spam.example",))])
def test_a_source_within_the_share_or_small_or_allowed_passes(limits):
    assert source_breaches(SPAM, limits) == []


def test_the_whole_corpus_is_a_source_and_documents_of_unknown_source_are_not_one():
    found = source_breaches(losses(("", 4, 3)), Limits(0.5, 4))
    assert [breach.name for breach in found] == [WHOLE_CORPUS]


def test_the_largest_loss_is_told_first():
    found = source_breaches(losses(("a", 10, 9), ("b", 20, 19)), Limits(0.5, 4))
    assert [breach.name for breach in found] == [WHOLE_CORPUS, "b", "a"]


def test_a_cluster_is_allowed_by_its_survivors_id():
    clusters = [("d0", 3), ("d1", 2), ("d2", 7)]
    found = cluster_breaches(clusters, Limits(1.0, max_cluster=2))
    assert [breach.name for breach in found] == ["d2", "d0"]
    assert found[1].message == "d0 would stand for 3 different texts"
    assert cluster_breaches(clusters, Limits(1.0, max_cluster=2, allow=("d0", "d2"))) == []


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
