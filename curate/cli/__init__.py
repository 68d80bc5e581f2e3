"""The command line: one verb for each thing a person wants, and each verb is the function of that name here.

    curate score pages.parquet -o scored --threshold 3        score("pages.parquet", out="scored", threshold=3)

    make.py    extract, filter, concatenate, tokenize    train.py    pretrain, anneal, batch, generate
    clean.py   dedup, decontaminate                      prove.py    evaluate, ablate, scaling
    teach.py   annotate, fit, threshold                  look.py     funnel, why, sample, diff, verify, plan
    judge.py   score, replay, lost                       share.py    report, card, publish
    options.py what verbs read in the same way           tables.py   what they print in the same way

Every verb prints a short table and exits with 1 if anything failed. Heavy packages load where they are used.
"""

import inspect
import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from curate.cli.clean import decontaminate, dedup
from curate.cli.judge import lost, replay, score
from curate.cli.look import diff, funnel, plan, sample, verify, why
from curate.cli.make import concatenate, extract, filter, tokenize
from curate.cli.prove import ablate, evaluate, scaling
from curate.cli.share import card, publish, report
from curate.cli.teach import annotate, fit, threshold
from curate.cli.train import anneal, batch, generate, pretrain

VERBS = (
    *(extract, filter, annotate, fit, score, threshold, concatenate, dedup, decontaminate),  # documents
    *(tokenize, pretrain, anneal, batch, evaluate, ablate, scaling, generate),  # models
    *(funnel, why, sample, diff, replay, lost, verify, plan, report, card, publish),  # what happened, and who may know
)

app = App(
    name="curate",
    help="Turn raw web pages and source code into a small, excellent training corpus, and train a small model on it.",
    version_flags=["--version"],
)
for verb in VERBS:
    app.command(verb)


def main(command: Callable[..., None] | None = None) -> None:
    """Run the command line, or a pipeline's one function; a failure is one message on stderr and exit code 1."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # other packages' bars; ours says where a run is
    try:
        try:
            call(command)
        finally:
            print(end="", flush=True)  # nothing where stdout is closed
    except BrokenPipeError as error:
        if not reader_left():
            sys.exit(f"curate: {error}")
        sys.exit(141)  # as a shell tells of a program that SIGPIPE ended
    except (ValueError, LookupError, OSError, ImportError, RuntimeError, ArithmeticError) as error:
        from curate.progress import failure_table

        print(*(f"{line}\n" for line in failure_table(error)), sep="", end="", file=sys.stderr)
        sys.exit(f"curate: {error}")
    except KeyboardInterrupt:
        sys.exit("curate: stopped; run the same command again to go on from the finished shards")


def call(command: Callable[..., None] | None) -> None:
    """Do what the command line of this process says; if it had been planned, say how far the plan was off."""
    commands = app if command is None else App()
    if command is not None:
        commands.default(command)
    commands(result_action="return_value")
    _, bound, _ = commands.parse_args()
    out = bound.arguments.get("out") or bound.arguments.get("output")
    if isinstance(out, str):
        from curate.plan.result import is_planned

        if is_planned(out):
            from curate.plan.error import tell

            print(tell(out, lambda words: is_planned_so(commands, words)))


def is_planned_so(commands: App, words: Sequence[str], line: Sequence[str] | None = None) -> bool:
    """Tell whether a command line is the one of these words, but for its output and what it runs on.

    Args:
        commands: the verbs, or a pipeline.
        words: as they were planned.
        line: without the name of the program; that of this process by default.
    """
    first, *rest = words
    pipeline = first.endswith(".py")
    if pipeline == (commands is app):
        return False
    try:
        planned = commands.parse_args(rest if pipeline else words, print_error=False, exit_on_error=False)
    except CycloptsError:  # of another version
        return False
    done = commands.parse_args(line)
    same = Path(first).stem == done[0].__name__ if pipeline else planned[0] == done[0]
    return same and _asked(planned[1]) == _asked(done[1])


def _asked(bound: inspect.BoundArguments) -> dict[str, object]:
    bound.apply_defaults()
    apart = ("out", "output", "ray", "workers")
    return {name: _whole(value) for name, value in bound.arguments.items() if name not in apart}


def _whole(value: object) -> object:
    """Return a value in which a folder is the same however it was named."""
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return str(Path(value).absolute()) if isinstance(value, str) and "://" not in value else value


def reader_left() -> bool:
    """Tell whether nobody reads our output any more (`| head`); then the rest of it goes nowhere, quietly."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # 0: errors alone
    if not output.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
