"""Train a model on token corpora: `pretrain` from random weights, `anneal` from a stable-phase checkpoint.

    pretrain({"tokens/edu": 0.8, "tokens/code": 0.2}, "runs/stable", model="1m", num_tokens=10_000_000, decay=0)
    anneal("runs/stable", {"tokens/best": 1.0}, "runs/annealed", steps=200)

A run is a folder: `run.json` (what is trained on what), `log.jsonl` (one line per step), `evaluations.jsonl`,
`checkpoints/step-000100/` and, at the end, `hf/` for transformers. The same call again goes on from the last
checkpoint, and its losses are those of a run that was never stopped. One loop for all machines: a CPU, a GPU (bfloat16
and torch.compile), `torchrun -m curate.cli pretrain ...`, and Ray Train with any number of workers, which start again
from the last checkpoint when one is lost. With several processes `out` and the tokens are on a disk that all see.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist

from curate.cluster import train_on_ray
from curate.train.checkpoint import last_checkpoint, read_state
from curate.train.data import Blend, Mixture, Phase
from curate.train.export import export, load_checkpoint_model
from curate.train.held_out import HeldOut
from curate.train.job import Evaluate, Job, Machine, Plan, Precision, Watch, micro_windows
from curate.train.log import Track, read_log
from curate.train.model import Llama, ModelConfig, Size, model_config
from curate.train.optim import AdamW, Muon, Settings, settings_of
from curate.train.parallel import Sharding
from curate.train.schedule import WSD, Cosine

__all__ = ["Evaluate", "Plan", "Trained", "anneal", "micro_windows", "pretrain", "read_log"]

MICRO_TOKENS = 16_384


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


def pretrain(
    tokens: Blend,
    out: str | os.PathLike[str],
    *,
    model: str | Size = "1m",
    steps: int | None = None,
    num_tokens: int | None = None,
    seq_len: int = 256,
    batch_tokens: int = 4096,
    optimizer: Settings | Literal["adamw", "muon"] = "adamw",
    lr: float | None = None,
    warmup: int | None = None,
    decay: int | None = None,
    shape: Literal["linear", "1-sqrt", "cosine"] = "1-sqrt",
    z_loss: float = 0.0,
    mask_documents: bool = False,
    seed: int = 0,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    micro_tokens: int = MICRO_TOKENS,
    threads: int | None = None,
    device: str | None = None,
    precision: Precision | None = None,
    compile: bool | None = None,
    ray: str | None = None,
    workers: int = 1,
    sharding: Sharding = "ddp",
    track: Track | None = None,
    stop_after: int | None = None,
    quiet: bool = False,
) -> Trained:
    """Train a new model; call it again to go on after an interruption.

    Args:
        tokens: a folder that `tokenize` wrote, a mapping of folders to weights, or phases of such mappings.
        steps: optimiser steps; or give `num_tokens`. Neither means 20 tokens per parameter (Hoffmann et al. 2022).
        optimizer: settings, or a name for the settings by default.
        lr: peak rate, in place of the one in the settings.
        warmup, decay: in steps; 2 % and 20 % of the run by default. decay=0 stays at the peak, ready to anneal.
        z_loss: weight of the squared log of the softmax's denominator; PaLM and DCLM take 1e-4.
        mask_documents: keep attention within documents.
        checkpoint_every: in steps; a tenth of the run by default.
        keep: checkpoints to keep of the stable phase, and as many of the rest; all by default.
        evaluate: called with (model, steps done) every `evaluate_every` steps and at the end, once a checkpoint of
            that step is safe; `curate.train.held_out.HeldOut` is one.
        micro_tokens: of one forward and backward pass on one process; a larger batch is accumulated.
        precision: of the products, bfloat16 on GPUs by default; weights and optimiser state are float32.
        compile: torch.compile, by default on GPUs.
        ray: local, auto or an address: run under Ray Train. In this process by default.
        workers: Ray's processes that share each step's batch, a GPU each where there are any; torchrun tells its own.
        sharding: ddp, or fsdp for models that do not fit beside their optimiser.
        track: also send values to trackio or wandb.
        stop_after: stop after this step (with a checkpoint); the next call goes on.
    """
    batch_windows = _batch_windows(batch_tokens, seq_len)
    mixture = Mixture(tokens, seq_len=seq_len, batch_windows=batch_windows, seed=seed)
    config = model_config(model, mixture.tokens.vocab_size, seq_len)
    steps = _steps(steps, num_tokens, 20 * _num_parameters(config), batch_windows * seq_len)
    if shape == "cosine" and decay:
        raise ValueError(f"cosine decays from the warm-up to the end; leave out decay ({decay}), or choose linear")
    warmup = max(round(0.02 * steps), 1) if warmup is None else warmup
    decay = (0 if shape == "cosine" else round(0.2 * steps)) if decay is None else decay
    if min(warmup, decay) < 0:
        raise ValueError(f"warm-up ({warmup}) and decay ({decay}) are numbers of steps, 0 or more")
    if warmup + decay > steps:
        raise ValueError(f"warm-up ({warmup}) and decay ({decay}) are longer than the run of {steps} steps")
    schedule = Cosine(warmup) if shape == "cosine" else WSD(warmup, decay, shape)
    settings = _settings(optimizer, lr)
    plan = Plan(steps, seq_len, batch_windows, schedule, settings, seed, z_loss, mask_documents)
    machine = Machine(micro_tokens, threads, device, precision, compile, sharding)
    watch = Watch(checkpoint_every, keep, evaluate, evaluate_every, track, stop_after, quiet)
    recipe = _recipe({"model": asdict(config)}, plan, mixture)
    job = Job(Path(out).absolute(), plan, tokens, config, None, None, machine, watch, recipe)
    return _train(job, ray, workers)


def anneal(
    checkpoint: str | os.PathLike[str],
    tokens: Blend,
    out: str | os.PathLike[str],
    *,
    steps: int | None = None,
    num_tokens: int | None = None,
    batch_tokens: int | None = None,
    shape: Literal["linear", "1-sqrt", "constant"] = "1-sqrt",
    seed: int | None = None,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    evaluate: Evaluate | None = None,
    evaluate_every: int | None = None,
    micro_tokens: int = MICRO_TOKENS,
    threads: int | None = None,
    device: str | None = None,
    precision: Precision | None = None,
    compile: bool | None = None,
    ray: str | None = None,
    workers: int = 1,
    sharding: Sharding = "ddp",
    track: Track | None = None,
    stop_after: int | None = None,
    quiet: bool = False,
) -> Trained:
    """Decay the learning rate to zero from a stable-phase checkpoint, on another mixture or the same.

    Corpora that were read before go on where the checkpoint stopped, if the seed is the same. The optimiser's state and
    settings, z-loss and the masking of documents go on as they were.

    Args:
        checkpoint: a checkpoint folder, or a run, whose last checkpoint is taken.
        steps: of the decay; a quarter of the steps before it by default, which makes 20 % of the whole as in SmolLM.
            Steps of earlier runs count as far as their order of data goes on.
        shape: constant goes on with the stable phase, ready to anneal.
        seed: of the order of the data; by default the one before.
    """
    start, state = stable_state(checkpoint)
    before = state["plan"]
    seq_len, seed = before["seq_len"], before["seed"] if seed is None else seed
    windows = _batch_windows(batch_tokens, seq_len) if batch_tokens else before["batch_windows"]
    drawn = state["drawn"] if seed == before["seed"] else None
    mixture = Mixture(tokens, seq_len=seq_len, batch_windows=windows, seed=seed, drawn=drawn)
    if mixture.tokens.fingerprint["tokenizer"] != state["tokenizer"]:
        raise ValueError(f"{start} has another tokenizer than {mixture.tokens.path}; tokenize with the one it holds")
    taken = sum(state["drawn"].values()) // before["batch_windows"]  # steps, of the runs that this one went on from too
    steps = _steps(steps, num_tokens, max(taken // 4, 1) * windows * seq_len, windows * seq_len)
    schedule = WSD(0, 0) if shape == "constant" else WSD(0, steps, shape)
    settings = settings_of(before["optimizer"])
    plan = Plan(steps, seq_len, windows, schedule, settings, seed, before["z_loss"], before["mask_documents"])
    machine = Machine(micro_tokens, threads, device, precision, compile, sharding)
    watch = Watch(checkpoint_every, keep, evaluate, evaluate_every, track, stop_after, quiet)
    config = load_checkpoint_model(start).config
    origin: dict[str, Any] = {"annealed_from": {"path": str(start), "step": state["step"]}}
    recipe = _recipe(origin | ({"drawn": drawn} if drawn else {}), plan, mixture)
    job = Job(Path(out).absolute(), plan, tokens, config, start.absolute(), drawn, machine, watch, recipe)
    return _train(job, ray, workers)


def stable_state(checkpoint: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]]:
    """Return the checkpoint, of a run its last one, and its state.

    Raises:
        ValueError: it is of a warm-up or a decay.
    """
    start = last_checkpoint(Path(checkpoint)) or Path(checkpoint)
    state = read_state(start)
    if state["rate"] != 1.0:
        raise ValueError(
            f"{start} is not of the stable phase: its learning rate is {state['rate']:.2f} of the peak. "
            "Anneal from an earlier checkpoint, or pretrain with decay=0"
        )
    return start, state


def _train(job: Job, ray: str | None, workers: int) -> Trained:
    """Run the job where it belongs and read its result from its folder."""
    _refuse_below_one(job, workers)
    if isinstance(job.watch.evaluate, HeldOut):
        job.watch.evaluate.refuse_other_tokenizers(job.mixture.tokens)
    if job.plan.batch_windows % workers:
        raise ValueError(f"a batch of {job.plan.batch_windows} windows does not divide by {workers} workers")
    if ray in (None, "none"):
        if workers != 1:
            raise ValueError(f"{workers} workers need an engine: add --ray local (or --ray auto on a cluster)")
        job()
    else:
        gpus = (job.machine.device or "cuda").startswith("cuda")
        train_on_ray(from_anywhere(job), ray=ray, workers=workers, gpus=gpus)
    return _result(job)


def _refuse_below_one(job: Job, workers: int) -> None:
    watch, machine = job.watch, job.machine
    counts = {
        "checkpoint_every": watch.checkpoint_every,
        "keep": watch.keep,
        "evaluate_every": watch.evaluate_every,
        "stop_after": watch.stop_after,
        "micro_tokens": machine.micro_tokens,
        "threads": machine.threads,
        "workers": workers,
    }
    wrong = [f"{name} is {count}" for name, count in counts.items() if count is not None and count < 1]
    if wrong:
        raise ValueError(f"{' and '.join(wrong)}; give 1 or more, or leave it out")


def from_anywhere(job: Job) -> Job:
    """Return a job that names its folders from the root: Ray Train has each worker stand in a folder of its own."""

    def rooted(path: str) -> str:
        return f"{Path(path).absolute()}"

    phases = [
        Phase(phase.until, {rooted(path): weight for path, weight in phase.weights.items()})
        for phase in job.mixture.phases
    ]
    look = job.watch.evaluate
    if isinstance(look, HeldOut):
        look = replace(look, corpora={name: rooted(path) for name, path in look.corpora.items()})
    return replace(job, blend=phases, watch=replace(job.watch, evaluate=look))


def _result(job: Job) -> Trained:
    checkpoint = last_checkpoint(job.out)
    assert checkpoint is not None
    step = read_state(checkpoint)["step"]
    losses = [line["loss"] for line in read_log(job.out)]
    tail = losses[-max(len(losses) // 10, 1) :]
    finished = step == job.plan.steps
    if finished and (not dist.is_initialized() or dist.get_rank() == 0):
        export(checkpoint, job.out / "hf", run=job.out)
    return Trained(
        path=job.out,
        model=job.out / "hf" if finished else None,
        checkpoint=checkpoint,
        step=step,
        num_parameters=_num_parameters(job.config),
        num_tokens=step * job.plan.batch_windows * job.plan.seq_len,
        loss=sum(tail) / len(tail),
        epochs=job.mixture.epochs(step),
    )


def _recipe(origin: dict[str, Any], plan: Plan, mixture: Mixture) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads(json.dumps({**origin, "plan": asdict(plan), "data": mixture.recipe()}))
    return recipe


def _settings(optimizer: Settings | Literal["adamw", "muon"], lr: float | None) -> Settings:
    kinds: dict[str, Callable[..., Settings]] = {"adamw": AdamW, "muon": Muon}
    if isinstance(optimizer, str):
        if optimizer not in kinds:
            raise ValueError(f"no optimizer {optimizer!r}; there are {', '.join(kinds)}")
        return kinds[optimizer]() if lr is None else kinds[optimizer](lr=lr)
    return optimizer if lr is None else type(optimizer)(**{**vars(optimizer), "lr": lr})


def _num_parameters(config: ModelConfig) -> int:
    with torch.device("meta"):
        return Llama(config).num_parameters


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
