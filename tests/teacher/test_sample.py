import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import QUARANTINED
from curate.teacher.sample import draw


def corpus(folder, ids, **columns):
    table = pa.table({"text": [f"text of {i}" for i in ids], "id": ids, **columns})
    return write_corpus(folder, table.to_batches(max_chunksize=7), shard_rows=14)


def test_the_sample_is_the_same_for_any_order_and_number_of_shards(tmp_path):
    ids = [f"id{i}" for i in range(100)]
    forward = draw(corpus(tmp_path / "a", ids), 20, seed=0)
    backward = draw(corpus(tmp_path / "b", ids[::-1]), 20, seed=0)
    assert forward == backward
    assert all(document.text == f"text of {document.id}" for document in forward)


def test_a_larger_sample_begins_with_the_smaller_one_and_another_seed_draws_another(tmp_path):
    source = corpus(tmp_path / "a", [f"id{i}" for i in range(100)])
    assert draw(source, 50, seed=0)[:20] == draw(source, 20, seed=0)
    assert draw(source, 50, seed=1) != draw(source, 50, seed=0)
    assert len(draw(source, 1000, seed=0)) == 100


def test_every_document_is_drawn_about_equally_often(tmp_path):
    source = corpus(tmp_path / "a", [f"id{i}" for i in range(20)])
    times = {f"id{i}": 0 for i in range(20)}
    for seed in range(400):
        for document in draw(source, 5, seed):
            times[document.id] += 1
    assert 70 < min(times.values()) <= max(times.values()) < 130  # binomial(400, 1/4): 100 +- 3.5 standard deviations


def test_rows_without_a_text_poison_records_and_repeated_ids_are_not_drawn(tmp_path):
    table = pa.table(
        {
            "text": ["one", None, " \n", "poison", "one again", "two"],
            "id": ["1", "2", "3", "4", "1", "5"],
            QUARANTINED: pa.array([None, None, None, "truncated gzip", None, None], pa.string()),
        }
    )
    drawn = draw(write_corpus(tmp_path / "a", table.to_batches()), 10, seed=0)
    assert sorted((document.id, document.text) for document in drawn) == [("1", "one"), ("5", "two")]


def test_a_source_that_cannot_be_graded_says_why(tmp_path):
    bare = write_corpus(tmp_path / "a", pa.table({"content": ["x"], "id": ["1"]}).to_batches())
    with pytest.raises(ValueError, match=r"no column 'text' to grade; it has \['content', 'id'\]"):
        draw(bare, 1, seed=0)
    write_corpus(tmp_path / "b", pa.table({"text": [""], "id": ["1"]}).to_batches())
    with pytest.raises(ValueError, match="no row with a text"):
        draw(Corpus(tmp_path / "b"), 1, seed=0)
