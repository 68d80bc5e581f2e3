"""The trainer beside its peers: speed, agreement with a reference implementation, and what annealing is worth.

    python benchmarks/training.py speed                                     # tokens/s beside peers, interleaved
    python benchmarks/training.py reference TOKENS --out OUT                # loss beside transformers + torch AdamW
    python benchmarks/training.py anneal MIXTURE BEST HELD_OUT --out OUT    # best data or mixture, paired seeds

TOKENS, MIXTURE, BEST and HELD_OUT are folders that `curate tokenize` wrote. `reference` and `anneal` can be stopped and
started again at any time: they go on from their checkpoints.
"""

import math
import statistics
from pathlib import Path
from typing import Any

import torch
from cyclopts import App

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
    tokens: str, *, out: str, model: str = "5m", num_tokens: int = 20_480_000, seq_len: int = 512, chunk: int = 50
) -> None:
    """Train our model and transformers' LlamaForCausalLM from the same weights on the same batches.

    Args:
        tokens: folder of tokens.
        out: folder of both runs.
        model: size.
        num_tokens: to train on.
        seq_len: tokens in a window.
        chunk: steps that each takes in turn, and between its checkpoints.
    """
    batch = 8 * seq_len
    steps = num_tokens // batch
    settings = {"model": model, "steps": steps, "seq_len": seq_len, "batch_tokens": batch, "checkpoint_every": chunk}
    theirs = Reference(Path(out), tokens, model, steps, seq_len, batch)
    for stop in [*range(chunk, steps, chunk), steps]:
        pretrain(tokens, Path(out, "ours"), **settings, stop_after=stop, keep=1, threads=1, quiet=True)  # type: ignore[arg-type]
        theirs.train_to(stop)
        ours = [line["loss"] for line in read_log(Path(out, "ours"))][:stop]
        mine, other = (statistics.mean(losses[-chunk:]) for losses in (ours, theirs.losses))
        furthest = max(abs(a - b) for a, b in zip(ours[-chunk:], theirs.losses[-chunk:], strict=True))
        print(
            f"{stop * batch:>12,} tokens  ours {mine:.4f}  transformers {other:.4f}  "
            f"{(mine - other) / other:+.3%}  furthest step {furthest:.1e}",
            flush=True,
        )


class Reference:
    """transformers' model and torch's plain AdamW, resumable."""

    def __init__(self, out: Path, tokens: str, model: str, steps: int, seq_len: int, batch: int) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.set_num_threads(1)
        out.mkdir(parents=True, exist_ok=True)
        self.file, self.steps, self.losses = out / "transformers.pt", steps, []
        self.mixture = Mixture(tokens, seq_len=seq_len, batch_windows=batch // seq_len, seed=0)
        ours = Llama(model_config(model, self.mixture.tokens.vocab_size, seq_len), seed=0)  # pretrain's own start
        self.model = LlamaForCausalLM(LlamaConfig(**llama_config(ours.config, 0)))
        self.model.load_state_dict({PREFIX + name: tensor for name, tensor in ours.state_dict().items()}, strict=False)
        groups = [
            {"params": [p for p in self.model.parameters() if p.ndim >= 2], "weight_decay": 0.01},
            {"params": [p for p in self.model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
        self.schedule = WSD(max(round(0.02 * steps), 1), round(0.2 * steps))
        if self.file.exists():
            saved = torch.load(self.file)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.losses = saved["losses"]

    def train_to(self, stop: int) -> None:
        for step in range(len(self.losses), stop):
            for group in self.optimizer.param_groups:
                group["lr"] = 3e-3 * self.schedule(step, self.steps)
            batch = torch.from_numpy(self.mixture.batch_at(step))
            loss = self.model(batch, labels=batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.losses.append(loss.item())
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "losses": self.losses}
        partial = self.file.with_suffix(".tmp")
        torch.save(state, partial)
        partial.replace(self.file)


if __name__ == "__main__":
    app()
