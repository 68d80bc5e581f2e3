"""How far a run is, for people and for programs: a live view, plain lines in logs, and JSON lines in `OUT/_log`."""

from curate.progress.failure import Failure, attach, failure_table, one_line
from curate.progress.log import LOG, LoggedRun, RunLog, events, read_log
from curate.progress.progress import Progress
from curate.progress.spent import Meter, Part, Spent, peak_bytes

__all__ = [
    "LOG",
    "Failure",
    "LoggedRun",
    "Meter",
    "Part",
    "Progress",
    "RunLog",
    "Spent",
    "attach",
    "events",
    "failure_table",
    "one_line",
    "peak_bytes",
    "read_log",
]
