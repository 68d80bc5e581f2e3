"""A journal of questions and paid answers: one JSON line each, replayed after a kill.

    with Journal(folder / ".journal.jsonl", recipe) as journal:
        for record in journal.replayed: ...
        journal.note({"ask": "a"})                      # before the question leaves
        journal.write({"id": "a", "reply": "..."})      # on disk before the next step
        journal.rewrite(open_records)                   # the others are in a finished shard

The first line is the recipe; another recipe cannot continue the file. A kill in the middle of a write leaves half a
line at the end, which is cut off. The folder is locked, so that two runs into it cannot both pay.

`note` hands its line to the system: a killed process cannot lose it, and it reaches the disk with the next `write`.
`write` waits for the disk (an fsync costs some 1.5 ms, far below an answer's price). `rewrite` keeps the file as short
as what is open, so that a restart after a million answers reads some hundred lines.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self


class Journal:
    """Append-only records of one run and of its earlier, killed starts."""

    def __init__(self, path: Path, recipe: Mapping[str, Any]) -> None:
        self.path = path
        self.recipe = dict(recipe)
        self.replayed: list[dict[str, Any]] = []
        self._is_empty = False
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel even after a kill
            self._replay()
        except BlockingIOError as error:
            os.close(self._lock)
            raise ValueError(f"another run is writing to {self.path.parent}; wait for it, or stop it") from error
        except ValueError:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._is_empty:  # a run that was refused leaves nothing behind
            self.path.unlink(missing_ok=True)
        os.close(self._lock)

    def note(self, record: Mapping[str, Any]) -> None:
        """Append a record; it outlives this process when this returns."""
        self._is_empty = False
        self._file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self._file.flush()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; it is on disk when this returns."""
        self.note(record)
        os.fsync(self._file.fileno())

    def rewrite(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Replace all records by these, in one step that a kill cannot halve."""
        fresh = self.path.with_suffix(".new")
        old, self._file = self._file, fresh.open("wb")
        old.close()
        for record in (self.recipe, *records):
            self.note(record)
        os.fsync(self._file.fileno())
        fresh.replace(self.path)

    def remove(self) -> None:
        """Delete the file: everything in it is in finished shards."""
        self.path.unlink()

    def _replay(self) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].split(b"\n")[:-1]
        self._file = self.path.open("ab")
        if len(lines) <= 1:  # nothing was asked yet, so any recipe may begin
            self._file.truncate(0)
            self.write(self.recipe)
            self._is_empty = True
            return
        try:
            header, *self.replayed = map(json.loads, lines)
            if header != self.recipe:
                raise ValueError(f"{self.path} continues {header}, not {self.recipe}; write to another folder")
        except ValueError as error:
            self._file.close()
            if isinstance(error, json.JSONDecodeError):
                message = f"{self.path} is damaged ({error}); move it away to pay for its answers again"
                raise ValueError(message) from error
            raise
        self._file.truncate(whole)
