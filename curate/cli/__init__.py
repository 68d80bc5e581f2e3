"""The command line: one verb for each thing a person wants, and each verb is the function of that name here.

    curate score pages.parquet -o scored --threshold 3        score("pages.parquet", out="scored", threshold=3)

    make.py    extract, filter, concatenate, tokenize    train.py    pretrain, anneal, batch, generate
    clean.py   dedup, decontaminate                      prove.py    evaluate, ablate, scaling
    teach.py   annotate, fit, threshold                  look.py     funnel, why, sample, diff, verify, plan
    judge.py   score, replay, lost                       share.py    report, card, publish
    options.py what verbs read in the same way           tables.py   what they print in the same way

Every verb prints a short table and exits with 1 if anything failed. Heavy packages load where they are used.
"""

import os
import select
import sys
from collections.abc import Callable

from cyclopts import App

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

            print(tell(out))


def reader_left() -> bool:
    """Tell whether nobody reads our output any more (`| head`); then the rest of it goes nowhere, quietly."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # 0: errors alone
    if not output.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
