import json
import shutil

import numpy as np
import pytest

from curate.tokenizer.tokens import Tokens
from curate.train.data import Mixture, Phase
from curate.train.order import permute

from .conftest import write_tokens


@pytest.fixture(scope="module")
def three_folders(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("three")
    return [write_tokens(folder, name, [f"{name} says {n}." * 9 for n in range(30)]) for name in ("a", "b", "c")]


def mixture(folders, weights=(3.0, 1.0), **changes) -> Mixture:
    settings = {"seq_len": 16, "batch_windows": 8, "seed": 5} | changes
    return Mixture(dict(zip(folders.values(), weights, strict=True)), **settings)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 100, 1000])
def test_permute_is_a_permutation(size):
    image = permute(np.arange(size), size, (0, 1, 2))
    assert sorted(image.tolist()) == list(range(size))


def test_permute_shuffles_and_depends_on_its_key():
    image = permute(np.arange(10_000), 10_000, (0, 0, 0))
    assert abs(np.corrcoef(image, np.arange(10_000))[0, 1]) < 0.05
    assert np.mean(image == permute(np.arange(10_000), 10_000, (0, 0, 1))) < 0.01


@pytest.mark.parametrize("world_size", [2, 4])
def test_any_number_of_ranks_sees_the_same_global_batch(token_folders, world_size):
    mix = mixture(token_folders)
    for step in (0, 7, 123_456_789):
        parts = [mix.batch_at(step, rank, world_size) for rank in range(world_size)]
        assert np.array_equal(np.concatenate(parts), mix.batch_at(step))


def test_a_batch_follows_from_the_step_alone(token_folders):
    in_order = [mixture(token_folders).batch_at(step) for step in range(5)]
    fresh = mixture(token_folders)
    for step in (4, 0, 3):
        assert np.array_equal(fresh.batch_at(step), in_order[step])
    assert not np.array_equal(mixture(token_folders, seed=6).batch_at(0), in_order[0])


def test_every_window_comes_once_before_any_comes_twice(token_folders):
    mix = mixture(token_folders)
    corpus, start = mix.locate(np.arange(4000))
    for number, count in enumerate(mix.num_windows):
        drawn = start[corpus == number]
        assert len(drawn) >= 2 * count
        for epoch in range(2):
            assert len(set(drawn[epoch * count : (epoch + 1) * count].tolist())) == count
        assert drawn[:count].tolist() != drawn[count : 2 * count].tolist()


def test_shares_are_exact_at_any_point(three_folders):
    weights = dict(zip(three_folders, (0.7, 0.2, 0.1), strict=True))
    corpus, _ = Mixture(weights, seq_len=16, batch_windows=4, seed=0).locate(np.arange(5000))
    for number, weight in enumerate(weights.values()):
        counts = np.cumsum(corpus == number)
        assert np.abs(counts - weight * np.arange(1, 5001)).max() < 2.5


@pytest.mark.parametrize("seq_len", [16, 37])
def test_every_token_is_a_target_once_before_any_is_one_again(token_folders, seq_len):
    tokens = Tokens(token_folders["sums"])
    mix = Mixture({token_folders["sums"]: 1.0}, seq_len=seq_len, batch_windows=1, seed=0)
    assert tokens.num_tokens % seq_len, "the end of the corpus must not fall on a window's"
    times = np.zeros(tokens.num_tokens, dtype=int)
    for epoch in range(5):
        for step in range(epoch * mix.num_windows[0], (epoch + 1) * mix.num_windows[0]):
            _, (start,) = mix.locate(np.array([step]))
            targets = np.arange(start + 1, start + 1 + seq_len) % tokens.num_tokens
            assert np.array_equal(mix.batch_at(step)[0, 1:], tokens.read(0, tokens.num_tokens)[targets])
            times[targets] += 1
        assert times.max() - times.min() <= 1
    assert times.sum() == 5 * mix.num_windows[0] * seq_len


def test_the_first_document_is_opened_by_the_end_mark_of_the_last(token_folders):
    tokens = Tokens(token_folders["sums"])
    mix = Mixture({token_folders["sums"]: 1.0}, seq_len=16, batch_windows=1, seed=0)
    _, starts = mix.locate(np.arange(mix.num_windows[0]))
    opening = starts.tolist().index(tokens.num_tokens - 1)
    assert mix.batch_at(opening)[0].tolist() == [tokens.end_of_text, *tokens.read(0, 16).tolist()]


def test_end_marks_in_a_window_part_its_documents_as_the_index_does(token_folders):
    mix = mixture(token_folders, seq_len=50)
    for step in range(20):
        batch, documents = mix.batch_at(step), mix.documents_at(step)
        for row, found in zip(batch, documents, strict=True):
            numbers = np.cumsum(row[:-1] == mix.end_of_text)  # of the document that each input token is read as
            opened = int(row[0] != mix.end_of_text)  # a window may start inside a document
            assert numbers[-1] + opened == len(found)


def test_documents_of_a_row_hold_its_targets(token_folders):
    mix = mixture(token_folders, seq_len=40)
    for row, found in zip(mix.batch_at(3), mix.documents_at(3), strict=True):
        path = found[0][0]
        tokens = Tokens(path)
        text = np.concatenate([tokens.read(document.start, document.stop) for _, document in found]).tolist()
        targets = row[1:].tolist()
        assert any(text[n : n + 40] == targets for n in range(len(text) - 39))
        assert all(tokens.document_of(document.start) == document.id for _, document in found)


def test_a_second_phase_draws_from_its_own_mixture_and_repeats_nothing(token_folders):
    stories, sums = token_folders.values()
    settings = {"seq_len": 8, "batch_windows": 4, "seed": 5}
    mix = Mixture([Phase(10, {stories: 1.0}), Phase(None, {sums: 0.5, stories: 0.5})], **settings)
    corpus, start = mix.locate(np.arange(80))
    assert set(corpus[:40]) == {0}
    assert np.bincount(corpus[40:]).tolist() == [20, 20]
    only = Mixture({stories: 1.0}, **settings)
    assert start[corpus == 0].tolist() == only.locate(np.arange(60))[1].tolist()
    assert len(set(start[corpus == 0].tolist())) == 60 <= only.num_windows[0]


def test_another_run_goes_on_where_one_stopped_wherever_the_corpus_lies(token_folders, tmp_path):
    stories, sums = token_folders.values()
    settings = {"seq_len": 16, "batch_windows": 4, "seed": 5}
    first = Mixture({stories: 0.75, sums: 0.25}, **settings)
    shutil.copytree(stories, tmp_path / "moved")
    after = Mixture({str(tmp_path / "moved"): 1.0}, **settings, drawn=json.loads(json.dumps(first.drawn(6))))
    alone = Mixture({stories: 1.0}, **settings)
    assert np.array_equal(after.locate(np.arange(30))[1], alone.locate(np.arange(18, 48))[1])
    assert after.drawn(0) == first.drawn(6)
    assert sum(after.drawn(2).values()) == 24 + 8
    assert after.epochs(0) == {str(tmp_path / "moved"): 0.0}


def test_epochs_are_reported(token_folders):
    mix = Mixture({token_folders["sums"]: 1.0}, seq_len=16, batch_windows=mixture(token_folders).num_windows[1], seed=0)
    assert mix.epochs(3) == {token_folders["sums"]: 3.0}


def test_a_recipe_is_json_and_names_tokens_and_weights(token_folders):
    recipe = json.loads(json.dumps(mixture(token_folders).recipe()))
    assert [entry["weight"] for entry in recipe[0]["data"]] == [3.0, 1.0]
    assert recipe[0]["data"][0]["num_tokens"] == Tokens(token_folders["stories"]).num_tokens


def test_the_same_tokens_twice_are_refused(token_folders):
    folder = token_folders["stories"]
    with pytest.raises(ValueError, match="hold the same tokens"):
        Mixture({folder: 1.0, folder + "/": 1.0}, seq_len=16, batch_windows=4, seed=0)


@pytest.mark.parametrize("ends", [(None, None), (10, 10, None), (10, 5, None), (10,), (0, None)])
def test_phases_must_follow_one_another(token_folders, ends):
    with pytest.raises(ValueError, match="phases end at steps"):
        Mixture([Phase(end, {token_folders["sums"]: 1.0}) for end in ends], seq_len=16, batch_windows=4, seed=0)


def test_mistakes_are_named(token_folders):
    with pytest.raises(ValueError, match="weights must be positive"):
        mixture(token_folders, weights=(1.0, 0.0))
    with pytest.raises(ValueError, match="no token corpus"):
        Mixture({}, seq_len=16, batch_windows=1, seed=0)
    with pytest.raises(ValueError, match="use a shorter seq_len"):
        mixture(token_folders, seq_len=10**6)
    with pytest.raises(ValueError, match="do not divide by 3 ranks"):
        mixture(token_folders).batch_at(0, 0, 3)


@pytest.mark.parametrize("weights", [(1.0, 1e-7), (1e-7, 1.0), (1.0, float("inf")), (1.0, float("nan"))])
def test_a_weight_too_small_to_be_read_or_no_number_is_refused(token_folders, weights):
    with pytest.raises(ValueError, match=r"below a millionth|must be positive"):
        Mixture(dict(zip(token_folders.values(), weights, strict=True)), seq_len=16, batch_windows=2, seed=0)
