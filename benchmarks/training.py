"""The trainer beside its peers: speed, agreement with a reference implementation, and what annealing is worth.

    python benchmarks/training.py speed TOKENS                              # tokens/s beside peers, interleaved
    python benchmarks/training.py reference TOKENS --out OUT                # loss beside transformers + torch AdamW
    python benchmarks/training.py anneal MIXTURE BEST HELD_OUT --out OUT    # best data or mixture, paired seeds

TOKENS, MIXTURE, BEST and HELD_OUT are folders that `curate tokenize` wrote. `reference` and `anneal` can be stopped and
started again at any time: they go on from their checkpoints.
"""

import importlib.util
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from torch import nn

from curate.allocator import keep_freed_memory
from curate.train.data import Mixture
from curate.train.export import PREFIX, llama_config
from curate.train.held_out import HeldOut
from curate.train.log import EVALUATIONS
from curate.train.loop import anneal as continue_run
from curate.train.loop import pretrain, read_log
from curate.train.model import Llama, model_config
from curate.train.schedule import WSD

app = App(help=__doc__)
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}  # quantiles of Student's t by degrees of freedom


@app.command
def speed(
    tokens: str, *, models: Sequence[str] = ("1m", "5m", "15m"), rounds: int = 3, steps: int = 4, seq_len: int = 512
) -> None:
    """Tokens per second on one thread: our trainer, a bare loop of our model, transformers' Trainer, litgpt's loop.

    All take the same batches of 8 windows, AdamW (fused), clipping at 1 and float32, in turn: a round is `steps` steps
    of each, the first of which is not counted. Printed are medians over all rounds. litgpt is left out where it is
    not installed; its model and loss run in the steps of its `pretrain`, without Lightning Fabric around them.

    Args:
        tokens: folder of tokens; its vocabulary is the models'.
        models: sizes.
        rounds: times that each has its turn.
        steps: of a turn.
        seq_len: tokens in a window.
    """
    torch.set_num_threads(1)
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            mixture = Mixture(tokens, seq_len=seq_len, batch_windows=8, seed=0)
            contenders: dict[str, Contender] = {
                "curate": Ours(tokens, Path(folder), model, rounds * steps, seq_len),
                "bare loop": Bare(Llama(model_config(model, mixture.tokens.vocab_size, seq_len), seed=0)),
                "transformers Trainer": Trainer(twin(Llama(model_config(model, mixture.tokens.vocab_size, seq_len)))),
            }
            if importlib.util.find_spec("litgpt"):
                contenders["litgpt"] = litgpt_model(model, mixture.tokens.vocab_size, seq_len)
            seconds: dict[str, list[float]] = {name: [] for name in contenders}
            for turn in range(rounds):
                batches = [torch.from_numpy(mixture.batch_at(turn * steps + n)) for n in range(steps)]
                for name, contender in contenders.items():
                    seconds[name] += contender(batches)[1:]
        rates = {name: 8 * seq_len / statistics.median(times) for name, times in seconds.items()}
        for name, rate in rates.items():
            print(
                f"{model:>4}  {name:<22} {rate:>9,.0f} tokens/s   curate is {rates['curate'] / rate:.2f} x", flush=True
            )


Contender = Callable[[list[torch.Tensor]], list[float]]  # batches (8, seq_len + 1) -> seconds of each step


class Ours:
    """`pretrain` itself, stopped after each turn; seconds are those its log tells, data and logging included."""

    def __init__(self, tokens: str, out: Path, model: str, steps: int, seq_len: int) -> None:
        self.done, self.batch, sizes = 0, 8 * seq_len, {"seq_len": seq_len, "batch_tokens": 8 * seq_len}
        rest = {"checkpoint_every": steps, "threads": 1, "device": "cpu", "quiet": True}
        self.run: Any = partial(pretrain, tokens, out, model=model, steps=steps, **sizes, **rest)

    def __call__(self, batches: list[torch.Tensor]) -> list[float]:
        before, self.done = self.done, self.done + len(batches)
        trained = self.run(stop_after=self.done)
        return [self.batch / line["tokens_per_s"] for line in read_log(trained.path)[before:]]


class Bare:
    """Forward, backward, clip, step, with the batch in memory and nothing else; `forward` returns the mean loss."""

    def __init__(self, model: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        self.model, self.forward = model, forward or (lambda batch: model.loss(batch[:, :-1], batch[:, 1:]))
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95), fused=True)

    def __call__(self, batches: list[torch.Tensor]) -> list[float]:
        seconds = []
        for batch in batches:
            began = time.perf_counter()
            self.forward(batch).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            seconds.append(time.perf_counter() - began)
        return seconds


class Trainer:
    """transformers' Trainer, timed from step to step."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, batches: list[torch.Tensor]) -> list[float]:
        import transformers

        ends: list[float] = []

        class Clock(transformers.TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                ends.append(time.perf_counter())

        rows = [{"input_ids": row[:-1], "labels": row[:-1]} for batch in batches for row in batch]
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                folder, per_device_train_batch_size=8, max_steps=len(batches), optim="adamw_torch_fused", use_cpu=True,
                learning_rate=3e-3, adam_beta2=0.95, lr_scheduler_type="constant", report_to="none", save_strategy="no",
                disable_tqdm=True, logging_strategy="no",
            )  # fmt: skip
            trainer = transformers.Trainer(self.model, arguments, train_dataset=rows, callbacks=[Clock()])
            began = time.perf_counter()
            trainer.train()
        return [b - a for a, b in itertools.pairwise([began, *ends])]


def twin(ours: Llama) -> nn.Module:
    """Return transformers' model with the weights of ours."""
    from transformers import LlamaConfig, LlamaForCausalLM

    theirs = LlamaForCausalLM(LlamaConfig(**llama_config(ours.config, 0)))
    theirs.load_state_dict({PREFIX + name: tensor for name, tensor in ours.state_dict().items()}, strict=False)
    return theirs


def litgpt_model(size: str, vocab_size: int, seq_len: int) -> Bare:
    """Return litgpt's GPT of the same shape with the loss and the steps of its `pretrain`."""
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    ours = model_config(size, vocab_size, seq_len)
    model = GPT(
        Config(
            block_size=seq_len, n_layer=ours.num_layers, n_embd=ours.hidden_size, n_head=ours.num_heads,
            n_query_groups=ours.num_kv_heads, vocab_size=vocab_size, padded_vocab_size=vocab_size,
            rotary_percentage=1.0, parallel_residual=False, bias=False, norm_class_name="RMSNorm",
            mlp_class_name="LLaMAMLP", intermediate_size=ours.ffn_size, norm_eps=ours.norm_eps,
        )
    )  # fmt: skip
    model.lm_head.weight = model.transformer.wte.weight
    model.max_seq_length = seq_len

    def loss(batch: torch.Tensor) -> torch.Tensor:
        logits = model(batch[:, :-1].contiguous())
        return chunked_cross_entropy(logits, batch[:, 1:].contiguous(), chunk_size=0)

    return Bare(model, loss)


@app.command
def anneal(
    mixture: str,
    best: str,
    held_out: str,
    *,
    out: str,
    model: str = "1m",
    stable_tokens: int = 10_000_000,
    anneal_tokens: int = 2_500_000,
    seeds: int = 3,
    constant: bool = True,
) -> None:
    """Decay on the best data, decay on the mixture, and go on with the mixture, from one stable phase.

    Args:
        mixture: tokens of everything but the held-out documents.
        best: tokens of the best documents among them.
        held_out: tokens of documents as good as `best` that are in neither.
        out: folder of the runs.
        model: size.
        stable_tokens: of the stable phase.
        anneal_tokens: of each continuation.
        seeds: orders of the data; the arms of a seed are a pair.
        constant: also go on with the mixture without decay.
    """
    folder, look = Path(out), HeldOut({"edu": held_out}, max_tokens=500_000)
    every = {"evaluate": look, "threads": 1, "keep": 2}
    settings = {"num_tokens": stable_tokens, "seq_len": 256, "batch_tokens": 4096, "decay": 0}
    stable = pretrain(
        mixture, folder / "stable", model=model, checkpoint_every=100, evaluate_every=1000, **settings, **every
    )
    before = read_log(stable.path, EVALUATIONS)[-1]["edu"]
    print(f"after the stable phase: {before:.4f} bits per byte", flush=True)
    arms: dict[str, tuple[str, Any]] = {"best, decay": (best, "1-sqrt"), "mixture, decay": (mixture, "1-sqrt")}
    if constant:
        arms["mixture, constant"] = (mixture, "constant")
    found: dict[str, list[float]] = {name: [] for name in arms}
    for seed in range(1, seeds + 1):
        for name, (tokens, shape) in arms.items():
            place = folder / f"{name.replace(', ', '-')}-{seed}"
            run = continue_run(
                stable.path,
                tokens,
                place,
                num_tokens=anneal_tokens,
                shape=shape,
                seed=seed,
                checkpoint_every=100,
                **every,
            )
            found[name].append(read_log(run.path, EVALUATIONS)[-1]["edu"])
            print(
                f"seed {seed}  {name:<18} {found[name][-1]:.4f} bits per byte of held-out educational text", flush=True
            )
    for name in list(arms)[1:]:
        pairs = [mine - theirs for mine, theirs in zip(found["best, decay"], found[name], strict=True)]
        print(f"best, decay minus {name}: {interval(pairs)} bits per byte", flush=True)


def interval(differences: list[float]) -> str:
    """Return the mean of paired differences with its 95 % interval of Student's t."""
    mean, n = statistics.mean(differences), len(differences)
    if n - 1 not in T_975:
        return f"{mean:+.4f} (no interval from {n})"
    half = T_975[n - 1] * statistics.stdev(differences) / math.sqrt(n)
    return f"{mean:+.4f} (95 % interval {mean - half:+.4f} to {mean + half:+.4f}, {n} pairs)"


@app.command
def reference(
    tokens: str,
    *,
    out: str,
    model: str = "5m",
    num_tokens: int = 20_480_000,
    seq_len: int = 512,
    batch_tokens: int = 4096,
    chunk: int = 50,
    compiled: bool = False,
) -> None:
    """Train our model and transformers' LlamaForCausalLM from the same weights on the same batches, side by side.

    Each has a process and a thread of its own.

    Args:
        tokens: folder of tokens.
        out: folder of both runs.
        model: size.
        num_tokens: to train on.
        seq_len: tokens in a window.
        batch_tokens: tokens in a step.
        chunk: steps between checkpoints, and in a line of what is printed.
        compiled: both through torch.compile, on 2 cores a seventh quicker.
    """
    folder, steps = Path(out), num_tokens // batch_tokens
    folder.mkdir(parents=True, exist_ok=True)
    sizes: Any = {"model": model, "steps": steps, "seq_len": seq_len, "batch_tokens": batch_tokens}
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        theirs = other.submit(train_reference, folder / "transformers.pt", tokens, sizes, chunk, compiled)
        rest: Any = {"checkpoint_every": chunk, "keep": 1, "threads": 1, "compile": compiled}
        pretrain(tokens, folder / "ours", **sizes, **rest)
        losses = [line["loss"] for line in read_log(folder / "ours")], theirs.result()
    for start in range(0, steps, chunk):
        a, b = (each[start : start + chunk] for each in losses)
        ours, transformers_ = statistics.mean(a), statistics.mean(b)
        furthest = max(abs(x - y) for x, y in zip(a, b, strict=True))
        print(
            f"{(start + len(a)) * batch_tokens:>12,} tokens  ours {ours:.4f}  transformers {transformers_:.4f}  "
            f"{(ours - transformers_) / transformers_:+.3%}  furthest step {furthest:.1e}"
        )


def train_reference(file: Path, tokens: str, sizes: Mapping[str, Any], chunk: int, compiled: bool) -> list[float]:
    """Return the loss of each step of transformers' model and torch's plain AdamW; resumable."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as ours does
    steps, seq_len = sizes["steps"], sizes["seq_len"]
    mixture = Mixture(tokens, seq_len=seq_len, batch_windows=sizes["batch_tokens"] // seq_len, seed=0)
    ours = Llama(model_config(sizes["model"], mixture.tokens.vocab_size, seq_len), seed=0)  # pretrain's own start
    model, losses = twin(ours), list[float]()
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.01},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    schedule = WSD(max(round(0.02 * steps), 1), round(0.2 * steps))
    if file.exists():
        saved = torch.load(file)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        losses = saved["losses"]
    forward = torch.compile(model) if compiled else model
    for step in range(len(losses), steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * schedule(step, steps)
        batch = torch.from_numpy(mixture.batch_at(step))
        loss = forward(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % chunk == 0 or step + 1 == steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
            unfinished = file.with_suffix(".tmp")
            torch.save(state, unfinished)
            unfinished.replace(file)
    return losses


if __name__ == "__main__":
    app()
