"""Train a model on token corpora: `pretrain` from random weights, `anneal` from a stable-phase checkpoint.

    pretrain({"tokens/edu": 0.8, "tokens/code": 0.2}, "runs/stable", model="1m", num_tokens=10_000_000, decay=0)
    anneal("runs/stable", {"tokens/best": 1.0}, "runs/annealed", steps=200)

A run is a folder: `run.json` (what is trained on what), `log.jsonl` (one line per step), `checkpoints/step-000100/`
(weights, optimiser state, step) and, at the end, `hf/` for transformers. A checkpoint is written under another name
and renamed, so one that is there is whole. The state of a run is its step and the tensors: the same call again goes on
from the last checkpoint, and the losses are those of a run that was never stopped. All checkpoints are kept, because
any of the stable phase can be annealed. One process and one device; bfloat16 and torch.compile where that device is a
CUDA GPU (on CPUs without bfloat16 units both are slower).
"""

import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from curate.train.data import Mixture
from curate.train.export import export, load_checkpoint_model, save_checkpoint_model
from curate.train.model import Llama, Size, model_config
from curate.train.optim import AdamW, set_rate
from curate.train.schedule import WSD, Cosine

Weights = str | os.PathLike[str] | Mapping[str, float]
MICRO_TOKENS = 16_384
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Trained:
    """What a run leaves behind."""

    path: Path
    model: Path | None  # Hugging Face folder; None if the run stopped before its last step
    checkpoint: Path
    step: int
    num_parameters: int
    num_tokens: int  # seen, epochs counted again
    loss: float  # mean of the last tenth of the steps, nats per token
    epochs: dict[str, float]  # how often each corpus was read


@dataclass(frozen=True)
class Plan:
    """Everything that decides the result of a run, next to its first weights."""

    steps: int
    seq_len: int
    batch_windows: int
    schedule: WSD | Cosine
    optimizer: AdamW
    seed: int


def pretrain(
    tokens: Weights,
    out: str | os.PathLike[str],
    *,
    model: str | Size = "1m",
    steps: int | None = None,
    num_tokens: int | None = None,
    seq_len: int = 256,
    batch_tokens: int = 4096,
    lr: float = 3e-3,
    warmup: int | None = None,
    decay: int | None = None,
    shape: Literal["linear", "1-sqrt", "cosine"] = "1-sqrt",
    seed: int = 0,
    checkpoint_every: int | None = None,
    micro_tokens: int = MICRO_TOKENS,
    threads: int | None = None,
    device: str | None = None,
    stop_after: int | None = None,
    quiet: bool = False,
) -> Trained:
    """Train a new model; call it again to go on after an interruption.

    Args:
        tokens: a folder that `tokenize` wrote, or a mapping of folders to weights.
        steps: optimiser steps; or give `num_tokens`. Neither means 20 tokens per parameter (Hoffmann et al. 2022).
        warmup, decay: in steps; 2 % and 20 % of the run by default. decay=0 stays at the peak, ready to anneal.
        checkpoint_every: in steps; a tenth of the run by default.
        micro_tokens: of one forward and backward pass; memory grows with it, a larger batch is accumulated.
        stop_after: stop after this step (with a checkpoint); the next call goes on.
    """
    paths = tokens if isinstance(tokens, Mapping) else {os.fspath(tokens): 1.0}
    batch_windows = _batch_windows(batch_tokens, seq_len)
    mixture = Mixture(paths, seq_len=seq_len, batch_windows=batch_windows, seed=seed)
    network = Llama(model_config(model, mixture.tokens.vocab_size, seq_len), seed)
    steps = _steps(steps, num_tokens, 20 * network.num_parameters, batch_windows * seq_len)
    warmup = max(round(0.02 * steps), 1) if warmup is None else warmup
    decay = round(0.2 * steps) if decay is None else decay
    if warmup + decay > steps:
        raise ValueError(f"warm-up ({warmup}) and decay ({decay}) are longer than the run of {steps} steps")
    schedule = Cosine(warmup) if shape == "cosine" else WSD(warmup, decay, shape)
    plan = Plan(steps, seq_len, batch_windows, schedule, AdamW(lr=lr), seed)
    machine = _Machine(micro_tokens, threads, device)
    run = _Run(Path(out), plan, mixture, {"model": asdict(network.config)}, machine, quiet)
    return run.train(network, None, checkpoint_every, stop_after)


def anneal(
    checkpoint: str | os.PathLike[str],
    tokens: Weights,
    out: str | os.PathLike[str],
    *,
    steps: int | None = None,
    num_tokens: int | None = None,
    batch_tokens: int | None = None,
    shape: Literal["linear", "1-sqrt"] = "1-sqrt",
    seed: int = 0,
    checkpoint_every: int | None = None,
    micro_tokens: int = MICRO_TOKENS,
    threads: int | None = None,
    device: str | None = None,
    stop_after: int | None = None,
    quiet: bool = False,
) -> Trained:
    """Decay the learning rate to zero from a stable-phase checkpoint, on another mixture.

    Args:
        checkpoint: a checkpoint folder, or a run, whose last checkpoint is taken. Its optimiser state goes on.
        steps: of the decay; a quarter of the steps before it by default, which makes 20 % of the whole as in SmolLM.
    """
    start = _last_checkpoint(Path(checkpoint)) or Path(checkpoint)
    state = _read_state(start)
    if state["rate"] != 1.0:
        raise ValueError(
            f"{start} is not of the stable phase: its learning rate is {state['rate']:.2f} of the peak. "
            "Anneal from an earlier checkpoint, or pretrain with decay=0"
        )
    paths = tokens if isinstance(tokens, Mapping) else {os.fspath(tokens): 1.0}
    seq_len = state["plan"]["seq_len"]
    windows = _batch_windows(batch_tokens, seq_len) if batch_tokens else state["plan"]["batch_windows"]
    mixture = Mixture(paths, seq_len=seq_len, batch_windows=windows, seed=seed)
    if mixture.tokens.fingerprint["tokenizer"] != state["tokenizer"]:
        raise ValueError(f"{start} has another tokenizer than {mixture.tokens.path}; tokenize with the one it holds")
    steps = _steps(steps, num_tokens, max(state["step"] // 4, 1) * windows * seq_len, windows * seq_len)
    settings = state["plan"]["optimizer"]
    optimizer = AdamW(**{**settings, "betas": tuple(settings["betas"])})
    plan = Plan(steps, seq_len, windows, WSD(0, steps, shape), optimizer, seed)
    origin = {"annealed_from": {"path": str(start), "step": state["step"]}}
    run = _Run(Path(out), plan, mixture, origin, _Machine(micro_tokens, threads, device), quiet)
    return run.train(load_checkpoint_model(start), start, checkpoint_every, stop_after)


@dataclass(frozen=True)
class _Machine:
    """What differs by machine and changes results by rounding only."""

    micro_tokens: int
    threads: int | None
    device: str | None


class _Run:
    """One run's folder and the loop that fills it."""

    def __init__(
        self, out: Path, plan: Plan, mixture: Mixture, origin: dict[str, Any], machine: _Machine, quiet: bool
    ) -> None:
        self.out, self.plan, self.mixture, self.machine, self.quiet = out, plan, mixture, machine, quiet
        data = [
            {"path": path, "share_of_rest": share, **tokens.fingerprint}
            for (path, tokens), share in zip(mixture.corpora.items(), mixture.shares, strict=True)
        ]
        self.recipe = json.loads(json.dumps({**origin, "plan": asdict(plan), "data": data}))

    def train(self, model: Llama, start: Path | None, checkpoint_every: int | None, stop_after: int | None) -> Trained:
        self._claim_folder()
        if self.machine.threads is not None:
            torch.set_num_threads(self.machine.threads)
        device = torch.device(self.machine.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        latest = _last_checkpoint(self.out)
        source = latest or start
        if latest is not None:
            model = load_checkpoint_model(latest)
        model.to(device)
        optimizer = self.plan.optimizer.optimizer(model)
        if source is not None:
            optimizer.load_state_dict(torch.load(source / "optimizer.pt", device, weights_only=True))
        first = _read_state(latest)["step"] if latest is not None else 0
        self._forget_log_after(first)
        last = min(stop_after or self.plan.steps, self.plan.steps)
        every = checkpoint_every or max(self.plan.steps // 10, 1)
        self._say(f"{model.num_parameters:,} parameters, steps {first}-{last} of {self.plan.steps} on {device}")
        self._steps(model, optimizer, first, last, every)
        return self._result(model)

    def _steps(self, model: Llama, optimizer: torch.optim.AdamW, first: int, last: int, every: int) -> None:
        device = next(model.parameters()).device
        on_gpu = device.type == "cuda"
        loss_of = torch.compile(model.loss) if on_gpu else model.loss
        micro = _micro_windows(self.plan, self.machine.micro_tokens)
        began = said = time.monotonic()
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
            for step in range(first, last):
                step_began = time.monotonic()
                lr = self.plan.optimizer.lr * self.plan.schedule(step, self.plan.steps)
                set_rate(optimizer, lr)
                batch = torch.from_numpy(self.mixture.batch_at(step)).to(device)
                loss = torch.zeros((), device=device)
                for part in batch.split(micro):
                    with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
                        part_loss = loss_of(part[:, :-1], part[:, 1:]) * (len(part) / len(batch))
                    part_loss.backward()
                    loss += part_loss.detach()
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), self.plan.optimizer.clip)
                values = {"step": step, "loss": loss.item(), "lr": lr, "grad_norm": norm.item()}
                if not math.isfinite(values["loss"]) or not math.isfinite(values["grad_norm"]):
                    raise FloatingPointError(self._diverged(values))
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                now = time.monotonic()
                speed = self.plan.batch_windows * self.plan.seq_len / (now - step_began)
                log.write(json.dumps({**values, "tokens_per_s": round(speed)}) + "\n")
                if now - said > PROGRESS_SECONDS:
                    said = now
                    self._say_progress(step + 1 - first, last - step - 1, values["loss"], now - began)
                if (step + 1) % every == 0 or step + 1 == last:
                    log.flush()
                    self._save(model, optimizer, step + 1)

    def _save(self, model: Llama, optimizer: torch.optim.AdamW, step: int) -> None:
        """Write the checkpoint after `step` steps and rename it into place."""
        target = self.out / "checkpoints" / f"step-{step:06d}"
        if target.exists():
            return
        partial = target.with_name(f".{target.name}.tmp")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_checkpoint_model(model, self.mixture.tokens.tokenizer, partial)
        torch.save(optimizer.state_dict(), partial / "optimizer.pt")
        state = {
            "step": step,
            "rate": self.plan.schedule(step, self.plan.steps) if step < self.plan.steps else self._final_rate(),
            "tokenizer": self.mixture.tokens.fingerprint["tokenizer"],
            "plan": asdict(self.plan),
        }
        (partial / "state.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        partial.replace(target)

    def _final_rate(self) -> float:
        """Return the multiple a further step would have: the stable phase goes on only where nothing decays."""
        stable = isinstance(self.plan.schedule, WSD) and self.plan.schedule.decay == 0
        return 1.0 if stable else 0.0

    def _claim_folder(self) -> None:
        """Write the recipe, or check that the folder holds this very run."""
        file = self.out / "run.json"
        self.out.mkdir(parents=True, exist_ok=True)
        if file.exists():
            before = json.loads(file.read_text())
            different = [name for name in self.recipe if before.get(name) != self.recipe[name]]
            if different or before.keys() != self.recipe.keys():
                raise ValueError(
                    f"{self.out} holds a run with another {' and '.join(different) or 'origin'} (see its run.json); "
                    "choose another folder, or delete this one"
                )
            return
        partial = self.out / ".run.json.tmp"
        partial.write_text(json.dumps(self.recipe, indent=2) + "\n", encoding="utf-8")
        partial.replace(file)

    def _forget_log_after(self, step: int) -> None:
        """Keep the log's lines of the steps that the checkpoint holds; the rest is run again."""
        file = self.out / "log.jsonl"
        if file.exists():
            kept = file.read_text().splitlines()[:step]
            partial = self.out / ".log.jsonl.tmp"
            partial.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
            partial.replace(file)

    def _result(self, model: Llama) -> Trained:
        checkpoint = _last_checkpoint(self.out)
        assert checkpoint is not None
        step = _read_state(checkpoint)["step"]
        losses = [line["loss"] for line in read_log(self.out)]
        tail = losses[-max(len(losses) // 10, 1) :]
        return Trained(
            path=self.out,
            model=export(checkpoint, self.out / "hf") if step == self.plan.steps else None,
            checkpoint=checkpoint,
            step=step,
            num_parameters=model.num_parameters,
            num_tokens=step * self.plan.batch_windows * self.plan.seq_len,
            loss=sum(tail) / len(tail),
            epochs=self.mixture.epochs(step),
        )

    def _diverged(self, values: dict[str, float]) -> str:
        latest = _last_checkpoint(self.out)
        return (
            f"step {values['step']}: loss {values['loss']}, gradient norm {values['grad_norm']}; weights unchanged. "
            f"The last checkpoint is {latest or 'none yet'}. In a fresh folder, try half the learning rate "
            f"({self.plan.optimizer.lr / 2:g}) or a longer warm-up; Mixture.batch_at({values['step']}) is what it read"
        )

    def _say_progress(self, done: int, to_do: int, loss: float, seconds: float) -> None:
        speed = done * self.plan.batch_windows * self.plan.seq_len / seconds
        left = seconds / done * to_do
        self._say(f"{to_do} steps to go  loss {loss:.3f}  {speed:,.0f} tokens/s  {left:.0f} s left")

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(f"train {self.out.name}: {line}", flush=True)


def read_log(run: str | os.PathLike[str]) -> list[dict[str, float]]:
    """Return the log of a run, one dict per step."""
    with Path(run, "log.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _last_checkpoint(run: Path) -> Path | None:
    return max((run / "checkpoints").glob("step-*"), key=lambda path: int(path.name[5:]), default=None)


def _read_state(checkpoint: Path) -> dict[str, Any]:
    file = checkpoint / "state.json"
    if not file.exists():
        raise FileNotFoundError(f"{checkpoint} is neither a run nor a checkpoint of one; it has no state.json")
    return dict(json.loads(file.read_text()))


def _steps(steps: int | None, num_tokens: int | None, default_tokens: int, batch_tokens: int) -> int:
    if steps is not None and num_tokens is not None:
        raise ValueError("give steps or num_tokens, not both")
    wanted = steps if steps is not None else math.ceil((num_tokens or default_tokens) / batch_tokens)
    if wanted < 1:
        raise ValueError(f"{wanted} steps; a run needs at least one")
    return wanted


def _batch_windows(batch_tokens: int, seq_len: int) -> int:
    if batch_tokens % seq_len:
        raise ValueError(f"batch_tokens {batch_tokens} must be a multiple of seq_len {seq_len}")
    return batch_tokens // seq_len


def _micro_windows(plan: Plan, micro_tokens: int) -> int:
    """Return the most windows that divide the batch and hold at most `micro_tokens` (at least one window)."""
    most = micro_tokens // plan.seq_len
    fitting = [n for n in range(1, plan.batch_windows + 1) if plan.batch_windows % n == 0 and n <= most]
    return max(fitting, default=1)
