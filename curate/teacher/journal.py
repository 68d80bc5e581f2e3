"""A journal of paid answers: one JSON line each, on disk before the next step, replayed after a kill.

    with Journal(folder / ".journal.jsonl", recipe) as journal:
        for record in journal.replayed: ...
        journal.write({"id": "a", "reply": "..."})

The first line is the recipe; another recipe cannot continue the file. A kill in the middle of a write leaves half a
line at the end, which is cut off. The file is locked, so that two runs into one folder cannot both pay.
An fsync costs about 1.5 ms, far below an answer's price.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self


class Journal:
    """Append-only records of one run and of its earlier, killed starts."""

    def __init__(self, path: Path, recipe: Mapping[str, Any]) -> None:
        self.path = path
        self.recipe = dict(recipe)
        self.replayed: list[dict[str, Any]] = []
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel even after a kill
            self._replay()
        except BlockingIOError as error:
            self._file.close()
            raise ValueError(f"another run is writing to {self.path.parent}; wait for it, or stop it") from error
        except ValueError:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; it is on disk when this returns."""
        self._file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def remove(self) -> None:
        """Delete the file: everything in it is in finished shards."""
        self.path.unlink()

    def _replay(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].split(b"\n")[:-1]
        if len(lines) <= 1:  # nothing was paid yet, so any recipe may begin
            self._file.truncate(0)
            self.write(self.recipe)
            return
        self._file.truncate(whole)
        try:
            header, *self.replayed = map(json.loads, lines)
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.path} is damaged ({error}); move it away to pay for its answers again") from error
        if header != self.recipe:
            raise ValueError(f"{self.path} continues {header}, not {self.recipe}; write to another folder")
