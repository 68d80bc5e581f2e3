"""The loop: one run's folder, filled step by step, on one process or as one of several ranks.

    Job(out, plan, recipe, blend, ...)()       # picklable, so that Ray Train can send it to its workers

A step ends with its log line, then the checkpoint (whole and synced), and only then what may crash: somebody's
evaluation. The state of a run is its step and the tensors; the order of the data follows from the step alone.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from curate.allocator import keep_freed_memory
from curate.progress.spent import peak_bytes
from curate.train.attention import document_numbers
from curate.train.checkpoint import (
    checkpoint_at,
    last_checkpoint,
    load_optimizers,
    optimizer_state,
    prune,
    read_state,
    write_checkpoint,
)
from curate.train.claim import claimed
from curate.train.data import Blend, Mixture
from curate.train.export import load_checkpoint_model
from curate.train.flops import flops_per_token, peak_flops
from curate.train.log import RunLog, Track
from curate.train.model import Llama, ModelConfig, Objective
from curate.train.optim import Settings, set_rate
from curate.train.parallel import Ranks, Sharding, gradients, spread, whole, whole_model
from curate.train.schedule import WSD, Cosine

Evaluate = Callable[[Llama, int], Mapping[str, float]]  # (model, steps done) -> values by name
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a run, next to its first weights."""

    steps: int
    seq_len: int
    batch_windows: int
    schedule: WSD | Cosine
    optimizer: Settings
    seed: int
    z_loss: float = 0.0  # weight of the squared log of the softmax's denominator; 1e-4 in PaLM and DCLM
    mask_documents: bool = False  # attention stays within documents


@dataclass(frozen=True)
class Machine:
    """What differs by machine and changes results by rounding only."""

    micro_tokens: int
    threads: int | None = None
    device: str | None = None
    precision: Precision | None = None
    compile: bool | None = None
    sharding: Sharding = "ddp"


@dataclass(frozen=True)
class Watch:
    """What a run keeps and tells; it changes nothing in the result."""

    checkpoint_every: int | None = None
    keep: int | None = None
    evaluate: Evaluate | None = None
    evaluate_every: int | None = None
    track: Track | None = None
    stop_after: int | None = None
    quiet: bool = False

    def saves(self, step: int, last: int, steps: int) -> bool:
        """Tell whether a checkpoint follows after `step` steps of a run of `steps` that goes to `last`."""
        every = self.checkpoint_every or max(steps // 10, 1)
        return step % every == 0 or step == last or self.evaluates(step, last)

    def evaluates(self, step: int, last: int) -> bool:
        """Tell whether held-out data are looked at after `step` steps."""
        every = self.evaluate_every
        return self.evaluate is not None and (step == last or (every is not None and step % every == 0))


@dataclass(frozen=True)
class Job:
    """One run, from its first step or its last checkpoint to its end."""

    out: Path
    plan: Plan
    blend: Blend
    config: ModelConfig
    start: Path | None  # checkpoint whose weights and optimiser state go on; None draws weights from the plan's seed
    drawn: Mapping[str, int] | None  # windows that earlier runs took
    machine: Machine
    watch: Watch
    recipe: dict[str, Any]  # what run.json holds

    @cached_property
    def mixture(self) -> Mixture:
        plan = self.plan
        sizes = {"seq_len": plan.seq_len, "batch_windows": plan.batch_windows}
        return Mixture(self.blend, **sizes, seed=plan.seed, drawn=self.drawn)

    def __call__(self) -> None:
        keep_freed_memory()
        if self.machine.threads is not None:
            torch.set_num_threads(self.machine.threads)
        ranks = Ranks.join(self.machine.device)
        with claimed(self.out, self.recipe) if ranks.first else nullcontext():
            self._train(ranks)
            ranks.wait()  # the last checkpoint is there for all of them

    def _train(self, ranks: Ranks) -> None:
        latest = ranks.same(last_checkpoint(self.out))
        source = latest or self.start
        model = load_checkpoint_model(source) if source else Llama(self.config, self.plan.seed)
        first = read_state(latest)["step"] if latest else 0
        loop = _Loop(self, model, ranks, source)
        log = RunLog(self.out, first, self.recipe, self.watch.track, self.watch.quiet) if ranks.first else None
        try:
            loop.run(first, log)
        finally:
            if log is not None:
                log.close()


class _Loop:
    """The tensors of a run on this rank."""

    def __init__(self, job: Job, model: Llama, ranks: Ranks, source: Path | None) -> None:
        self.job, self.plan, self.ranks = job, job.plan, ranks
        self.on_gpu = ranks.device.type == "cuda"
        self.dtype = getattr(torch, job.machine.precision or ("bfloat16" if self.on_gpu else "float32"))
        self.model = model.to(ranks.device)
        if self.on_gpu if job.machine.compile is None else job.machine.compile:
            for layer in model.layers:
                layer.compile()  # all layers share one compiled graph
        self.step = spread(Objective(model, self.plan.z_loss), job.machine.sharding, ranks, self.dtype)
        self.optimizers: list[Optimizer] = self.plan.optimizer.optimizers(model)
        if source is not None:
            load_optimizers(source, self.optimizers, model)
        self.micro = micro_windows(self.plan.batch_windows // ranks.size, self.plan.seq_len, job.machine.micro_tokens)
        self.flops = flops_per_token(model.config, self.plan.seq_len)

    def run(self, first: int, log: RunLog | None) -> None:
        plan, watch = self.plan, self.job.watch
        last = min(watch.stop_after or plan.steps, plan.steps)
        if log is not None:
            log.say(
                f"{self.model.num_parameters:,} parameters, steps {first:,}-{last:,} of {plan.steps:,} on "
                f"{self.ranks.size} x {self.ranks.device.type}, {str(self.dtype).removeprefix('torch.')}"
            )
        peak = peak_flops(self.ranks.device, self.dtype) * self.ranks.size
        if first:
            self._evaluate(first, last, log)  # where a run stopped in its evaluation
        began = time.perf_counter()
        for step in range(first, last):
            values = self._one(step)
            now = time.perf_counter()
            speed, began = plan.batch_windows * plan.seq_len / (now - began), now
            if log is not None:
                fast = {"tokens_per_s": round(speed, 1), "mfu": round(speed * self.flops / peak, 4)}
                log.step({**values, **fast, **self._spent()}, last)
            if watch.saves(step + 1, last, plan.steps):
                self._save(step + 1, log)
                self._evaluate(step + 1, last, log)
                began = time.perf_counter()  # checkpoints and evaluations are not training

    def _one(self, step: int) -> dict[str, float]:
        """Take one step and return what it measured."""
        lr = self.plan.optimizer.lr * self.plan.schedule(step, self.plan.steps)
        set_rate(self.optimizers, lr)
        loss, z = self._backward(step)
        norm = clip_grad_norm_(self.model.parameters(), self.plan.optimizer.clip)
        values = {"step": step, "loss": loss, "lr": lr, "grad_norm": whole(norm).item()}
        if self.plan.z_loss:
            values["z"] = z
        if not math.isfinite(loss) or not math.isfinite(values["grad_norm"]):
            raise FloatingPointError(self._diverged(values))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return values

    def _backward(self, step: int) -> tuple[float, float]:
        """Add up a step's gradients; return its mean cross-entropy and its mean squared log Z over all ranks."""
        ranks, device = self.ranks, self.ranks.device
        batch = torch.from_numpy(self.job.mixture.batch_at(step, ranks.rank, ranks.size)).to(device, non_blocking=True)
        # ranks average their gradients, so each counts its own rows as the whole step
        scale = torch.tensor(1.0 / (batch.shape[0] * self.plan.seq_len), device=device)
        parts = batch.split(self.micro)
        sums = torch.zeros(2, device=device)
        for number, part in enumerate(parts):
            with gradients(self.step, last=number + 1 == len(parts)):
                to_minimise, nll, z = self._objective(part, scale)
                to_minimise.backward()  # type: ignore[no-untyped-call]
            sums += torch.stack([nll, z])
        loss, z_mean = ranks.mean(sums).tolist()
        return loss, z_mean

    def _objective(self, part: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, targets = part[:, :-1], part[:, 1:]
        documents = document_numbers(inputs, self.job.mixture.end_of_text) if self.plan.mask_documents else None
        with torch.autocast(self.ranks.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            parts: tuple[Tensor, Tensor, Tensor] = self.step(inputs, targets, documents, scale)
        return parts

    def _spent(self) -> dict[str, float]:
        """Return when this is, and the most memory that this process and its GPU have held."""
        told = {"unix": round(time.time(), 3), "peak_bytes": peak_bytes()}
        return told | ({"gpu_peak_bytes": torch.cuda.max_memory_allocated(self.ranks.device)} if self.on_gpu else {})

    @property
    def _sliced(self) -> bool:
        """Whether each rank holds a slice, so that a tensor in one piece takes all of them."""
        return self.ranks.size > 1 and self.job.machine.sharding == "fsdp"

    def _save(self, step: int, log: RunLog | None) -> None:
        """Write the checkpoint after `step` steps; all ranks give their slices, the first one writes."""
        target = checkpoint_at(self.job.out, step)
        if self.ranks.same(target.exists()):
            return
        if log is None and not self._sliced:
            return  # the first rank has everything; a copy on each of a host's ranks might not fit its memory
        model, optimizer = whole_model(self.model), optimizer_state(self.optimizers, self.model)
        if log is None:
            return
        log.keep()
        mixture = self.job.mixture
        state = {
            "step": step,
            "rate": rate_after(self.plan, step),
            "tokenizer": mixture.tokens.fingerprint["tokenizer"],
            "plan": asdict(self.plan),
            "drawn": mixture.drawn(step),
        }
        write_checkpoint(target, model, mixture.tokens.tokenizer, optimizer, state)
        prune(self.job.out, self.job.watch.keep)

    def _evaluate(self, step: int, last: int, log: RunLog | None) -> None:
        """Look at held-out data with the weights of the checkpoint just written; other ranks wait in the next step."""
        evaluate = self.job.watch.evaluate
        looks = self.job.watch.evaluates(step, last)
        if evaluate is not None and log is not None and looks and step not in log.evaluated:
            model = load_checkpoint_model(checkpoint_at(self.job.out, step)) if self._sliced else self.model
            with torch.no_grad():
                values = evaluate(model.to(self.ranks.device).eval(), step)
            model.train()
            log.evaluation({"step": step, "tokens": step * self.plan.batch_windows * self.plan.seq_len, **values})

    def _diverged(self, values: dict[str, float]) -> str:
        latest = last_checkpoint(self.job.out)
        return (
            f"step {values['step']}: loss {values['loss']}, gradient norm {values['grad_norm']}; weights unchanged. "
            f"The last checkpoint is {latest or 'none yet'}. In a fresh folder, try half the learning rate "
            f"({self.plan.optimizer.lr / 2:g}) or a longer warm-up; "
            f"`curate batch {self.job.out} {values['step']}` names the documents of this step"
        )


def rate_after(plan: Plan, step: int) -> float:
    """Return the multiple of the peak rate of the step that would follow; 1 in the stable phase.

    After the last one the stable phase goes on only where nothing decays.
    """
    if step < plan.steps:
        return plan.schedule(step, plan.steps)
    return 1.0 if isinstance(plan.schedule, WSD) and plan.schedule.decay == 0 else 0.0


def micro_windows(windows: int, seq_len: int, micro_tokens: int) -> int:
    """Return the most windows that divide a rank's rows and hold at most `micro_tokens` (at least one window)."""
    most = micro_tokens // seq_len
    fitting = [n for n in range(1, windows + 1) if windows % n == 0 and n <= most]
    return max(fitting, default=1)
