"""Run the very command on a sample of its input, in a process of its own, into a scratch folder.

    rehearsed = rehearse(command, drawn, "/tmp/x")        /tmp/x/out/... as the real run's OUT, with its log

The arguments are the command's but for what it reads and writes, `--limit`, which chose the sample, and what would
cost money or change something that stays: a teacher is not asked, an index is made anew in the scratch folder. The
process is new so that its memory and its start-up are those of a worker, and nothing of it stays in this one. Where the
first go is short it is done twice: for about a second a process is slower at everything (pages of memory, caches,
kernels), which a run of hours does not notice and a rehearsal of a second is made of. A scratch folder may be used
again: what it holds of the same rehearsal is not done again.
"""

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from curate.plan.command import Command, open_function
from curate.plan.draw import Drawn
from curate.progress.spent import peak_bytes
from curate.readers.chosen import ENDING, write_chosen

ORDER, BEGAN, RESULT, OUTPUT = "rehearsal.json", "began.json", "result.json", "output.txt"
YOUNG = "young"  # folder of the first of two goes
SHORT_S = 20.0  # a go that took less is followed by another


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal left.

    Attributes:
        out: folder that stands for the command's OUT; young: and that of the go before, if there were two.
        began: unix time at which the process was started.
        called, ended: when the command's function was, the last time.
        peak_bytes: the most memory that the process held.
    """

    out: str
    young: str | None
    began: float
    called: float
    ended: float
    peak_bytes: int

    @property
    def seconds(self) -> float:
        """Seconds of the whole process, imports included."""
        return self.ended - self.began


class RehearsalError(RuntimeError):
    """The command failed on the sample, as it would on the whole."""


def rehearse(command: Command, samples: Mapping[str, Drawn], scratch: str) -> Rehearsed:
    """Run a command on a sample of each of its sources.

    Raises:
        RehearsalError: it failed; the message is its own.
    """
    order: dict[str, Any] = {"function": command.function, "arguments": _arguments(command, samples, Path(scratch))}
    folder = Path(scratch, blake2b(json.dumps(order, sort_keys=True).encode(), digest_size=6).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ORDER).write_text(json.dumps(order))
    if not (folder / RESULT).exists():
        began = time.time()
        subprocess.run([sys.executable, "-m", "curate.plan.rehearse", str(folder)], check=False)
        (folder / BEGAN).write_text(json.dumps(began))
    if not (folder / RESULT).exists():
        raise RehearsalError("the rehearsal was killed (out of memory?); plan a smaller --share, or free memory")
    result = json.loads((folder / RESULT).read_text())
    if result["error"]:
        (folder / RESULT).unlink()  # so that the next try goes on
        raise RehearsalError(
            f"the rehearsal failed, as the run would or because the sample is small (then give a larger --share): "
            f"{result['error']}"
        )
    began = json.loads((folder / BEGAN).read_text())
    return Rehearsed(f"{folder}/out", result["young"], began, result["called"], result["ended"], result["peak_bytes"])


def _arguments(command: Command, samples: Mapping[str, Drawn], scratch: Path) -> dict[str, Any]:
    """Return what the rehearsal calls the command's function with; `out` is filled in by the process."""
    scratch.mkdir(parents=True, exist_ok=True)
    kind = command.arguments.get("kind")
    names, weights = command.folders, command.weights
    paths = {source: _manifest(source, names[source], kind, drawn, scratch) for source, drawn in samples.items()}
    given = [f"{path}{weights[source]}" for source, path in paths.items()]
    source: Any = given if "sources" in command.arguments else given[0]
    changed = {"source": source, "sources": source, "kind": None, "limit": None, "allow_empty": True, "teacher": None}
    engine = {"workers": None} if command.arguments.get("ray") in (None, "none") else {}
    return command.with_arguments(**changed, **engine)


def _manifest(source: str, called: str, kind: str | None, drawn: Drawn, scratch: Path) -> str:
    """Write the sample of one source down under a name that tells it from others, and return its path."""
    path = source if "://" in source else str(Path(source).resolve())
    splits = (*drawn.pieces, *drawn.tiny)
    skips = {split.name: drawn.skips[split.name] for split in splits if split.name in drawn.skips}
    mark = blake2b(repr((path, kind, splits, skips)).encode(), digest_size=6).hexdigest()
    (scratch / mark).mkdir(exist_ok=True)
    name = scratch / mark / f"{called}{ENDING}"
    write_chosen(str(name), path, kind, splits, skips)
    return str(name)


def main(folder: str) -> None:
    """Do what the order in `folder` says, and write down what it took."""
    order, error = json.loads(Path(folder, ORDER).read_text()), ""
    young, called = f"{folder}/{YOUNG}", time.time()
    try:
        with Path(folder, OUTPUT).open("a") as said, redirect_stdout(said):
            _call(order["function"], _placed(order["arguments"], young))
            if time.time() - called < SHORT_S:
                called = time.time()
                _call(order["function"], _placed(order["arguments"], folder))
            else:
                Path(young, "out").rename(f"{folder}/out")
                young = ""
    except (ValueError, LookupError, OSError, ImportError, RuntimeError) as failure:
        error = str(failure) or type(failure).__name__
        Path(folder, "error.txt").write_text(traceback.format_exc())
    took = {"called": called, "ended": time.time(), "peak_bytes": peak_bytes()}
    told = {**took, "young": f"{young}/out" if young else None, "error": error}
    Path(folder, RESULT).write_text(json.dumps(told))


def _placed(arguments: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return the arguments with all that is written, or changed, in the folder."""
    places = {
        "out": f"{folder}/out",
        "output": f"{folder}/out",
        "index": f"{folder}/index",
        "labels": f"{folder}/labels",
    }
    return {**arguments, **{name: place for name, place in places.items() if arguments.get(name) is not None}}


def _call(function: str, arguments: dict[str, Any]) -> None:
    if function.endswith(":dedup"):  # which reads corpora only: the sample becomes one
        arguments["source"] = _corpus(arguments["source"])
    open_function(function)(**arguments)


def _corpus(manifest: str) -> str:
    """Copy a sample into a corpus with a shard for each piece."""
    from curate.corpus import read_split
    from curate.readers import open_source
    from curate.writer import ShardWriter

    source, folder = open_source(manifest), manifest.removesuffix(ENDING)
    for split in source.splits():
        with ShardWriter(folder, split.name, source.schema) as writer:
            for batch in read_split(source, split):
                writer.write(batch)
            writer.commit({})
    return folder


if __name__ == "__main__":
    main(sys.argv[1])
