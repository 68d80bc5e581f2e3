"""Verbs about one model: pretrain, anneal, batch (what a step read), generate."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from curate.cli.options import Engine, Inputs, NumTokens, Out, weights
from curate.cli.tables import print_table, show_trained

if TYPE_CHECKING:
    from curate.train.held_out import HeldOut


def pretrain(
    tokens: Inputs,
    *,
    out: Out,
    model: str = "5m",
    steps: int | None = None,
    num_tokens: NumTokens = None,
    seq_len: int = 512,
    batch_tokens: int = 8192,
    optimizer: Literal["adamw", "muon"] = "adamw",
    lr: float | None = None,
    warmup: int | None = None,
    decay: int | None = None,
    shape: Literal["linear", "1-sqrt", "cosine"] = "1-sqrt",
    z_loss: float = 0.0,
    mask_documents: bool = False,
    seed: int = 0,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    held_out: Inputs = [],  # noqa: B006  cyclopts copies it
    evaluate_every: int | None = None,
    micro_tokens: int = 16_384,
    threads: int | None = None,
    device: str | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    compile: bool | None = None,
    ray: Engine = None,
    workers: int = 1,
    sharding: Literal["ddp", "fsdp"] = "ddp",
    track: Literal["trackio", "wandb"] | None = None,
    stop_after: int | None = None,
) -> None:
    """Train a Llama-style model on token shards: warm-up, stable phase, decay. Run it again to go on after a stop.

    Args:
        tokens: token folders from `curate tokenize`, each optionally weighted: `tokens/web:0.7`.
        out: folder for checkpoints, log.jsonl and OUT/hf, which transformers loads.
        model: 1m, 5m, 15m, 30m; 135m, 360m, 1.7b with SmolLM's shapes; phi-1-small, phi-1.
        steps: to take; or give num_tokens.
        num_tokens: to train on, such as 20M; 20 for each parameter by default.
        seq_len: tokens in a window.
        batch_tokens: tokens in one step.
        optimizer: adamw, or muon for the matrices with adamw for embeddings and norms.
        lr: peak learning rate; 3e-3 by default.
        warmup: steps; 2 % of the run by default.
        decay: steps; a fifth of the run by default, 0 leaves a stable phase to anneal from.
        shape: of the decay; cosine has no stable phase.
        z_loss: weight of the squared log of the softmax's denominator, such as 1e-4.
        mask_documents: keep attention within documents.
        seed: of the weights and of the order of the data.
        checkpoint_every: steps between checkpoints; a tenth of the run by default.
        keep: checkpoints to keep of the stable phase, and as many of the rest; all by default.
        held_out: token folders to measure bits per byte on, each optionally named (`edu=tokens/held/edu`), at the end
            and every `evaluate_every` steps.
        evaluate_every: steps between these measurements, each with a checkpoint (--keep bounds them).
        micro_tokens: tokens of one forward and backward pass on one process; the rest of a batch is accumulated.
        threads: of this process.
        device: cpu or cuda; the GPU by default where there is one.
        precision: of the products; bfloat16 on GPUs by default.
        compile: torch.compile; on GPUs by default.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: processes that share each step's batch, a GPU each where there are any; needs --ray. Under torchrun
            its own processes do.
        sharding: ddp, or fsdp for models that do not fit beside their optimiser.
        track: also send the values to trackio or wandb.
        stop_after: stop after this step; the next call goes on.
    """
    from curate.train.loop import pretrain as train

    trained = train(
        weights(tokens), out, model=model, steps=steps, num_tokens=num_tokens, seq_len=seq_len,
        batch_tokens=batch_tokens, optimizer=optimizer, lr=lr, warmup=warmup, decay=decay, shape=shape, z_loss=z_loss,
        mask_documents=mask_documents, seed=seed, checkpoint_every=checkpoint_every, keep=keep,
        evaluate=look_at(held_out, mask_documents), evaluate_every=evaluate_every, micro_tokens=micro_tokens,
        threads=threads, device=device, precision=precision, compile=compile, ray=ray, workers=workers,
        sharding=sharding, track=track, stop_after=stop_after,
    )  # fmt: skip
    show_trained(trained)


def anneal(
    checkpoint: str,
    tokens: Inputs,
    *,
    out: Out,
    steps: int | None = None,
    num_tokens: NumTokens = None,
    batch_tokens: int | None = None,
    shape: Literal["linear", "1-sqrt", "constant"] = "1-sqrt",
    seed: int | None = None,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    held_out: Inputs = [],  # noqa: B006  cyclopts copies it
    evaluate_every: int | None = None,
    micro_tokens: int = 16_384,
    threads: int | None = None,
    device: str | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    compile: bool | None = None,
    ray: Engine = None,
    workers: int = 1,
    sharding: Literal["ddp", "fsdp"] = "ddp",
    track: Literal["trackio", "wandb"] | None = None,
    stop_after: int | None = None,
) -> None:
    """Decay the learning rate from a stable-phase checkpoint on another mixture, such as the best data only.

    Args:
        checkpoint: folder of a checkpoint, or of a run, whose last one is taken.
        tokens: token folders, each optionally weighted: `tokens/web:0.7`.
        out: folder for checkpoints, log.jsonl and OUT/hf.
        steps: to take; a quarter of those before by default.
        num_tokens: to train on, such as 20M, instead of steps.
        batch_tokens: tokens in one step; as before by default.
        shape: of the decay; constant goes on with the stable phase.
        seed: of the order of the data; the one before by default, and then corpora go on where they were.
        checkpoint_every: steps between checkpoints; a tenth of the run by default.
        keep: checkpoints to keep of the stable phase, and as many of the rest; all by default.
        held_out: token folders to measure bits per byte on, each optionally named (`edu=tokens/held/edu`), at the end
            and every `evaluate_every` steps.
        evaluate_every: steps between these measurements, each with a checkpoint (--keep bounds them).
        micro_tokens: tokens of one forward and backward pass on one process; the rest of a batch is accumulated.
        threads: of this process.
        device: cpu or cuda; the GPU by default where there is one.
        precision: of the products; bfloat16 on GPUs by default.
        compile: torch.compile; on GPUs by default.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: processes that share each step's batch, a GPU each where there are any; needs --ray. Under torchrun
            its own processes do.
        sharding: ddp, or fsdp for models that do not fit beside their optimiser.
        track: also send the values to trackio or wandb.
        stop_after: stop after this step; the next call goes on.
    """
    from curate.train.loop import anneal as train
    from curate.train.loop import stable_state

    masked = stable_state(checkpoint)[1]["plan"]["mask_documents"]
    trained = train(
        checkpoint, weights(tokens), out, steps=steps, num_tokens=num_tokens, batch_tokens=batch_tokens, shape=shape,
        seed=seed, checkpoint_every=checkpoint_every, keep=keep, evaluate=look_at(held_out, masked),
        evaluate_every=evaluate_every, micro_tokens=micro_tokens, threads=threads, device=device, precision=precision,
        compile=compile, ray=ray, workers=workers, sharding=sharding, track=track, stop_after=stop_after,
    )  # fmt: skip
    show_trained(trained)


def batch(run: str, step: int | None = None, *, top: int = 5) -> None:
    """Name the documents that a training step read; without a step, the steps whose loss jumped most.

    Args:
        run: folder of a training run.
        step: number of the step, as in log.jsonl.
        top: jumps to list.
    """
    from curate.train.forensics import batch_documents, spikes

    if step is None:
        rows = [(str(s.step), f"{s.loss:.3f}", f"{s.expected:.3f}", f"{s.grad_norm:.2f}") for s in spikes(run)[:top]]
        print_table(("step", "loss", "before it", "gradient"), rows)
        return
    print_table(("document", "row", "corpus"), [(d.id, f"{d.row}", d.corpus) for d in batch_documents(run, step)])


def generate(
    model: str,
    prompt: str,
    *,
    max_tokens: int = 100,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
    chat: bool = False,
    device: str | None = None,
) -> None:
    """Let a model continue a prompt, for a look.

    Args:
        model: folder of a causal language model, or its name on the Hugging Face hub.
        prompt: the text to continue; with --chat, what the user says.
        max_tokens: to write at most.
        temperature: 0 takes the likeliest token each time; higher is more varied.
        top_p: draw among the likeliest tokens that have this probability together.
        seed: of the draw; the same one writes the same text.
        chat: put the prompt into the tokenizer's chat template.
        device: cpu or cuda; the GPU by default where there is one.
    """
    from curate.train.generate import generate as write

    if not chat:
        print(prompt, end="", flush=True)
    chosen = {"temperature": temperature, "top_p": top_p, "seed": seed, "chat": chat, "device": device}
    for piece in write(model, prompt, max_new_tokens=max_tokens, **chosen):  # type: ignore[arg-type]
        print(piece, end="", flush=True)
    print()


def look_at(held_out: Sequence[str], mask_documents: bool = False) -> "HeldOut | None":
    """Return what measures bits per byte on token folders while a model trains."""
    from curate.evaluate.held_out import named_path
    from curate.train.held_out import HeldOut

    named = dict(map(named_path, held_out))
    if len(named) < len(held_out):
        raise ValueError("two held-out folders have one name; tell them apart with NAME=FOLDER")
    return HeldOut(named, mask_documents=mask_documents) if held_out else None
