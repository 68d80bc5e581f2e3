"""Does this corpus make a better model than that one? The answer of paired trainings, with an interval.

    found = ablate({"raw": "clean", "edu": "scored"}, "runs/edu-or-not", tokens="50M", model="5m", seeds=3)
    print(found)          # edu against raw: better. Bits per byte -0.0310 [-0.0391, -0.0229]; ...

    design.py      arms, budget, model               training.py   one (arm, seed): train, measure, resume
    held_out.py    documents that no arm may read    trainings.py  all of them, here or on Ray
    prepare.py     cleaning, tokenizer, tokens       measure.py    every document and question, one row each
    readings.py    epochs of each arm, warnings      statistics.py power.py speed.py   intervals, verdicts, seeds
    forecast.py    time and detectable difference    results.py    tables, curves, the page

Everything but the text is equal: tokenizer, budget, model, schedule, batch, seeds. Trainings are units of work on Ray
or in this process; killed anywhere, the same call goes on and repeats none that is done. More seeds are added by asking
for more. After DCLM and FineWeb, which train once or twice, and DataDecide (three seeds); the interval is what is new.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import cluster
from curate.ablate.design import Arm, Design, check_name
from curate.ablate.forecast import detectable, model_of, num_parameters
from curate.ablate.measure import Questions, questions
from curate.ablate.prepare import Engine, hold_out, identity, prepare, write_summary
from curate.ablate.readings import readings, warnings
from curate.ablate.results import Ablation, conclude
from curate.ablate.trainings import Say, all_trainings, noise_between, tell, train_all
from curate.amounts import whole_amount

if TYPE_CHECKING:
    from curate.train.model import Size

Arms = Sequence[Arm] | Mapping[str, str | os.PathLike[str] | Mapping[str, float]]


def ablate(
    arms: Arms,
    out: str | os.PathLike[str],
    *,
    tokens: int | str,
    model: "str | Size" = "5m",
    seeds: int = 3,
    seed: int = 0,
    baseline: str | None = None,
    held_out: Mapping[str, str | os.PathLike[str]] | None = None,
    held_out_documents: int = 200,
    tokenizer: str | os.PathLike[str] | None = None,
    vocab: int | None = None,
    against: str | None = None,
    suites: Sequence[str] = (),
    tasks: str = "",
    data: str = "eval",
    limit: int | None = None,
    anneal: str | os.PathLike[str] | None = None,
    seq_len: int = 512,
    batch_tokens: int = 8192,
    lr: float | None = None,
    evaluate_every: int | None = None,
    effect: float | None = None,
    seed_sd: float | None = None,
    pilot: bool = False,
    dry_run: bool = False,
    threads: int | None = 1,
    device: str | None = None,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
    quiet: bool = False,
) -> Ablation | None:
    """Train every arm with every seed and compare the arms with the baseline.

    Args:
        arms: name -> folder of documents or of tokens, or folders with weights.
        tokens: of each training: a number, or 50M.
        model: a size of `curate.train.model`.
        seeds: trainings of each arm; with fewer than two there is no verdict.
        seed: the first; the others follow.
        baseline: the arm that the others are held against; the first by default.
        held_out: domain -> documents from neither arm; documents of the arms themselves by default.
        held_out_documents: of each domain, at most.
        tokenizer: folder of one to use; by default it is learned from as many bytes of each arm.
        vocab: tokens to learn; what suits the model's size by default.
        against: benchmarks to take out of all arms, as `curate decontaminate` does.
        suites, tasks, data, limit: questions to ask, as of `curate evaluate`; multiple choice only.
        anneal: a run, or a checkpoint of its stable phase, that is annealed on each arm in place of training anew
            (Ultra-FineWeb's check); model, tokenizer and sequence length are its own.
        evaluate_every: steps between looks at held-out data; a twentieth of the run by default.
        effect: the difference in bits per byte one cares for; the seeds that it takes are told before the run.
        seed_sd: standard deviation of an arm's bits per byte between seeds, where it is known; by default that of the
            baseline's seeds that are done, else from a table.
        pilot: train the baseline's seeds only, and say what the whole design would find.
        dry_run: prepare everything and say what would be trained, how long it takes and what it can find.
        threads: of each training; one, and more of them side by side, is quickest on CPUs.
        ray, workers, num_gpus: see `curate.cluster.map_units`; a unit is a training.

    Returns: the verdicts; None of a pilot or a dry run.

    Raises:
        FileNotFoundError, ValueError: something of the input is not there, or the folder holds another ablation.
        AblationError: trainings failed.
    """
    if seeds < 1:
        raise ValueError(f"{seeds} seeds; an ablation needs two at least, and three to see much")
    folder = Path(out).absolute()
    named = _arms(arms)
    settings: dict[str, Any] = {"model": model, "seq_len": seq_len, "batch_tokens": batch_tokens, "lr": lr}
    if anneal is not None:
        settings |= _of_checkpoint(Path(anneal), tokenizer, lr)
        tokenizer = settings["anneal"]
        seed = max(seed, _state(Path(anneal))[1]["plan"]["seed"] + 1)  # not the order that the checkpoint has seen
    design = Design(named, baseline or named[0].name, whole_amount(tokens), vocab_size=vocab, **settings)
    model_of(design, design.vocabulary)  # a size that does not exist is told before the folder belongs to it
    places = {name: os.fspath(path) for name, path in (held_out or {}).items()}
    for name in places:
        check_name(name, "held-out set")
    asked, left_out = questions(suites, tasks, data, limit) if suites or tasks else (Questions(), [])
    say = Say(quiet)
    if left_out:
        say(f"left out, they want written answers: {', '.join(left_out)}")
    recipe = _recipe(design, places, held_out_documents, tokenizer, against)
    engine = Engine(ray, workers)
    with _claimed(folder, recipe):
        held = hold_out(design, places, f"{folder}", held_out_documents)
        given = None if tokenizer is None else os.fspath(tokenizer)
        prepared = prepare(design, held, f"{folder}", tokenizer=given, against=against, engine=engine)
        write_summary(prepared, f"{folder}")
        machine: dict[str, Any] = {"threads": threads, "device": device, "quiet": quiet or cluster.on_ray(ray)}
        machine |= {"evaluate_every": evaluate_every, "asked": asked}
        trainings = all_trainings(design, prepared, folder, range(seed, seed + seeds), machine)
        parameters = num_parameters(design, prepared.vocab_size)
        notes = warnings(design, prepared)
        if not quiet:
            tell(say, design, prepared, trainings, parameters, engine, num_gpus)
        noise, source = noise_between(trainings, design, seed_sd)
        say(detectable(noise, seeds, len(named), source, effect))
        for note in notes:
            say(f"note: {note}")
        if dry_run:
            return None
        chosen = [one for one in trainings if one.arm == design.baseline] if pilot else trainings
        outcomes = train_all(chosen, say, ray=ray, workers=workers, num_gpus=num_gpus)
        if pilot:
            noise, source = noise_between(trainings, design, None)
            say(detectable(noise, seeds, len(named), source, effect))
            return None
        told = recipe | _sizes(design, prepared.vocab_size)
        return conclude(folder, told, trainings, outcomes, readings(design, prepared), notes)


def _arms(arms: Arms) -> tuple[Arm, ...]:
    if not isinstance(arms, Mapping):
        return tuple(arms)
    for name in arms:
        check_name(name, "arm")
    return tuple(
        Arm(name, dict(given) if isinstance(given, Mapping) else {os.fspath(given): 1.0})
        for name, given in arms.items()
    )


def _state(checkpoint: Path) -> tuple[Path, dict[str, Any]]:
    from curate.train.loop import stable_state

    return stable_state(checkpoint)


def _of_checkpoint(checkpoint: Path, tokenizer: object, lr: float | None) -> dict[str, Any]:
    """Return the sizes of a design whose trainings go on from a checkpoint."""
    if tokenizer is not None:
        raise ValueError(f"{checkpoint} brings its own tokenizer; leave out --tokenizer")
    if lr is not None:
        raise ValueError(f"{checkpoint} is annealed from the rate that it was trained at; leave out --lr")
    start, state = _state(checkpoint)
    seq_len, windows = state["plan"]["seq_len"], state["plan"]["batch_windows"]
    return {"anneal": f"{start.absolute()}", "seq_len": seq_len, "batch_tokens": windows * seq_len}


def _recipe(
    design: Design, held_out: Mapping[str, str], num: int, tokenizer: object, against: str | None
) -> dict[str, Any]:
    """Return what makes the results what they are, but for the seeds."""
    recipe = {
        "arms": {arm.name: dict(arm.sources) for arm in design.arms},
        "documents": [identity(path, "arm") for path in design.sources],
        "held_out": [identity(path, f"held-out {name},") | {"name": name} for name, path in held_out.items()],
        "held_out_documents": num,
        "tokenizer": None if tokenizer is None else f"{tokenizer}",
        "vocabulary": design.vocabulary,
        "against": against,
        "tokens": design.num_tokens,
        "model": design.model if isinstance(design.model, str) else vars(design.model),
        "seq_len": design.seq_len,
        "batch_tokens": design.batch_tokens,
        "lr": design.lr,
        "anneal": design.anneal,
    }
    plain: dict[str, Any] = json.loads(json.dumps(recipe))
    return plain


def _sizes(design: Design, vocab_size: int) -> dict[str, Any]:
    """Return what was trained, where the recipe has a default that a checkpoint or a tokenizer decided instead."""
    from curate.train.model import SIZES

    if design.anneal is None:
        return {"vocabulary": vocab_size}
    config = vars(model_of(design, vocab_size))
    known = [name for name, size in SIZES.items() if vars(size).items() <= config.items()]
    shape = {name: config[name] for name in vars(SIZES["1m"])}
    return {"model": known[0] if known else shape, "vocabulary": vocab_size}


def _claimed(folder: Path, recipe: dict[str, Any]) -> AbstractContextManager[None]:
    from curate.train.claim import claimed

    return claimed(folder, recipe)
