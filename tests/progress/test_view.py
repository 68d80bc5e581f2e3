"""What people see of a run: honest rates and time left, where the time goes, what is slow, what failed."""

import io
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from curate.progress import Failure, Meter, Part, Progress, Spent
from curate.progress.lines import detail, headline
from curate.progress.live import picture
from curate.progress.progress import LINE_EVERY_S
from curate.progress.state import State

MB = 10**6


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spent(seconds: float, *parts: Part) -> Spent:
    return Spent(0.0, seconds, seconds, 2**20, "host:1", parts)


def state_of(clock: Clock, *, splits: int = 10, megabytes: int = 100) -> State:
    return State("clean", megabytes * MB, splits, clock)


def test_rates_and_time_left_are_of_the_bytes_done_now(clock: Clock) -> None:
    state = state_of(clock)
    clock.now = 20
    for name in "ab":
        state.done(name, 10 * MB, 500, None)
    assert headline(state) == "clean: 2/10 splits, 1,000 rows, 50 rows/s, 1.0 MB/s, 20s, 1m20s left"


def test_splits_of_an_earlier_run_are_neither_work_nor_left(clock: Clock) -> None:
    state = state_of(clock)
    for name in "abcdef":
        state.resumed(name, 10 * MB)
    assert state.seconds_left() is None, "nothing is known before anything is done"
    clock.now = 10
    state.done("g", 10 * MB, 100, None)
    assert state.seconds_left() == pytest.approx(30), "three splits are left, of ten seconds each"
    assert headline(state).startswith("clean: 7/10 splits, 6 of them before, 100 rows, 10 rows/s, 1.0 MB/s")


def test_failed_splits_are_not_left_and_are_no_part_of_the_rate(clock: Clock) -> None:
    state = state_of(clock)
    clock.now = 10
    state.done("a", 10 * MB, 1, None)
    for name in "bcd":
        state.failed(name, 10 * MB, Failure("it is cut short", "reading"))
    assert state.seconds_left() == pytest.approx(60)
    assert headline(state).endswith(", 1m00s left, 3 failed")


def test_a_slow_start_is_forgotten(clock: Clock) -> None:
    """Ten minutes to load models, then 1 MB a second: the time left is of the second part."""
    state = state_of(clock, splits=4000, megabytes=4000)
    clock.now = 600
    for number in range(1800):
        clock.now += 1
        state.done(f"{number}", MB, 1, None)
        state.seconds_left()  # the view looks now and then
    assert state.seconds_left() == pytest.approx(2200, rel=0.01)


def test_what_is_through_of_a_split_in_hand_counts(clock: Clock) -> None:
    state = state_of(clock, splits=1)
    meter = Meter(("Extract",))
    state.here["a"] = (meter, 100 * MB, 400)
    assert headline(state) == "clean: 0/1 splits, 0s"
    meter.rows[0] = 100
    clock.now = 10
    assert headline(state) == "clean: 0/1 splits, 100 rows, 10 rows/s, 2.5 MB/s, 10s, 30s left"
    state.done("a", 100 * MB, 400, None)
    assert state.share() == 1
    assert headline(state) == "clean: 1/1 splits, 400 rows, 40 rows/s, 10.0 MB/s, 10s"


def test_where_the_time_goes_sums_up_all_splits_and_names_the_slowest(clock: Clock) -> None:
    state = state_of(clock)
    for number, seconds in enumerate((1.0, 4.0, 2.0, 3.0)):
        reading = Part("reading", seconds * 0.25, 0.1, 100, 0, 0.0)
        extract = Part("Extract", seconds * 0.75, 0.1, 100, 3 * MB, 0.0)
        state.done(f"web-{number}", MB, 100, spent(seconds, reading, extract))
    assert detail(state) == (
        "Extract 75% of the time (53 rows/s, 1.6 MB/s), reading 25% of the time; slowest web-1 4s, web-3 3s, web-2 2s"
    )


def test_a_hundred_thousand_splits_are_held_in_a_few_numbers(clock: Clock) -> None:
    state = State("clean", 10**9, 100_000, clock)
    for number in range(100_000):
        state.done(f"{number}", 10_000, 1, spent(number % 977, Part("reading", 1.0, 1.0, 1, 0, 0.0)))
    assert state.parts == [Part("reading", 100_000.0, 100_000.0, 100_000, 0, 0.0)]
    assert [seconds for seconds, _ in sorted(state.slowest)] == [976, 976, 976]
    assert len(state.here) + len(state.away) == 0


def test_a_log_gets_a_line_every_ten_seconds_and_one_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    with Progress("clean", 100 * MB, 10, stream=stream, clock=clock) as progress:
        for _ in range(9):
            clock.now += LINE_EVERY_S / 2 + 1
            progress.split(10 * MB, 100, name="a", spent=spent(4.0, Part("Extract", 3.0, 3.0, 100, MB, 0.0)))
            progress.show()
        progress.failed(10 * MB, "b", Failure("it is cut short"))
    lines = stream.getvalue().splitlines()
    assert sum(line.startswith("clean: ") for line in lines) == 5
    assert lines[1].strip().startswith("Extract 75% of the time (33 rows/s")
    assert lines[-2] == "clean: 9/10 splits, 900 rows, 17 rows/s, 1.7 MB/s, 54s, 1 failed"
    assert lines[-1].strip().startswith("Extract 75%")


def test_a_stream_that_is_gone_silences_the_view_and_stops_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    with Progress("clean", 10, 2, stream=stream, clock=clock) as progress:
        progress.split(5, 1)
        stream.close()
        clock.now = 60
        progress.show()
        progress.split(5, 1)
    assert progress.state.done_splits == 2


def test_the_picture_holds_the_bar_the_stages_the_slowest_and_the_first_failure(clock: Clock) -> None:
    state = state_of(clock)
    clock.now = 10
    parts = (Part("reading", 2.0, 2.0, 100, 0, 0.0), Part("Extract", 8.0, 8.0, 100, 16 * MB, 0.0))
    state.done("web-1", 20 * MB, 100, spent(10.0, *parts))
    state.done("web-2", 20 * MB, 100, spent(20.0, *parts))
    state.failed("web-3", 10 * MB, Failure("web-3.warc.gz is cut short", "reading"))
    state.away["web-4"] = 3.0
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    with console.capture() as shown:
        console.print(picture(state))
    text = shown.get()
    rows = [line.split() for line in text.splitlines()]
    assert rows[0][:3] == ["clean:", "2/10", "splits,"]
    assert "50%" in text
    assert ["reading", "13%", "50"] in rows
    assert ["Extract", "53%", "12", "2.0"] in rows
    assert ["longest", "out", "web-4", "7s"] in rows
    assert ["slowest", "web-2", "20s,", "web-1", "10s"] in rows
    assert ["failed", "web-3:", "web-3.warc.gz", "is", "cut", "short"] in rows


LIVE = """
import sys
from curate.progress import Progress
with Progress("clean", 4, 4) as progress:
    for name in "abcd":
        sys.stdin.readline()  # which comes when the terminal shows how far we are
        progress.split(1, 10, name=name)
        print("a word of another", file=sys.stderr)
"""


def test_a_terminal_is_redrawn_in_place_and_left_with_one_line() -> None:
    primary, secondary = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    command, pipe = [sys.executable, "-c", LIVE], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=secondary, env=environment) as process:
        os.close(secondary)
        assert process.stdin is not None
        text, until, seen = "", time.monotonic() + 120, 0
        while time.monotonic() < until:
            if select.select([primary], [], [], 1)[0]:
                try:
                    text += os.read(primary, 65536).decode()
                except OSError:  # the other end is closed
                    break
            if seen < 4 and f"{seen}/4 splits" in text:
                process.stdin.write(b"\n")
                process.stdin.flush()
                seen += 1
    os.close(primary)
    assert process.returncode == 0
    assert "\x1b[2K" in text, "lines are erased and drawn again"
    assert "0/4 splits" in text
    assert text.count("a word of another") == 4, "what others print stays"
    assert "clean: 4/4 splits, 40 rows" in text.splitlines()[-1]
    assert text.splitlines()[-1].endswith("done")


def test_a_progress_that_is_never_used_starts_no_thread_and_says_nothing(tmp_path: Path) -> None:
    stream = io.StringIO()
    Progress("clean", 1, 1, stream=stream).close()
    assert stream.getvalue() == ""
