import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import QUARANTINED
from curate.teacher.estimate import mean, total
from curate.teacher.sample import draw, hashes
from curate.teacher.strata import parse


def corpus(folder, ids, **columns):
    table = pa.table({"text": [f"text of {i}" for i in ids], "id": ids, **columns})
    return write_corpus(folder, table.to_batches(max_chunksize=7), shard_rows=14)


def drawn(source, n, seed=0, **options):
    with draw(source, n, seed=seed, **options) as sample:
        return list(sample.documents())


def test_the_sample_is_the_same_for_any_order_and_number_of_shards(tmp_path):
    ids = [f"id{i}" for i in range(100)]
    forward = drawn(corpus(tmp_path / "a", ids), 20)
    backward = drawn(corpus(tmp_path / "b", ids[::-1]), 20)
    assert forward == backward
    assert len(forward) == 20
    assert all(document.text == f"text of {document.id}" for document in forward)
    assert {document.weight for document in forward} == {5.0}


def test_the_documents_are_those_with_the_smallest_hashes_in_their_order(tmp_path):
    ids = [f"id{i}" for i in range(100)]
    smallest = [ids[i] for i in np.argsort(hashes(ids, 3))[:20]]
    assert [document.id for document in drawn(corpus(tmp_path / "a", ids), 20, seed=3)] == smallest


def test_a_larger_sample_begins_with_the_smaller_one_and_another_seed_draws_another(tmp_path):
    source = corpus(tmp_path / "a", [f"id{i}" for i in range(100)])
    small, large = ([document.id for document in drawn(source, n)] for n in (20, 50))
    assert large[:20] == small
    assert [document.id for document in drawn(source, 50, seed=1)] != large
    assert len(drawn(source, 1000)) == 100


def test_many_documents_come_in_order_from_many_scratch_files(tmp_path):
    ids = [f"id{i}" for i in range(9000)]
    source = write_corpus(tmp_path / "a", pa.table({"text": ids, "id": ids}).to_batches())
    with draw(source, 9000, seed=0, scratch=tmp_path) as sample:
        assert sample.num_piles > 1
        found = [document.id for document in sample.documents()]
        assert len(list(tmp_path.glob(".sample-*"))) == 1
    assert found == [ids[i] for i in np.argsort(hashes(ids, 0))]
    assert not list(tmp_path.glob(".sample-*"))


def test_each_stratum_gets_its_share_and_each_document_its_weight(tmp_path):
    ids = [f"id{i}" for i in range(200)]
    source = corpus(tmp_path / "a", ids, source=["rare" if i % 50 == 0 else "common" for i in range(200)])
    with draw(source, 24, seed=0, strata=parse("source"), at_least=3) as sample:
        sizes = {name: (stratum.size, stratum.drawn) for name, stratum in sample.strata.items()}
        documents = list(sample.documents())
    assert sizes == {"common": (196, 21), "rare": (4, 3)}
    assert Counter(document.stratum for document in documents) == {"common": 21, "rare": 3}
    assert {document.stratum: document.weight for document in documents} == {"common": 196 / 21, "rare": 4 / 3}
    assert total(np.ones(24), [document.weight for document in documents]) == pytest.approx(200)


def test_a_beginning_of_the_sample_holds_every_stratum_in_proportion(tmp_path):
    ids = [f"id{i}" for i in range(2000)]
    source = corpus(tmp_path / "a", ids, source=["rare" if i % 20 == 0 else "common" for i in range(2000)])
    documents = drawn(source, 200, strata=parse("source"), at_least=50)
    early = Counter(document.stratum for document in documents[:100])
    assert 15 <= early["rare"] <= 35  # a quarter of the sample is rare: hypergeometric, 25 +- 3.1


def test_every_document_is_drawn_about_equally_often_within_its_stratum(tmp_path):
    ids = [f"id{i}" for i in range(24)]
    source = corpus(tmp_path / "a", ids, source=["a" if i < 4 else "b" for i in range(24)])
    times = Counter()
    for seed in range(400):
        times.update(document.id for document in drawn(source, 7, seed=seed, strata=parse("source")))
    # 2 of 4 and 5 of 20 each time; five standard deviations of a binomial either way
    for i, name in enumerate(ids):
        chance = 0.5 if i < 4 else 0.25
        assert abs(times[name] - 400 * chance) < 5 * math.sqrt(400 * chance * (1 - chance))


def test_weighted_estimates_are_unbiased_where_plain_ones_are_not(tmp_path):
    # 60 documents in two strata; the small one has all the value and is drawn four times as often.
    values = np.array([5.0, 1.0, 3.0, 4.0, 0.0, 2.0, 5.0, 4.0, 5.0, 3.0] + [float(i % 2) for i in range(50)])
    ids = [f"id{i}" for i in range(60)]
    source = corpus(tmp_path / "a", ids, source=["good" if i < 10 else "plain" for i in range(60)])
    value_of = dict(zip(ids, values, strict=True))
    weighted, plain, covered, rounds = [], [], 0, 300
    for seed in range(rounds):
        documents = drawn(source, 11, seed=seed, strata=parse("source"), at_least=5)
        y = [value_of[document.id] for document in documents]
        found = mean(y, strata=[document.stratum for document in documents], sizes={"good": 10, "plain": 50})
        assert found.value == pytest.approx(total(y, [document.weight for document in documents]) / 60)
        weighted.append(found.value)
        plain.append(np.mean(y))
        covered += found.low <= values.mean() <= found.high
    # The exact variance of the stratified mean (Cochran 5.6): sum of W^2 (1 - f) S^2 / n, with 5 of 10 and 6 of 50.
    parts = [(10, 5, values[:10]), (50, 6, values[10:])]
    variance = sum((size / 60) ** 2 * (1 - n / size) * np.var(part, ddof=1) / n for size, n, part in parts)
    bound = 5 * math.sqrt(variance / rounds)
    assert abs(np.mean(weighted) - values.mean()) < bound
    assert abs(np.mean(plain) - values.mean()) > bound
    assert np.var(weighted) == pytest.approx(variance, rel=0.4)
    assert covered > 0.85 * rounds  # a normal interval on 11 documents; 95 % only for many


def test_neyman_draws_more_where_the_score_varies(tmp_path):
    ids = [f"id{i}" for i in range(200)]
    scores = [0.0 if i < 100 else float(i % 6) for i in range(200)]
    source = corpus(tmp_path / "a", ids, source=["flat" if i < 100 else "mixed" for i in range(200)], score=scores)
    documents = drawn(source, 30, strata=parse("source"), allocation="neyman")
    assert Counter(document.stratum for document in documents) == {"mixed": 28, "flat": 2}
    with pytest.raises(ValueError, match="needs a cheap score"):
        drawn(corpus(tmp_path / "b", ids), 30, allocation="neyman")


def test_documents_to_leave_out_are_drawn_but_do_not_come_again(tmp_path):
    source = corpus(tmp_path / "a", [f"id{i}" for i in range(100)])
    first = [document.id for document in drawn(source, 20)]
    with draw(source, 30, seed=0, leave_out=np.sort(hashes(first, 0))) as sample:
        rest = [document.id for document in sample.documents()]
        assert sample.num_waiting == 10
    assert not set(rest) & set(first)


def test_rows_without_a_text_poison_records_and_repeated_ids_are_not_drawn(tmp_path):
    table = pa.table(
        {
            "text": ["one", None, " \n", "poison", "one again", "two", ""],
            "id": ["1", "2", "3", "4", "1", "5", "6"],
            QUARANTINED: pa.array([None, None, None, "truncated gzip", None, None, None], pa.string()),
        }
    )
    documents = drawn(write_corpus(tmp_path / "a", table.to_batches()), 10)
    assert sorted((document.id, document.text) for document in documents) == [("1", "one"), ("5", "two")]


def test_a_source_that_cannot_be_graded_says_why(tmp_path):
    bare = write_corpus(tmp_path / "a", pa.table({"content": ["x"], "id": ["1"]}).to_batches())
    with pytest.raises(ValueError, match=r"no column 'text' to grade; it has \['content', 'id'\]"):
        drawn(bare, 1)
    write_corpus(tmp_path / "b", pa.table({"text": [""], "id": ["1"]}).to_batches())
    with pytest.raises(ValueError, match="no row with a text"):
        drawn(Corpus(tmp_path / "b"), 1)
    nameless = write_corpus(tmp_path / "c", pa.table({"text": ["x"], "id": pa.array([None], pa.string())}).to_batches())
    with pytest.raises(ValueError, match="no id"):
        drawn(nameless, 1)
