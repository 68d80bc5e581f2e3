"""What failed, and the table that says so at the end of every verb: which unit, in which stage, why, and where more is.

unit     stage                error
web-03   reading              crawl/web-03.warc.gz is cut short at byte 81,920
web-17   Extract(resiliparse) ...
tracebacks: clean/_log/20261121T133000Z-1a2b3c4d.log (lines with "event": "failed")
"""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SHOWN = 20  # failed units in a table; the log has all
WIDTH = 300  # characters of an error in it


@dataclass(frozen=True)
class Failure:
    """Why one unit of work failed."""

    error: str  # one line for people
    stage: str = ""  # where, as far as it is known: "reading", a stage's name, "writing"
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException, stage: str = "") -> "Failure":
        """Describe an exception that is being handled."""
        return cls(one_line(error), stage, "".join(traceback.format_exception(error)))


def one_line(error: BaseException | str) -> str:
    """Return what an exception says in one line: all of it if it is short, else its first line; never nothing."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    whole = " ".join(lines)
    said = whole if len(whole) <= WIDTH else "".join(lines[:1])
    if isinstance(error, str):
        return said
    name = type(error).__name__
    bare = isinstance(error, KeyError) or " " not in said  # says too little by itself
    return f"{name}: {said}" if said and bare else said or name


def attach(error: BaseException, failures: Mapping[str, Failure], log: str = "") -> BaseException:
    """Let an exception carry the units that failed, for whoever reports it; see `failure_table`."""
    error.__dict__["failures"] = dict(failures)
    error.__dict__["log"] = log
    return error


def failure_table(error: BaseException) -> list[str]:
    """Return the lines of a table of the failed units that an exception carries; none if it carries none."""
    failures: dict[str, Failure] = getattr(error, "failures", {})
    log: str = getattr(error, "log", "")
    if not failures:
        return []
    rows = [(name, failure.stage or "-", failure.error) for name, failure in list(failures.items())[:SHOWN]]
    lines = list(_aligned([("failed", "stage", "error"), *rows]))
    if len(failures) > SHOWN:
        lines.append(f"... and {len(failures) - SHOWN:,} more")
    if log:
        lines.append(f'tracebacks: {log}, its lines with "event": "failed"')
    return lines


def _aligned(rows: Sequence[tuple[str, str, str]]) -> Iterable[str]:
    unit, stage = (min(max(len(row[i]) for row in rows), 60) for i in (0, 1))
    for name, where, error in rows:
        short = error if len(error) <= WIDTH else f"{error[: WIDTH - 3]}..."
        yield f"{name:<{unit}}  {_short(where, stage):<{stage}}  {short}"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
