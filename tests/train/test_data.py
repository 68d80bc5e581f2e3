import numpy as np
import pytest

from curate.tokenizer.pack import Tokens
from curate.train.data import Mixture, permute


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
    corpus, window = mix.locate(np.arange(4000))
    for number, count in enumerate(mix.num_windows):
        drawn = window[corpus == number]
        assert len(drawn) >= 2 * count
        for epoch in range(2):
            assert sorted(drawn[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))
        assert drawn[:count].tolist() != drawn[count : 2 * count].tolist()


def test_shares_are_exact_at_any_point(token_folders):
    folder = token_folders["stories"]
    weights = {folder: 0.7, folder + "/": 0.2, folder + "/.": 0.1}
    corpus, _ = Mixture(weights, seq_len=16, batch_windows=4, seed=0).locate(np.arange(5000))
    for number, weight in enumerate(weights.values()):
        counts = np.cumsum(corpus == number)
        assert np.abs(counts - weight * np.arange(1, 5001)).max() < 2.5


def test_windows_share_one_token_so_each_is_a_target_once(token_folders):
    tokens = Tokens(token_folders["stories"])
    mix = Mixture({token_folders["stories"]: 1.0}, seq_len=16, batch_windows=1, seed=0)
    count = mix.num_windows[0]
    targets = sorted(token for step in range(count) for token in mix.batch_at(step)[0, 1:].tolist())
    assert targets == sorted(tokens.read(1, count * 16 + 1).tolist())


def test_epochs_are_reported(token_folders):
    mix = Mixture({token_folders["sums"]: 1.0}, seq_len=16, batch_windows=mixture(token_folders).num_windows[1], seed=0)
    assert mix.epochs(3) == {token_folders["sums"]: 3.0}


def test_mistakes_are_named(token_folders):
    with pytest.raises(ValueError, match="weights must be positive"):
        mixture(token_folders, weights=(1.0, 0.0))
    with pytest.raises(ValueError, match="no token corpus"):
        Mixture({}, seq_len=16, batch_windows=1, seed=0)
    with pytest.raises(ValueError, match="use a shorter seq_len"):
        mixture(token_folders, seq_len=10**6)
    with pytest.raises(ValueError, match="do not divide by 3 ranks"):
        mixture(token_folders).batch_at(0, 0, 3)
