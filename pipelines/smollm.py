"""SmolLM: the published mixture, schedule and batch of each size, on your corpora; or the same in minutes.

    python pipelines/smollm.py --scale tiny --corpus edu=runs/edu/4-edu --corpus code=runs/code/4-edu -o runs/tiny
    python pipelines/smollm.py --scale 135m -o runs/135m --ray auto --workers 64 \\
        --corpus fineweb_edu=hf://datasets/HuggingFaceTB/smollm-corpus/fineweb-edu-dedup --corpus cosmopedia=...

    OUTPUT/tokenizer    learned from a sample by the mixture's weights, unless --tokenizer names one
    OUTPUT/tokens/NAME  the tokens of each corpus, unless it is a folder of tokens already
    OUTPUT/stable       warm-up and the stable phase; any of its checkpoints can be decayed
    OUTPUT/decay        the decay, on the mixture or on --decay-corpus; OUTPUT/decay/hf is the model, with its card
    OUTPUT/evaluation   bits per byte on all --held-out documents; the card has those of a sample

Numbers are those of huggingface/smollm, text/pretraining, smollm1/config_smollm1_{135M,360M,1B}.yaml and
smollm2/config_smollm2_{135M,360M,1B}.yaml, which agree with the model cards. SmolLM2's files name one folder of tokens,
mixed before; the weights inside are not published with them, so smollm2 has a single slot, which may be several
corpora with weights of your own. What is stopped goes on when it is called again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from curate.cli import main
from curate.cli.options import open_text
from curate.cli.tables import print_table
from curate.cluster import on_ray
from curate.document import TEXT
from curate.evaluate.suites import evaluate, format_results
from curate.parquet import read_receipt
from curate.tokenizer.bpe import load_tokenizer, train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.tokenizer.sample import documents
from curate.tokenizer.tokens import Tokens
from curate.train.data import Phase
from curate.train.held_out import HeldOut
from curate.train.loop import anneal, pretrain

# Where each part of the mixture is on the Hugging Face hub; python-edu and Stack-Edu hold names of files to fetch.
HUB = {
    "fineweb_edu": "hf://datasets/HuggingFaceTB/smollm-corpus/fineweb-edu-dedup",
    "cosmopedia": "hf://datasets/HuggingFaceTB/smollm-corpus/cosmopedia-v2",
    "python_edu": "hf://datasets/HuggingFaceTB/smollm-corpus/python-edu",
    "open_web_math": "hf://datasets/open-web-math/open-web-math",
    "stackoverflow": "Stack Overflow questions with answers, as text",
    "starcoder_python": "hf://datasets/bigcode/starcoderdata/python",
    "deepmind_math": "hf://datasets/deepmind/math_dataset",
    "smollm2_corpus": "FineWeb-Edu, DCLM, Stack-Edu, FineMath, Cosmopedia v2: NAME=PATH:WEIGHT for each",
}
SMALL = {"fineweb_edu": 0.70, "cosmopedia": 0.15, "python_edu": 0.08, "open_web_math": 0.06, "stackoverflow": 0.01}
LARGE_1 = {
    "fineweb_edu": 0.70,
    "cosmopedia": 0.15,
    "open_web_math": 0.06,
    "starcoder_python": 0.08,
    "stackoverflow": 0.01,
}
LARGE_2 = {
    "fineweb_edu": 0.70, "cosmopedia": 0.15, "open_web_math": 0.055, "python_edu": 0.08, "stackoverflow": 0.01,
    "deepmind_math": 0.005,
}  # fmt: skip
SECOND = {"smollm2_corpus": 1.0}


@dataclass(frozen=True)
class Recipe:
    """One published run. AdamW's betas .9 and .95, weight decay .01 and clipping at 1 are the trainer's own numbers."""

    model: str
    lr: float
    warmup: int  # steps, linear
    steps: int  # with warm-up and decay
    decay: int  # steps
    shape: Literal["1-sqrt", "linear"]
    windows: int  # of seq_len tokens, in a step
    mixture: Mapping[str, float]
    second: Mapping[str, float] | None = None  # mixture from the step `switch` on
    switch: int = 0
    seq_len: int = 2048
    vocab_size: int = 49_152
    seed: int = 8

    @property
    def num_tokens(self) -> int:
        return self.steps * self.windows * self.seq_len


# fmt: off
RECIPES = {  # of 630 B, 630 B and 1.05 T tokens; of 2.1 T, 4.1 T and 11 T
    ("135m", "smollm"): Recipe("135m", 3e-3, 5_000, 600_000, 100_000, "1-sqrt", 512, SMALL),
    ("360m", "smollm"): Recipe("360m", 3e-3, 5_000, 600_000, 100_000, "1-sqrt", 512, SMALL),
    ("1.7b", "smollm"): Recipe("1.7b", 5e-4, 2_000, 500_000, 100_000, "1-sqrt", 1_024, LARGE_1, LARGE_2, 300_000),
    ("135m", "smollm2"): Recipe("135m", 3e-3, 2_000, 2_000_000, 400_000, "linear", 512, SECOND),
    ("360m", "smollm2"): Recipe("360m", 3e-3, 2_000, 2_600_000, 520_000, "linear", 768, SECOND),
    ("1.7b", "smollm2"): Recipe("1.7b", 5e-4, 2_000, 5_240_000, 524_000, "linear", 1_024, SECOND, seed=42),
}
# The proportions of ("135m", "smollm"): a decay over the last sixth, and the same peak rate; some minutes on two cores.
TINY = Recipe("1m", 3e-3, 5, 600, 100, "1-sqrt", 8, {}, seq_len=256, vocab_size=4_096)
# fmt: on

Scale = Literal["tiny", "135m", "360m", "1.7b"]
Paths = dict[str, dict[str, float]]  # slot -> its corpora with weights


def smollm(
    *,
    scale: Scale = "tiny",
    recipe: Literal["smollm", "smollm2"] = "smollm",
    corpus: Sequence[str],
    out: Annotated[str, Parameter(name=["--out", "-o"])],
    decay_corpus: Sequence[str] = (),
    held_out: Sequence[str] = (),
    tokenizer: str | None = None,
    steps: int | None = None,
    vocab: int | None = None,
    leave_out: bool = False,
    micro_tokens: int | None = None,
    checkpoint_every: int | None = None,
    mask_documents: bool = False,
    train_workers: int = 1,
    sharding: Literal["ddp", "fsdp"] = "ddp",
    ray: str | None = None,
    workers: int | None = None,
    device: str | None = None,
) -> None:
    """Train a SmolLM from corpora: tokens, warm-up and stable phase, decay, evaluation, a model folder with its card.

    Args:
        scale: tiny runs in minutes on two or three corpora of any names; the others are the published runs.
        recipe: whose mixture, schedule and batch; tiny has its own.
        corpus: NAME=PATH for each part of the mixture: documents, or folders of tokens; local, s3:// or hf://. Several
            paths of one name share its weight: NAME=PATH:3 NAME=OTHER:1. For tiny, these weights are the mixture.
        out: folder for everything.
        decay_corpus: NAME=PATH, optionally :WEIGHT, to decay on another mixture than the last of the stable phase.
        held_out: NAME=PATH of documents that are not in the corpora, for bits per byte.
        tokenizer: folder of a Hugging Face tokenizer to use instead of learning one.
        steps: of the whole run; warm-up, decay and the switch of mixtures keep their proportions.
        vocab: size of the vocabulary to learn.
        leave_out: train on a mixture without the parts that no --corpus gives; the weights of the rest are scaled up.
        micro_tokens: of one forward and backward pass; what fits the device.
        checkpoint_every: steps between checkpoints; a tenth of each phase by default.
        mask_documents: keep attention within documents, as SmolLM3 does; the first two did not.
        train_workers: processes, each with a GPU where there is one, that train together; needs --ray.
        sharding: ddp, or fsdp for models that do not fit one device.
        ray: none, local, auto or ADDRESS.
        workers: splits at a time while tokenising; needs --ray.
        device: cpu or cuda; the GPU by default where there is one.
    """
    paths = read_corpora(corpus)
    if train_workers > 1 and not on_ray(ray):
        raise ValueError(f"{train_workers} workers need an engine: add --ray local (or --ray auto on a cluster)")
    run = scaled(TINY if scale == "tiny" else RECIPES[scale, recipe], steps)
    phases = mixtures(run, paths, leave_out=leave_out)
    weights = {path: weight for phase in reversed(phases) for path, weight in phase.weights.items()}
    decays = read_corpora(decay_corpus)
    decay_on = {path: w for slot in decays.values() for path, w in slot.items()}
    everything = [*weights, *(path for path in decay_on if path not in weights)]
    with_tokenizer = tokenizer or learn(everything, weights, f"{out}/tokenizer", vocab or run.vocab_size)
    names = folder_names(decays, "decay-") | folder_names(paths)
    engine = {"ray": ray, "workers": workers}
    tokens = {path: pack(path, f"{out}/tokens/{names[path]}", with_tokenizer, **engine) for path in everything}
    as_tokens = [Phase(p.until, {tokens[path]: w for path, w in p.weights.items()}) for p in phases]
    print_plan(run, as_tokens)
    texts = {name: path for path, name in folder_names(read_corpora(held_out)).items()}
    aside = {
        name: pack(path, f"{out}/tokens/held-out-{name}", with_tokenizer, **engine) for name, path in texts.items()
    }
    machine: dict[str, Any] = {"device": device, "checkpoint_every": checkpoint_every, "sharding": sharding}
    machine |= {"evaluate": HeldOut(aside, mask_documents=mask_documents)} if aside else {}
    machine |= {"ray": ray, "workers": train_workers} if train_workers > 1 else {}
    machine |= {"micro_tokens": micro_tokens} if micro_tokens else {}
    stable = pretrain(
        as_tokens, f"{out}/stable", model=run.model, steps=run.steps - run.decay, seq_len=run.seq_len,
        batch_tokens=run.windows * run.seq_len, lr=run.lr, warmup=run.warmup, decay=0, seed=run.seed,
        mask_documents=mask_documents, **machine,
    )  # fmt: skip
    last = {tokens[path]: weight for path, weight in decay_on.items()} or as_tokens[-1].weights
    final = anneal(
        stable.checkpoint, last, f"{out}/decay", steps=run.decay, shape=run.shape, **machine,
    )  # fmt: skip
    documents = {name: texts_of(path) for name, path in texts.items() if not is_tokens(path)}
    if documents:
        results = evaluate(str(final.model), texts=documents, out=f"{out}/evaluation", ray="none")  # where the model is
        print(format_results(results))
    print(f"{final.num_parameters:,} parameters, loss {final.loss:.3f}: {final.model}")


def read_corpora(given: Sequence[str]) -> Paths:
    """Read NAME=PATH and NAME=PATH:WEIGHT; a name that comes again gets a further corpus."""
    slots: Paths = {}
    for item in given:
        name, equals, rest = item.partition("=")
        path, colon, weight = rest.rpartition(":")
        numeric = bool(colon) and weight.replace(".", "", 1).isdigit()
        if not equals or not rest:
            raise ValueError(f"{item!r} should be NAME=PATH, such as fineweb_edu=runs/edu/4-edu")
        slots.setdefault(name, {})[path if numeric else rest] = float(weight) if numeric else 1.0
    return slots


def scaled(recipe: Recipe, steps: int | None) -> Recipe:
    """Return the recipe with another number of steps, everything that counts steps in proportion."""
    if steps is None:
        return recipe
    share = steps / recipe.steps
    numbers = {name: max(round(getattr(recipe, name) * share), 1) for name in ("warmup", "decay")}
    return Recipe(**{**vars(recipe), **numbers, "steps": steps, "switch": round(recipe.switch * share)})


def mixtures(recipe: Recipe, paths: Paths, *, leave_out: bool = False) -> list[Phase]:
    """Return the phases of the stable part with each slot's corpora in its place.

    Raises:
        ValueError: a part of the mixture has no corpus, or a corpus has no part.
    """
    if not paths:
        raise ValueError("say what to train on: --corpus NAME=PATH")
    first = dict(recipe.mixture) or {name: sum(slot.values()) for name, slot in paths.items()}
    parts = [first] if recipe.second is None else [first, dict(recipe.second)]
    slots = {name for part in parts for name in part}
    missing, unknown = sorted(slots - set(paths)), sorted(set(paths) - slots)
    if unknown:
        raise ValueError(f"the mixture has no part {unknown[0]!r}; its parts are {', '.join(sorted(slots))}")
    if missing and (not leave_out or any(set(part) <= set(missing) for part in parts)):
        wanted = "\n".join(f"  --corpus {name}=PATH    {HUB[name]}" for name in missing)
        raise ValueError(f"the mixture wants these too (or --leave-out to train without them):\n{wanted}")
    ends = [recipe.switch, None][-len(parts) :]
    return [Phase(end, _spread(part, paths)) for end, part in zip(ends, parts, strict=True)]


def _spread(part: Mapping[str, float], paths: Paths) -> dict[str, float]:
    """Return the share of each corpus: of its slot's weight by its own, of the slots that have one."""
    given = {name: weight for name, weight in part.items() if name in paths}
    whole = sum(given.values())
    shares: dict[str, float] = {}
    for name, weight in given.items():
        for path, own in paths[name].items():  # one corpus may have several parts
            shares[path] = shares.get(path, 0.0) + weight / whole * own / sum(paths[name].values())
    return shares


def learn(paths: Sequence[str], weights: Mapping[str, float], out: str, vocab_size: int) -> str:
    """Return a tokenizer: the one of given tokens, or one learned from a sample by weight."""
    made = {path: Tokens(path) for path in paths if is_tokens(path)}
    if made:
        return str(next(iter(made.values())).tokenizer)
    train_tokenizer([(open_text(path), weights[path]) for path in paths if path in weights], out, vocab_size=vocab_size)
    learned = load_tokenizer(out).get_vocab_size()
    if learned < vocab_size:
        print(f"the corpora have words for {learned:,} tokens, not {vocab_size:,}; --vocab {learned} says so in time")
    return out


def pack(path: str, out: str, tokenizer: str, *, ray: str | None, workers: int | None) -> str:
    """Return the folder of a corpus's tokens, written now unless it is one."""
    if is_tokens(path):
        return path
    return str(tokenize(open_text(path), out, tokenizer=tokenizer, ray=ray, workers=workers).path)


def is_tokens(path: str) -> bool:
    if not Path(path).is_dir():
        return False
    first = next(Path(path).glob("*.parquet"), None)
    return first is not None and (read_receipt(str(first)) or {}).get("step") == "tokenize"


def folder_names(paths: Paths, prefix: str = "") -> dict[str, str]:
    """Return the folder of each corpus's tokens: its part's name, with a number where the part has several."""
    return {
        path: f"{prefix}{name}" if len(slot) == 1 else f"{prefix}{name}-{number}"
        for name, slot in paths.items()
        for number, path in enumerate(slot, 1)
    }


def texts_of(path: str) -> list[str]:
    source = open_text(path)
    batches = (batch for split in source.splits() for batch in documents(source, split))
    return [text for batch in batches for text in batch[TEXT].to_pylist() if text]


def print_plan(recipe: Recipe, phases: Sequence[Phase]) -> None:
    """Say what will be trained on what, and how often each corpus will be read."""
    stable, step_tokens, begin, rows = recipe.steps - recipe.decay, recipe.windows * recipe.seq_len, 0, []
    for phase in phases:
        end = phase.until or stable
        for path, weight in phase.weights.items():
            count = (end - begin) * step_tokens * weight
            epochs = count / Tokens(path).num_tokens
            rows.append((f"{begin:,}-{end:,}", path, f"{weight:.3f}", f"{count:,.0f}", f"{epochs:.2f}"))
        begin = end
    print(f"{recipe.model}: {recipe.steps:,} steps of {recipe.windows} x {recipe.seq_len} = {step_tokens:,} tokens")
    print(
        f"peak rate {recipe.lr:g}, warm-up {recipe.warmup:,}, {recipe.shape} decay over the last {recipe.decay:,} steps"
    )
    print_table(("steps", "tokens", "weight", "to read", "epochs"), rows)


if __name__ == "__main__":
    main(smollm)
