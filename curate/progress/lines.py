"""The state of a run in plain lines, for the logs of jobs and for files.

clean: 12/40 splits, 48,213 rows, 5,123 rows/s, 21.3 MB/s, 2m10s, 4m30s left, 1 failed
  Extract 61 % of the time (1,240 rows/s, 5.1 MB/s), reading 12 %, ...; slowest web-03 41.2 s
"""

from collections.abc import Iterator

from curate.amounts import clock
from curate.progress.spent import READING, WRITING, Part
from curate.progress.state import MB, State

NAMED = 5  # parts in a line: those that took longest


def headline(state: State, *, final: bool = False) -> str:
    """Return splits, rows, rates, time, time left and failures in one line."""
    (worked, rows), elapsed = state.worked(), state.elapsed
    done = state.done_splits + state.resumed_splits
    told = [f"{done:,}/{state.total_splits:,} splits"]
    told += [f"{state.resumed_splits:,} of them before"] if state.resumed_splits else []
    told += [f"{rows:,} rows", f"{rows / elapsed:,.0f} rows/s"] if rows else []
    told += [f"{worked / elapsed / MB:,.1f} MB/s"] if state.in_bytes and worked >= MB / 10 else []
    told.append(clock(elapsed))
    left = None if final or not state.left_splits else state.seconds_left()
    told += [f"{clock(left)} left"] if left is not None else []
    told += [f"{state.failed_splits:,} failed"] if state.failed_splits else []
    told += ["starting"] if state.is_starting else []
    return f"{state.title}: {', '.join(told)}"


def detail(state: State) -> str:
    """Return where the time goes and which splits were slowest; empty if that is not known."""
    told = [", ".join(_parts(state))]
    if state.done_splits > 1 and state.slowest:
        told.append("slowest " + named(slowest(state)))
    if state.away:
        told.append("longest out " + named(state.longest_away()))
    return "; ".join(filter(None, told))


def _parts(state: State) -> Iterator[str]:
    parts = state.spent()
    whole = total_seconds(state, parts)
    for part in sorted(parts, key=lambda part: -part.seconds)[:NAMED]:
        if whole and part.seconds / whole >= 0.005:
            rates = f" ({part.rows / part.seconds:,.0f} rows/s{_speed(part)})" if is_stage(part) else ""
            yield f"{part.name} {part.seconds / whole:.0%} of the time{rates}"


def _speed(part: Part) -> str:
    return f", {part.num_bytes / part.seconds / MB:,.1f} MB/s" if part.num_bytes else ""


def total_seconds(state: State, parts: list[Part]) -> float:
    """Return the seconds of all workers, of which each part has a share."""
    return max(state.seconds + sum(meter.elapsed for meter, _, _ in list(state.here.values())), _sum(parts))


def _sum(parts: list[Part]) -> float:
    return sum(part.seconds for part in parts)


def is_stage(part: Part) -> bool:
    return part.name not in (READING, WRITING)


def slowest(state: State) -> list[tuple[float, str]]:
    """Return (seconds, name) of the slowest splits, slowest first."""
    return sorted(state.slowest, reverse=True)


def named(splits: list[tuple[float, str]]) -> str:
    return ", ".join(f"{name} {clock(seconds)}" for seconds, name in splits)
