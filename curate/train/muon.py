"""Muon: momentum, and then the nearest orthogonal matrix in place of the gradient.

    Orthogonalised(matrices, lr=3e-3, momentum=0.95, weight_decay=0.1).step()

Keller Jordan et al. 2024 ("Muon: an optimizer for hidden layers"): the update U S V^T becomes about U V^T, so every
direction of a matrix learns at one speed. The quintic Newton-Schulz polynomial needs only products; its coefficients
are steep at zero rather than convergent, which leaves singular values between about 0.7 and 1.2. The step is scaled by
0.2 sqrt(max(rows, columns)) (Moonlight: Liu et al. 2025), the size of AdamW's, so learning rates carry over; the
original scales by sqrt(max(1, rows / columns)) and wants a rate of its own.

PyTorch has `torch.optim.Muon`, which this equals (tests), up to the bfloat16 that it computes in. Ours stacks matrices
of one shape and orthogonalises them in one batched product, which is what makes it quick for small models, stays in
float32 on CPUs, and gathers a matrix that FSDP has cut: orthogonalising the pieces would be another optimiser.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Keller Jordan's, of x, x^3 and x^5
ITERATIONS = 5
RMS = 0.2  # of an AdamW step, at a learning rate of 1 (Moonlight)


class Orthogonalised(torch.optim.Optimizer):
    """Muon for matrices, all of which get a gradient in every step."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                by_shape[matrix.shape].append(matrix)
            for matrices in by_shape.values():
                self._step(matrices, group)

    def _step(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        updates = [self._ahead(matrix, group["momentum"]) for matrix in matrices]
        steps = orthogonalise(torch.stack([_whole(update) for update in updates]))
        length = RMS * max(matrices[0].shape) ** 0.5
        for matrix, step in zip(matrices, steps, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(_like(step.to(matrix.dtype), matrix), alpha=-group["lr"] * length)

    def _ahead(self, matrix: Tensor, momentum: float) -> Tensor:
        """Update the momentum with the gradient; return what it would be with the same gradient once more."""
        gradient = matrix.grad
        assert gradient is not None
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        mean: Tensor = state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return U p(S) V^T of matrices U S V^T (N, rows, columns), p the polynomial iterated, singular values near 1.

    Singular values below about 1e-3 of the Frobenius norm do not get there in five iterations.
    """
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    if tall := x.shape[1] > x.shape[2]:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _like(whole: Tensor, matrix: Tensor) -> Tensor:
    """Cut a matrix that every rank has as `matrix` is cut; nothing is sent."""
    if isinstance(matrix, DTensor):
        return distribute_tensor(whole, matrix.device_mesh, matrix.placements, src_data_rank=None)
    return whole
