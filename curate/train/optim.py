"""Optimisers as settings: AdamW as SmolLM uses it, Muon for the matrices with AdamW for the rest.

    AdamW(lr=3e-3).optimizers(model)         # [torch.optim.AdamW]
    Muon(lr=3e-3).optimizers(model)          # [Orthogonalised, torch.optim.AdamW]

AdamW (Loshchilov and Hutter 2019) is PyTorch's own, in its fused form: one pass over the parameters per step, on CPU
and GPU. Norm weights are not decayed: pulling a scale towards zero regularises nothing. Muon (`curate.train.muon`)
takes the matrices between the embeddings and the output; embeddings, whose rows are seen rarely, and norms stay with
AdamW at the same learning rate, which Moonlight's scaling makes right for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from curate.train.muon import Orthogonalised


@dataclass(frozen=True)
class AdamW:
    lr: float = 3e-3  # peak; SmolLM 135M and 360M, 5e-4 for 1.7B
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.01  # of matrices and embeddings
    clip: float = 1.0  # global gradient norm

    def optimizers(self, model: nn.Module) -> list[Optimizer]:
        return [_adamw(self, list(model.parameters()))]


@dataclass(frozen=True)
class Muon:
    lr: float = 3e-3  # peak, of matrices and of the rest
    momentum: float = 0.95  # Keller Jordan's, with Nesterov's look ahead
    weight_decay: float = 0.1  # Moonlight's
    clip: float = 1.0  # global gradient norm; matters to AdamW's part only, Muon's step has no length of its own
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8

    def optimizers(self, model: nn.Module) -> list[Optimizer]:
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed_tokens" not in name]
        inside = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in inside]
        orthogonalised = Orthogonalised(matrices, self.lr, self.momentum, self.weight_decay)
        return [orthogonalised, _adamw(self, rest)]


Settings = AdamW | Muon


def settings_of(written: dict[str, Any]) -> Settings:
    """Return the settings that a checkpoint wrote down as a dict."""
    kind = Muon if "momentum" in written else AdamW
    return kind(**{**written, "betas": tuple(written["betas"])})


def set_rate(optimizers: Sequence[Optimizer], lr: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr


def _adamw(settings: Settings, parameters: list[nn.Parameter]) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True)
