"""A BERT encoder on the CPU: 8-bit integer products, no padding, as many layers as are wanted.

    bert = Packed.of(model, layers=3)       # model: a transformers BertModel; `Packed.read` takes its files' contents
    bert.embed(windows)                     # (N, 384) float32: the mean of the last layer's states of each window

The tokens of all windows stand in one matrix, so nothing is computed for padding; only attention looks at one window
at a time. With a scale for every token (`int8`) and attention within the window, a window's vector has the same bits
in any company. The vectors are 0.999 alike (cosine) to float32's after three layers of MiniLM.

Eight bits make a matrix product up to nine times as fast as float32 on a processor with VNNI (one core of an AMD EPYC
with AVX-512: 1,000 and 115 thousand million operations a second). Elsewhere the same numbers come out, more slowly.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curate.classify.int8 import add_normalize_quantize, dequantize, gelu_quantize, quantize

if TYPE_CHECKING:
    import torch
    from transformers import BertModel


class Linear(NamedTuple):
    """Weights of one product, a scale for each output."""

    weight: "torch.Tensor"  # (inputs, outputs) int8
    columns: np.ndarray  # (outputs,) float32 scales
    bias: np.ndarray  # (outputs,) float32


class Norm(NamedTuple):
    """A LayerNorm."""

    gain: np.ndarray  # (D,) float32
    shift: np.ndarray  # (D,) float32
    epsilon: float


class Embeddings(NamedTuple):
    """What a token's state is at first: the sum of three vectors, normalised."""

    words: "torch.Tensor"  # (vocabulary, D) float32
    places: "torch.Tensor"  # (positions, D) float32
    type: "torch.Tensor"  # (D,) float32; all tokens are of the first type
    norm: Norm


class Layer(NamedTuple):
    """One transformer layer: attention, then two products with GELU between."""

    query_key_value: Linear
    attended: Linear
    attended_norm: Norm
    rising: Linear
    falling: Linear
    falling_norm: Norm


@dataclass(frozen=True, eq=False)
class Packed:
    """The first layers of a BERT, ready to read windows of token ids."""

    embeddings: Embeddings
    layers: tuple[Layer, ...]
    num_heads: int
    attention_type: "torch.dtype"

    @classmethod
    def of(cls, model: "BertModel", layers: int | None = None) -> "Packed":
        """Quantise the weights of a model; errors as those of `read`."""
        return cls.read(model.config.to_dict(), model.state_dict(), len([*model.encoder.layer][:layers]))

    @classmethod
    def read(
        cls, config: Mapping[str, Any], weights: Mapping[str, "torch.Tensor"], layers: int | None = None
    ) -> "Packed":
        """Quantise weights, by their names in a BertModel; `config` is what stands in config.json.

        Raises:
            ValueError: the model is no BERT with GELU and absolute positions.
        """
        kind = (config["model_type"], config.get("hidden_act"), config.get("position_embedding_type") or "absolute")
        if kind != ("bert", "gelu", "absolute"):
            raise ValueError(
                f"8 bits are for BERT with GELU and absolute positions, not {kind}; use bfloat16 or float32"
            )
        epsilon = float(config["layer_norm_eps"])
        numbers = range(config["num_hidden_layers"])[:layers]
        chosen = tuple(_layer(weights, f"encoder.layer.{number}", epsilon) for number in numbers)
        return cls(_embeddings(weights, epsilon), chosen, config["num_attention_heads"], _attention_type())

    def embed(self, windows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return (N, D) float32 means of the last states; neighbours of the same length are attended to together."""
        import torch

        lengths = np.array([len(window) for window in windows])
        ends = np.concatenate([[0], np.cumsum(lengths)])
        with torch.inference_mode(), one_thread():
            x = self._states(np.concatenate(windows), np.concatenate([np.arange(n) for n in lengths]), runs(lengths))
        return np.add.reduceat(x, ends[:-1], axis=0) / lengths[:, None].astype(np.float32)

    def _states(self, ids: np.ndarray, positions: np.ndarray, same: list[tuple[int, int]]) -> np.ndarray:
        """Return the (R, D) float32 states of R tokens; `same` are the runs of windows of one length."""
        import torch

        words, places, kind, norm = self.embeddings
        summed = words[torch.from_numpy(ids)] + places[torch.from_numpy(positions)] + kind
        gain, shift = torch.from_numpy(norm.gain), torch.from_numpy(norm.shift)
        x: np.ndarray = torch.nn.functional.layer_norm(summed, gain.shape, gain, shift, norm.epsilon).numpy()
        q, scale = np.empty(x.shape, np.int8), np.empty(len(x), np.float32)
        quantize(x, q, scale)
        for layer in self.layers:
            quantize(self._attend(q, scale, layer.query_key_value, same), q, scale)
            _add_normalize(q, scale, layer.attended, x, layer.attended_norm, q)
            sums = _times(q, layer.rising)
            wide = np.empty(sums.shape, np.int8)
            gelu_quantize(sums, scale, layer.rising.columns, layer.rising.bias, wide, scale)
            _add_normalize(wide, scale, layer.falling, x, layer.falling_norm, q)
        return x

    def _attend(self, q: np.ndarray, scale: np.ndarray, linear: Linear, same: list[tuple[int, int]]) -> np.ndarray:
        """Return (R, D) float32: every token's mean of the values in its window, by how its query fits their keys."""
        import torch

        sums = _times(q, linear)
        together = np.empty(sums.shape, np.float32)
        dequantize(sums, scale, linear.columns, linear.bias, together)
        states = torch.from_numpy(together).to(self.attention_type)
        width = sums.shape[1] // 3
        result = torch.empty(len(sums), width)
        start = 0
        for count, length in same:
            rows = slice(start, start := start + count * length)
            heads = states[rows].view(count, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
            query, key, value = heads.reshape(3, count * self.num_heads, length, -1)
            fit = torch.bmm(query * (width / self.num_heads) ** -0.5, key.transpose(1, 2))
            seen = torch.bmm(torch.softmax(fit, -1), value)  # (count * heads, length, width / heads)
            result[rows] = seen.view(count, self.num_heads, length, -1).transpose(1, 2).reshape(-1, width).float()
        return result.numpy()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread, then on as many as before.

    The products are a millisecond long, and half of the time passes between them: two threads read 0.65 times as many
    documents on a busy machine as one, whose core they waste by waiting. More cores: `curate score --workers`.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def runs(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Return (count, length) of each run of equal numbers."""
    starts = np.flatnonzero(np.diff(lengths, prepend=-1))
    counts = np.diff(starts, append=len(lengths))
    return [(int(count), int(lengths[start])) for count, start in zip(counts, starts, strict=True)]


def _embeddings(weights: Mapping[str, "torch.Tensor"], epsilon: float) -> Embeddings:
    named = (weights[f"embeddings.{name}_embeddings.weight"].float() for name in ("word", "position", "token_type"))
    words, places, types = named
    return Embeddings(words, places, types[0], _norm(weights, "embeddings.LayerNorm", epsilon))


def _layer(weights: Mapping[str, "torch.Tensor"], name: str, epsilon: float) -> Layer:
    own = f"{name}.attention.self"
    return Layer(
        _linear(weights, f"{own}.query", f"{own}.key", f"{own}.value"),
        _linear(weights, f"{name}.attention.output.dense"),
        _norm(weights, f"{name}.attention.output.LayerNorm", epsilon),
        _linear(weights, f"{name}.intermediate.dense"),
        _linear(weights, f"{name}.output.dense"),
        _norm(weights, f"{name}.output.LayerNorm", epsilon),
    )


def _linear(weights: Mapping[str, "torch.Tensor"], *names: str) -> Linear:
    """Quantise the weights of products with a common input, side by side."""
    import torch

    weight = torch.cat([weights[f"{name}.weight"] for name in names]).float()  # (outputs, inputs)
    bias = torch.cat([weights[f"{name}.bias"] for name in names]).float()
    scale = weight.abs().amax(1).clamp_min(1e-12) / 127
    integers = torch.round(weight / scale[:, None]).to(torch.int8)
    return Linear(integers.t().contiguous(), scale.numpy(), bias.numpy())


def _norm(weights: Mapping[str, "torch.Tensor"], name: str, epsilon: float) -> Norm:
    return Norm(weights[f"{name}.weight"].float().numpy(), weights[f"{name}.bias"].float().numpy(), epsilon)


def _add_normalize(
    q: np.ndarray, scale: np.ndarray, linear: Linear, x: np.ndarray, norm: Norm, out: np.ndarray
) -> None:
    """x becomes norm(x + the product of q and linear); `out` and `scale` become its integers."""
    sums = _times(q, linear)
    add_normalize_quantize(sums, scale, linear.columns, linear.bias, x, norm.gain, norm.shift, norm.epsilon, out, scale)


def _times(q: np.ndarray, linear: Linear) -> np.ndarray:
    """Return the (R, outputs) int32 product of (R, inputs) int8 and the weights."""
    import torch

    left = torch.from_numpy(q)
    product = torch._int_mm(left, linear.weight) if has_vnni() else in_float(left, linear.weight)
    sums: np.ndarray = product.numpy()
    return sums


def in_float(left: "torch.Tensor", right: "torch.Tensor") -> "torch.Tensor":
    """Return the same product by way of float32: exact up to 1,040 inputs, and off by one or two beyond."""
    import torch

    return (left.float() @ right.float()).round().to(torch.int32)


@functools.cache
def has_vnni() -> bool:
    """Whether the processor sums 8-bit products in 32 bits; older ones do it in 16, which overflow."""
    import torch

    return bool(torch.backends.mkldnn.is_available() and torch.cpu._is_vnni_supported())


def _attention_type() -> "torch.dtype":
    """bfloat16 where the processor multiplies it (AVX-512 BF16), else float32; the vectors are 0.9999 alike."""
    import torch

    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
