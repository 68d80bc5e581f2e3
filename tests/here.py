"""A program run in this process, which has imported what it needs: what `python FILE ARGUMENTS` says, and how it ends.

    python("pipelines/demo.py", "--out", folder)           # a subprocess.CompletedProcess
    python("-m", "curate.cli", "funnel", "runs")

The file runs as `__main__` with its arguments. What is saved is the start of an interpreter with pyarrow, numba and
torch, one to six seconds of a processor; what is lost is a process of its own, so whatever is shown of one (a kill,
another environment, that a fresh import works) starts one.
"""

import io
import runpy
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a file (a path below `cwd`), or after "-m" a module, with arguments; warnings are the test's."""
    words = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        warnings.filterwarnings("ignore", "Cyclopts application invoked without tokens")  # that is, with sys.argv's
        patch.chdir(cwd)
        patch.setenv("TQDM_DISABLE", "1")  # which `main` sets
        code = _end(words, patch)
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def _end(words: list[str], patch: pytest.MonkeyPatch) -> str | int:
    """Return what the program gives to sys.exit, 0 where it simply ends."""
    is_module = words[0] == "-m"
    patch.setattr(sys, "argv", words[is_module:])
    try:
        if is_module:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    return 0
