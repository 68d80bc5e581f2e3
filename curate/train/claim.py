"""A run's folder belongs to one process at a time, and to one recipe for good.

    with claimed(Path("runs/stable"), recipe): ...            # ValueError if it is taken, or holds another run

`run.json` is the recipe: the same one may go on where it stopped, another one is refused. Data are known by their
content, so a folder may be moved with them. The lock on `.lock` is the operating system's, so it is gone with its
process, however that ended. Some network disks have no locks; there, two runs into one folder at the same time are
nobody's mistake but the caller's.
"""

import contextlib
import errno
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def claimed(out: Path, recipe: dict[str, Any]) -> Iterator[None]:
    """Hold a run's folder; what a killed process left half written is deleted.

    Raises:
        ValueError: another process trains into the folder, or it holds another run.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("a") as file:
        _lock(file, out)
        _write_recipe(out, recipe)
        for leftover in (out / "checkpoints").glob(".step-*.tmp"):
            shutil.rmtree(leftover)
        yield


def _lock(file: IO[str], out: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"another process is training into {out}; wait for it, or choose another folder") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _write_recipe(out: Path, recipe: dict[str, Any]) -> None:
    """Write the recipe, or check that the folder holds this very run."""
    file = out / "run.json"
    if file.exists():
        before = json.loads(file.read_text())
        different = [name for name in recipe if essence(before.get(name)) != essence(recipe[name])]
        if different or before.keys() != recipe.keys():
            raise ValueError(
                f"{out} holds a run with another {' and '.join(different) or 'origin'} (see its run.json); "
                "choose another folder, or delete this one"
            )
        return
    partial = out / ".run.json.tmp"
    partial.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    partial.replace(file)


def essence(value: Any) -> Any:
    """Leave the place out of what is known by its content."""
    if isinstance(value, dict):
        return {name: essence(part) for name, part in value.items() if name != "path" or "content" not in value}
    return [essence(part) for part in value] if isinstance(value, list) else value
