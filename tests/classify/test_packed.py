"""8-bit rows against plain NumPy, and the packed encoder against transformers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from curate.classify import int8
from curate.classify.packed import Packed, has_vnni, in_float, one_thread, runs

EPSILON = 1e-12


def rows(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def quantized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    q, scale = np.empty(x.shape, np.int8), np.empty(len(x), np.float32)
    int8.quantize(x, q, scale)
    return q, scale


def bert(**options: object) -> BertModel:
    """A small model with random weights."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    return BertModel(BertConfig(**sizes, intermediate_size=128, **options)).eval()


WINDOWS = [[2, 17, 9, 3], [2, 5, 3], [2, *range(10, 60), 3], [2, 88, 3], [2, 44, 3]]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=70))
@settings(max_examples=200, deadline=None)
def test_a_quantised_row_is_within_half_a_step_of_itself(row: list[float]) -> None:
    x = np.array([row], np.float32)
    q, scale = quantized(x)
    assert abs(q.astype(int)).max() <= 127
    assert np.abs(q * scale[:, None].astype(np.float64) - x).max() <= scale[0] * (0.5 + 1e-4) + 1e-12


def test_the_largest_number_of_a_row_becomes_127_and_zeros_stay() -> None:
    q, scale = quantized(np.array([[1, -2, 0.5, 0], [0, 0, 0, 0]], np.float32))
    assert q.tolist() == [[64, -127, 32, 0], [0, 0, 0, 0]]  # 63.5 and 31.75 rounded, halves up
    assert scale[0] == pytest.approx(2 / 127)


def test_gelu_and_its_integers_are_those_of_torch() -> None:
    sums, scale, columns, bias = (
        np.arange(-4000, 4000, 50, dtype=np.int32)[None],
        rows(1, 1) ** 2,
        rows(2, 160),
        rows(3, 160),
    )
    q, out = np.empty(sums.shape, np.int8), np.empty(1, np.float32)
    int8.gelu_quantize(sums, scale / 400, columns, bias, q, out)
    expected = torch.nn.functional.gelu(torch.from_numpy(sums * (scale / 400)[:, None] * columns + bias)).numpy()
    assert np.abs(q * out[:, None] - expected).max() <= out[0] * 0.501


def test_adding_and_normalising_is_torchs_layer_norm() -> None:
    sums = np.random.default_rng(0).integers(-9000, 9000, (5, 64)).astype(np.int32)
    scale, columns, bias, x, gain, shift = (
        rows(1, 5) ** 2,
        rows(2, 64) / 99,
        rows(3, 64),
        rows(4, 5, 64),
        rows(5, 64),
        rows(6, 64),
    )
    summed = torch.from_numpy((sums * scale[:, None] * columns + bias + x).astype(np.float32))
    expected = torch.nn.functional.layer_norm(summed, (64,), torch.from_numpy(gain), torch.from_numpy(shift), EPSILON)
    q, out = np.empty(sums.shape, np.int8), np.empty(5, np.float32)
    int8.add_normalize_quantize(sums, scale, columns, bias, x, gain, shift, EPSILON, q, out)
    np.testing.assert_allclose(x, expected.numpy(), atol=2e-5)
    assert (np.abs(q * out[:, None] - x) <= out[:, None] * 0.501).all()


@pytest.mark.skipif(not has_vnni(), reason="this processor has no 8-bit products")
def test_machines_without_8_bit_products_compute_the_same_integers() -> None:
    left = torch.from_numpy(np.random.default_rng(0).integers(-127, 128, (33, 384)).astype(np.int8))
    right = torch.from_numpy(np.random.default_rng(1).integers(-127, 128, (384, 96)).astype(np.int8))
    assert torch.equal(in_float(left, right), torch._int_mm(left, right))
    assert torch.equal(in_float(left, right), left.int() @ right.int())


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_vectors_are_nearly_the_mean_states_of_transformers(layers: int) -> None:
    model = bert()
    found = Packed.of(model, layers).embed(WINDOWS)
    for window, vector in zip(WINDOWS, found, strict=True):
        with torch.inference_mode():
            states = model(torch.tensor([window]), output_hidden_states=True).hidden_states[layers]
        expected = states[0].mean(0).numpy()
        cosine = vector @ expected / np.linalg.norm(vector) / np.linalg.norm(expected)
        assert cosine > 0.998


def test_a_window_has_the_same_bits_in_any_company() -> None:
    packed = Packed.of(bert())
    together = packed.embed(WINDOWS)
    for row, window in enumerate(WINDOWS):
        np.testing.assert_array_equal(packed.embed([window])[0], together[row])
    np.testing.assert_array_equal(packed.embed(WINDOWS[::-1])[::-1], together)


def test_neighbours_of_one_length_form_a_run() -> None:
    assert runs(np.array([5, 5, 3, 5, 5, 5])) == [(2, 5), (1, 3), (3, 5)]
    assert runs(np.array([4])) == [(1, 4)]


def test_a_model_of_another_kind_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"8 bits are for BERT with GELU.*'relu'.*use bfloat16 or float32"):
        Packed.of(bert(hidden_act="relu"))


def test_the_encoder_computes_on_one_thread_and_gives_the_others_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
