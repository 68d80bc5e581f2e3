"""AdamW as SmolLM uses it: betas 0.9 and 0.95, weight decay 0.01 on matrices only, gradients clipped to norm 1.

Loshchilov and Hutter 2019. Norm weights are not decayed: pulling a scale towards zero regularises nothing.
The optimiser is PyTorch's own, in its fused form: one pass over the parameters per step, on CPU and GPU.
"""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class AdamW:
    lr: float = 3e-3  # peak; SmolLM 135M and 360M, 5e-4 for 1.7B
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.01
    clip: float = 1.0  # global gradient norm

    def optimizer(self, model: nn.Module) -> torch.optim.AdamW:
        matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
        others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
