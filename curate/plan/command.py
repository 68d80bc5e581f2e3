"""The command that is planned: which function it calls, with which arguments, and which of them a rehearsal changes.

    command = parse(["score", "docs", "-o", "scored", "--threshold", "3"], app)
    command.function, command.out             "curate.cli:score", "scored"
    command.arguments["threshold"]            3

A verb of the command line, or a file of pipelines/, whose function has the file's name. Both say with the same names
what they read (`source`, `sources`), write (`out`, `output`) and run on (`ray`, `workers`, `num_gpus`, `limit`).
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclopts import App

from curate.tokenizer.tokens import subfolders

PLANNED = ("extract", "filter", "score", "dedup", "decontaminate", "tokenize", "concatenate", "annotate")
TRAINED = ("pretrain", "anneal")  # planned by their first steps
VERBS = "curate.cli"  # where every verb is a function of its name, whichever file holds it
SOURCES, OUTS = ("source", "sources"), ("out", "output")
WEIGHTED = re.compile(r"(.*?)(:[\d.eE+-]+)?", re.DOTALL)  # FOLDER:0.7, as tokenize takes it


@dataclass(frozen=True)
class Command:
    """A command line, understood.

    Attributes:
        words: as it was typed.
        function: where the function is: MODULE:NAME or FILE.py:NAME.
        arguments: every parameter by name, defaults too.
    """

    words: tuple[str, ...]
    function: str
    arguments: dict[str, Any]

    @property
    def verb(self) -> str:
        return self.function.rpartition(":")[2]

    @property
    def trains(self) -> bool:
        """Whether it reads tokens, in an order of its own: its first steps are like all others, and no sample is."""
        return self.function.startswith(f"{VERBS}:") and self.verb in TRAINED

    @property
    def sources(self) -> list[str]:
        """What it reads, without the weights that tokenize takes."""
        return list(self.weights)

    @property
    def weights(self) -> dict[str, str]:
        """What it reads, each with its weight as tokenize takes it: `:0.7`, or nothing."""
        given = next(self.arguments[name] for name in SOURCES if name in self.arguments)
        if isinstance(given, str):
            return {given: ""}
        found = [WEIGHTED.fullmatch(str(item)) for item in given or ()]
        return {each[1]: each[2] or "" for each in found if each is not None}

    @property
    def folders(self) -> dict[str, str]:
        """The folder below OUT that tokenize names after each of what it reads."""
        return subfolders(self.sources)

    @property
    def out(self) -> str:
        return str(next(self.arguments[name] for name in OUTS if name in self.arguments)).rstrip("/")

    @property
    def workers(self) -> int | None:
        found: int | None = self.arguments.get("workers")
        return found

    def with_arguments(self, **changed: Any) -> dict[str, Any]:
        """Return the arguments with those of these names, where it has them, in other values."""
        return self.arguments | {name: value for name, value in changed.items() if name in self.arguments}

    def __str__(self) -> str:
        return " ".join(self.words)


def parse(words: Sequence[str], app: App) -> Command:
    """Understand a command line without running it.

    Raises:
        ValueError: there is no such verb or pipeline, or it is none that can be planned.
    """
    if not words:
        raise ValueError("say what to plan: curate plan score docs -o scored, or curate plan pipelines/x.py ...")
    first, *rest = words
    if first.endswith(".py"):
        function, place = open_function(f"{first}:{Path(first).stem}"), f"{first}:{Path(first).stem}"
        pipeline = App(name=first)
        pipeline.default(function)
        _, bound, _ = pipeline.parse_args(rest)
    else:
        if first not in (*PLANNED, *TRAINED):
            raise ValueError(
                f"{first!r} cannot be planned; {', '.join((*PLANNED, *TRAINED))} can, and pipelines by their file "
                "(curate plan pipelines/fineweb_edu.py --input ... --output ...)"
            )
        function, bound, _ = app.parse_args(words)
        place = f"{VERBS}:{function.__name__}"
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    wanted = (OUTS,) if first in TRAINED else (SOURCES, OUTS)
    lacking = [names for names in wanted if not any(arguments.get(name) for name in names)]
    if lacking:
        raise ValueError(f"{first} names no {' or '.join(lacking[0])}, and a plan is of one input and one output")
    return Command(tuple(words), place, arguments)


def open_function(place: str) -> Callable[..., None]:
    """Return the function at MODULE:NAME or FILE.py:NAME.

    Raises:
        ValueError: there is none.
    """
    where, _, name = place.rpartition(":")
    if not where.endswith(".py"):
        found: Callable[..., None] = getattr(importlib.import_module(where), name)
        return found
    path = Path(where)
    if not path.is_file():
        raise ValueError(f"{path} is not there; give the file of a pipeline")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the module of their fields' types
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise ValueError(f"{path} has no function {name!r}; a pipeline's function is named like its file")
    pipeline: Callable[..., None] = getattr(module, name)
    return pipeline
