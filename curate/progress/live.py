"""The state of a run on a terminal, redrawn in place: a bar, a table of the stages, what is slow and what failed.

    clean   12/40 splits, 48,213 rows, 5,123 rows/s, 21.3 MB/s, 2m10s, 4m30s left
    ━━━━━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  31 %
    part                             time    rows/s    MB/s
    reading                          12 %    88,012   120.4
    Extract                          61 %     1,240     5.1
    longest out  web-07 41 s
    slowest      web-03 61 s, web-01 40 s
    failed       web-02: crawl/web-02.warc.gz is cut short

A stage's rows/s and MB/s are those of one worker while it is in this stage; the first line's are of the whole run.
"""

import sys
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from curate.progress.lines import headline, named, slowest, total_seconds
from curate.progress.spent import Part
from curate.progress.state import MB, State

BAR = 60  # columns


class Screen:
    """Draws the state of a run in place; what others print meanwhile appears above it."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream)
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=stream is sys.stderr,
        )

    def draw(self, state: State) -> None:
        if not self._live.is_started:
            self._live.start()
        self._live.update(picture(state), refresh=True)

    def close(self) -> None:
        self._live.stop()


def picture(state: State) -> RenderableType:
    """Return what the terminal shows of a state."""
    share = state.share()
    bar = Table.grid(padding=(0, 2))
    bar.add_row(ProgressBar(total=1.0, completed=share, width=BAR), Text(f"{share:.0%}"))
    return Group(Text(headline(state), overflow="ellipsis", no_wrap=True), bar, *_stages(state), *_splits(state))


def _stages(state: State) -> list[RenderableType]:
    parts = [part for part in state.spent() if part.seconds]
    if not parts:
        return []
    whole = total_seconds(state, parts)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("part", max_width=48, no_wrap=True)
    for name in ("time", "rows/s", "MB/s"):
        table.add_column(name, justify="right", min_width=8)
    for part in parts:
        table.add_row(part.name, f"{part.seconds / whole:.0%}", *_rates(part))
    return [table]


def _rates(part: Part) -> tuple[str, str]:
    rows = f"{part.rows / part.seconds:,.0f}" if part.rows else ""
    return rows, f"{part.num_bytes / part.seconds / MB:,.1f}" if part.num_bytes else ""


def _splits(state: State) -> list[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    in_hand = [(meter.elapsed, name) for name, (meter, _, _) in list(state.here.items())] or state.longest_away()
    if in_hand:
        grid.add_row(Text("longest out", style="dim"), Text(named(in_hand)))
    if state.done_splits > 1 and state.slowest:
        grid.add_row(Text("slowest", style="dim"), Text(named(slowest(state))))
    if state.first_failure is not None:
        name, failure = state.first_failure
        grid.add_row(Text("failed", style="red"), Text(f"{name}: {failure.error}", overflow="ellipsis", no_wrap=True))
    return [grid] if grid.row_count else []
