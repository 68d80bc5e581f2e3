"""The Llama architecture in plain PyTorch: RoPE, SwiGLU, grouped-query attention, RMSNorm, tied embeddings.

    config = model_config("135m", vocab_size=49_152)
    model = Llama(config, seed=0)
    loss = model.loss(inputs, targets)                        # mean cross-entropy in nats
    loss = model.loss(inputs, targets, documents)             # attention stays within documents

Touvron et al. 2023 (LLaMA), Ainslie et al. 2023 (GQA), Press and Wolf 2017 (tied embeddings). Parameters carry the
names of transformers' `LlamaModel`, so that export is a copy; logits equal `LlamaForCausalLM`'s on the same weights.
Every size ties its embeddings, which is right for small models, where the table is a large part of the parameters.
phi-1's sizes keep its depth, width, heads and its products per token, not its block: phi-1 (Gunasekar et al. 2023) is
CodeGen's, with LayerNorm and biases, attention and a GELU feed-forward side by side on one norm, rotary embeddings on
32 of a head's 64 dimensions, and an output table of its own. SwiGLU has three matrices where GELU has two, so the
feed-forward is two thirds as wide, rounded up to whole 64s.
Shapes: B sequences, T positions, C hidden, H heads, D of a head, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  everyone's name for it
from torch import Tensor, nn

from curate.train.attention import Attend, within
from curate.train.loss import linear_cross_entropy


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    ffn_size: int
    max_seq_len: int = 2048  # SmolLM's context; longer input is an error
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(f"hidden_size must divide by num_heads, and that by num_kv_heads: {self}")

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads

    @property
    def init_std(self) -> float:
        return float(self.hidden_size**-0.5)  # SmolLM: 1 / sqrt(hidden)


@dataclass(frozen=True)
class Size:
    """Shape of a model without its vocabulary."""

    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    ffn_size: int


SIZES = {
    # parameters with the vocabulary each is meant for
    "1m": Size(128, 4, 4, 2, 256),  # 1.1 M with 4,096
    "5m": Size(256, 6, 4, 2, 512),  # 5.6 M with 8,192
    "15m": Size(384, 7, 6, 3, 1024),  # 14.5 M with 8,192
    "30m": Size(512, 8, 8, 4, 1344),  # 31.2 M with 16,384
    "135m": Size(576, 30, 9, 3, 1536),  # these three are SmolLM's and SmolLM2's, with 49,152
    "360m": Size(960, 32, 15, 5, 2560),
    "1.7b": Size(2048, 24, 32, 32, 8192),
    "phi-1-small": Size(1024, 20, 16, 16, 2752),  # phi-1's 350 M and 1.3 B, with CodeGen's 51,200
    "phi-1": Size(2048, 24, 32, 32, 5504),
}


def model_config(size: str | Size, vocab_size: int, max_seq_len: int = 2048) -> ModelConfig:
    """Return the configuration of a named size."""
    if isinstance(size, str) and size not in SIZES:
        raise ValueError(f"no model size {size!r}; there are {', '.join(SIZES)}, or give a Size")
    shape = SIZES[size] if isinstance(size, str) else size
    return ModelConfig(vocab_size, **vars(shape), max_seq_len=max_seq_len)


class Llama(nn.Module):
    """A decoder; the same seed gives the same weights."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        cos, sin = angles(config)
        self.register_buffer("cos", cos, persistent=False)  # (max_seq_len, D/2)
        self.register_buffer("sin", sin, persistent=False)
        if self.embed_tokens.weight.device.type != "meta":
            self._initialise(torch.Generator().manual_seed(seed))

    def _initialise(self, generator: torch.Generator) -> None:
        """Normal matrices of std 1/sqrt(hidden), divided by sqrt(2 layers) where they write to the residual stream."""
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                std = self.config.init_std / (2 * self.config.num_layers) ** 0.5 if residual else self.config.init_std
                nn.init.normal_(parameter, std=std, generator=generator)

    def forward(self, tokens: Tensor, documents: Tensor | None = None) -> Tensor:
        """Return logits (B, T, V) for tokens (B, T) int64; documents (B, T) are their numbers, to keep them apart."""
        return F.linear(self.hidden(tokens, documents), self.embed_tokens.weight)

    def hidden(self, tokens: Tensor, documents: Tensor | None = None) -> Tensor:
        """Return what the last norm gives, (B, T, C)."""
        length = tokens.shape[1]
        if length > self.config.max_seq_len:
            raise ValueError(f"{length} tokens in a row, but the model was made for at most {self.config.max_seq_len}")
        x = self.embed_tokens(tokens)  # (B, T, C)
        rope = self.cos[:length, None], self.sin[:length, None]  # (T, 1, D/2)
        attend = within(documents)
        for layer in self.layers:
            x = layer(x, rope, attend)
        out: Tensor = self.norm(x)
        return out

    def loss(self, inputs: Tensor, targets: Tensor, documents: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of targets (B, T) in nats, computed in float32."""
        hidden = self.hidden(inputs, documents).flatten(0, 1)
        return linear_cross_entropy(hidden, self.embed_tokens.weight, targets.flatten(), scale=1.0 / targets.numel())[0]

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


class Layer(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = SwiGLU(config)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, attend)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Attention(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        kv_size = config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
        projected = (proj(x) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (y.unflatten(2, (-1, self.head_dim)) for y in projected)  # (B, T, H, D)
        out: Tensor = self.o_proj(attend(rotate(q, *rope), rotate(k, *rope), v).flatten(2))
        return out


class SwiGLU(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.ffn_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.ffn_size, bias=False)
        self.down_proj = nn.Linear(config.ffn_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return out


class Objective(nn.Module):
    """What a step minimises: mean cross-entropy, plus z-loss if asked for. One module, so that DDP can wrap it."""

    def __init__(self, model: Llama, z_loss: float = 0.0) -> None:
        super().__init__()
        self.model, self.z_loss = model, z_loss

    def forward(
        self, inputs: Tensor, targets: Tensor, documents: Tensor | None, scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what to minimise, its cross-entropy and squared log Z: sums over targets (B, T) times `scale`.

        `scale` () is one over the targets of the whole step, so that the parts of a step add up to its mean.
        """
        hidden = self.model.hidden(inputs, documents).flatten(0, 1)
        table = self.model.embed_tokens.weight
        nll, z = linear_cross_entropy(hidden, table, targets.flatten(), self.z_loss, scale)
        return nll, nll.detach(), z.detach()


def angles(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Return cos and sin of position times frequency, each (max_seq_len, D/2) float32."""
    dim = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    frequency = 1.0 / config.rope_theta ** (dim / config.head_dim)  # (D/2,)
    angle = torch.outer(torch.arange(config.max_seq_len, dtype=torch.float32), frequency)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + D/2]) of x (B, T, H, D) by its position's angle; Llama's half-split layout."""
    low, high = x.chunk(2, dim=-1)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1).to(x.dtype)
