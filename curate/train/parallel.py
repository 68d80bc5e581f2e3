"""One training step over several processes: DDP (every rank holds the model) or FSDP2 (every rank holds a slice).

    ranks = Ranks.join(device)                   # alone, under torchrun, or inside Ray Train, which joined before
    step = spread(Objective(model), "fsdp", ranks, torch.bfloat16)
    with gradients(step, last=True): step(...)[0].backward()

DDP keeps a whole copy and adds up gradients while the backward pass still runs (Li et al. 2020). FSDP2 (`fully_shard`,
Zhao et al. 2023) keeps parameters, gradients and optimiser state in slices and gathers one layer at a time: for models
that do not fit beside their optimiser. Gradients of both are means over ranks. What leaves the ranks, checkpoints
above all, is whole tensors, so any number of ranks reads what any other number wrote.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from curate.cluster import TRAINING_PATIENCE_S
from curate.train.model import Llama, Objective

Sharding = Literal["ddp", "fsdp"]
PATIENCE = timedelta(seconds=TRAINING_PATIENCE_S)  # NCCL's own are 10 minutes


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int
    size: int
    device: torch.device

    @classmethod
    def join(cls, device: str | None) -> "Ranks":
        """Take the place that torchrun or Ray Train gave to this process, else be alone."""
        kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if dist.is_torchelastic_launched() and not dist.is_initialized():
            dist.init_process_group("nccl" if kind.startswith("cuda") else "gloo", timeout=PATIENCE)
        if not dist.is_initialized():
            return cls(0, 1, torch.device(kind))
        if kind == "cuda":
            kind = f"cuda:{dist.get_node_local_rank(0)}"
            torch.cuda.set_device(kind)
        return cls(dist.get_rank(), dist.get_world_size(), torch.device(kind))

    @property
    def first(self) -> bool:
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over the ranks."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def same(self, value: Any) -> Any:
        """Return what the first rank has."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, device=self.device)
        return box[0]

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


def spread(objective: Objective, sharding: Sharding, ranks: Ranks, dtype: torch.dtype) -> nn.Module:
    """Return the objective as the ranks compute it together; its parameters change in place."""
    if ranks.size == 1:
        return objective
    if sharding == "ddp":
        ids = [ranks.device.index] if ranks.device.type == "cuda" else None
        return DistributedDataParallel(objective, device_ids=ids)
    mesh = init_device_mesh(ranks.device.type, (ranks.size,))
    policy = MixedPrecisionPolicy()
    if dtype != torch.float32:  # what goes in is not rounded: neither a step's scale nor the angles of positions
        policy = MixedPrecisionPolicy(dtype, torch.float32, cast_forward_inputs=False)
    for layer in objective.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(objective, mesh=mesh, mp_policy=policy, reshard_after_forward=False)
    return objective


@contextlib.contextmanager
def gradients(step: nn.Module, *, last: bool) -> Iterator[None]:
    """Send gradients only in the last of the parts that make up a step."""
    if isinstance(step, DistributedDataParallel) and not last:
        with step.no_sync():
            yield
        return
    if isinstance(step, FSDPModule):
        step.set_requires_gradient_sync(last)
    yield


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor in one piece in the CPU's memory; for slices, all ranks have to ask."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu()


def like(value: Tensor, parameter: Tensor) -> Tensor:
    """Put a whole tensor where a parameter is: its device, and if it is sliced and of its shape, its slice."""
    value = value.to(parameter.device)
    if isinstance(parameter, DTensor) and value.shape == parameter.shape:
        return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
    return value


def whole_model(model: Llama) -> Llama:
    """Return the model with its tensors in one piece on the CPU; all ranks have to ask."""
    tensors = {name: whole(tensor) for name, tensor in model.state_dict().items()}
    with torch.device("meta"):
        copy = Llama(model.config)
    copy.load_state_dict(tensors, assign=True)
    return copy
