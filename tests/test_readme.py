"""The README's commands work as printed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from pipelines.bare_machine import project_pages, write_warc
from tests.here import python

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.S)
TOUR = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line.startswith("curate ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the tour starts from: a small crawl."""
    folder = tmp_path_factory.mktemp("tour")
    write_warc(folder / "pages.warc.gz", list(project_pages()))
    return folder


def test_the_tour_runs_from_pages_to_a_model(folder: Path) -> None:
    assert len(TOUR) >= 8
    for line in TOUR:
        done = python("-m", "curate.cli", *shlex.split(line, comments=True)[1:], cwd=folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert done.stdout, f"{line} says nothing"


@pytest.mark.parametrize("target", ["setup", "demo", "test", "check", "bench"])
def test_the_makefile_has_the_targets_that_the_readme_names(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", target, "CORPUS=pages.parquet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"make {target}" in README


def test_every_file_that_the_readme_lists_exists() -> None:
    (tree,) = [block for kind, block in BLOCKS if kind == "text" and "curate/" in block]
    folder = ""
    for line in tree.splitlines():
        name = line.split("  ")[0] if not line.startswith("  ") else line.strip().split("  ")[0]
        if not line.startswith("  "):
            folder = name if name.endswith("/") else ""
        for path in name.split():
            found = ROOT / (folder if line.startswith("  ") else "") / path
            assert found.exists(), f"README lists {found}"
