"""First, middle and last chunks, and how their scores are pooled."""

import pickle
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.classify.chunks import Chunked, cut, pool_scores
from curate.document import Batch, int_score, with_columns


@dataclass(frozen=True)
class CountA:
    """A scorer one can follow: the share of the letter a, times five."""

    def __call__(self, batch: Batch) -> Batch:
        scores = np.array([5 * t.count("a") / max(len(t), 1) for t in batch["text"].to_pylist()], np.float32)
        raw = pa.array(scores, pa.float32())
        return with_columns(batch, {"a.score": raw, "score": raw, "int_score": pa.array(int_score(scores), pa.int64())})


#        one chunk, two chunks, three chunks (the first 'b', the middle half 'a', the last 'a'), nothing, null
TEXTS = ["aabb", "bbbbbaaaaa", "bbbb" + "bbbbaaaa" + "aaaa", "", None]
BATCH = pa.RecordBatch.from_pydict({"id": list("vwxyz"), "text": TEXTS})


def test_a_text_is_cut_into_what_is_first_middle_and_last() -> None:
    assert cut(["abc", "abcde", "abcdefgh", "abcdefghi", ""], 4) == (
        ["abc", "abcd", "bcde", "abcd", "efgh", "abcd", "cdef", "fghi", ""],
        pytest.approx([0, 1, 1, 2, 2, 3, 3, 3, 4]),
    )


@given(st.lists(st.text(max_size=60), max_size=5), st.integers(1, 20))
def test_chunks_are_pieces_of_their_text_that_begin_and_end_where_it_does(texts: list[str], chars: int) -> None:
    chunks, owners = cut(texts, chars)
    for row, text in enumerate(texts):
        own = [chunk for chunk, owner in zip(chunks, owners, strict=True) if owner == row]
        assert 1 <= len(own) <= 3
        assert all(len(chunk) <= chars and chunk in text for chunk in own)
        assert text.startswith(own[0])
        assert text.endswith(own[-1])


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("first", [2.5, 0, 0, 0, 0]), ("mean", [2.5, 2.5, 2.5, 0, 0]), ("max", [2.5, 5, 5, 0, 0])],
)
def test_the_score_is_the_pooled_one_and_all_three_are_kept(pool: str, expected: list[float]) -> None:
    chars = {"one": 4, "two": 5, "three": 4}
    rows = [
        Chunked(CountA(), pool=pool, chunk_chars=c)(BATCH.slice(i, 1)) for i, c in enumerate([*chars.values(), 4, 4])
    ]  # type: ignore[arg-type]
    scored = pa.Table.from_batches(rows)
    assert scored["score"].to_pylist() == pytest.approx(expected)
    assert scored["a.score"].equals(scored["score"])
    assert scored[f"a.score_{pool}"].equals(scored["score"])
    assert scored["a.score_first"].to_pylist() == pytest.approx([2.5, 0, 0, 0, 0])
    assert scored["a.score_mean"].to_pylist() == pytest.approx([2.5, 2.5, 2.5, 0, 0])
    assert scored["a.score_max"].to_pylist() == pytest.approx([2.5, 5, 5, 0, 0])
    assert scored["int_score"].to_pylist() == int_score(np.array(expected)).tolist()
    assert scored["text"].to_pylist() == TEXTS


def test_one_chunk_scores_what_the_stage_alone_does() -> None:
    short = BATCH.slice(0, 2)
    assert Chunked(CountA())(short)["score"].equals(CountA()(short)["score"])


def test_an_empty_batch_has_the_columns_of_a_full_one() -> None:
    stage = Chunked(CountA())
    full = stage(BATCH)
    assert stage(BATCH.slice(0, 0)).schema == full.schema
    assert full.schema.names[2:] == ["a.score", "a.score_first", "a.score_mean", "a.score_max", "score", "int_score"]


def test_pooling_by_hand() -> None:
    scores, owners = np.array([1, 4, 1, 3], np.float32), np.array([0, 0, 0, 1])
    assert [pool_scores(scores, owners, 2, pool).tolist() for pool in ("first", "mean", "max")] == [
        [1, 3],
        [2, 3],
        [4, 3],
    ]


def test_the_repr_names_the_stage_inside() -> None:
    assert repr(Chunked(CountA(), pool="max")) == "Chunked(CountA(), pool='max', chunk_chars=4000)"
    assert pickle.loads(pickle.dumps(Chunked(CountA()))) == Chunked(CountA())


def test_a_batch_without_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="no column 'text' to score"):
        Chunked(CountA())(BATCH.select(["id"]))
