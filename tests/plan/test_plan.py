"""A plan from a rehearsal, as a person gives it; and after the run, its own error."""

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cyclopts import App

from curate.amounts import size
from curate.cli import app, is_planned_so
from curate.corpus import Corpus, write_corpus
from curate.plan import rehearse
from curate.plan.command import parse
from curate.plan.draw import draw
from curate.plan.error import compare, tell
from curate.plan.fit import Estimate
from curate.plan.measure import Step, measure
from curate.plan.plan import _start, plan
from curate.plan.rehearse import RehearsalError, Rehearsed
from curate.plan.result import FILE, Plan, is_planned, read_plan
from curate.plan.table import about, hours, table
from tests.plan.made import split_line, write_log

RULES = """
from curate.stage import Rule
RULES = (Rule("stars", at_least=5, source="half of them"),)
"""

PIPELINE = """
from curate.corpus import Corpus
from curate.dedup import dedup
from curate.readers import open_source
from curate.run import run
from curate.stage import Keep, Rule


def small(*, source: str, output: str, teacher: str | None = None, num_labels: int = 50) -> None:
    assert teacher is None  # a rehearsal asks nobody
    run((Keep((Rule("stars", at_least=5),)),), open_source(source), f"{output}/1-clean")
    dedup(Corpus(f"{output}/1-clean"), f"{output}/2-unique")
"""


def curate(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "curate.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty shards of twenty documents, in each of which ten have five stars or more."""
    folder = tmp_path_factory.mktemp("plan") / "docs"
    texts = ["The cells of a leaf turn light into sugar. " * 20] * 20
    for shard in range(40):
        stars = pa.array([at % 10 for at in range(20)], pa.int64())
        ids = [f"{shard}-{at}" for at in range(20)]
        batch = pa.record_batch({"text": texts, "id": ids, "stars": stars})
        write_corpus(folder / f"{shard:02}", [batch])
    (folder.parent / "rules.py").write_text(RULES)
    return folder


@pytest.fixture(scope="module")
def planned(docs: Path) -> Path:
    """Folder of an output that was planned, and then made."""
    out = docs.parent / "out"
    words = ["filter", docs, "-o", out, "--rules", f"{docs.parent}/rules.py:RULES"]
    told = curate("plan", *words, "--share", 0.2, "--price", "cpu=0.04")
    assert told.returncode == 0, told.stderr
    (docs.parent / "plan.txt").write_text(told.stdout)
    (docs.parent / "there.json").write_text(json.dumps([str(p) for p in out.rglob("*") if p.is_file()]))
    shutil.copy(out / FILE, docs.parent / "plan.json")
    done = curate(*words)
    assert done.returncode == 0, done.stderr
    (docs.parent / "run.txt").write_text(done.stdout)
    return out


def test_uniform_selectivity_is_predicted_exactly(planned: Path) -> None:
    found = read_plan(str(planned))
    assert found is not None
    assert (found.num_pieces, found.of_pieces, found.num_splits) == (8, 40, 40)
    assert found.share == pytest.approx(0.2, rel=0.001)
    (step,) = found.steps
    assert step.rows_in.value == 800
    assert step.rows_out.value == Corpus(planned).num_rows == 400
    assert step.text_out.value == pytest.approx(400 * 860)
    assert step.quarantined.value == 0


def test_a_plan_writes_nothing_but_itself(planned: Path) -> None:
    assert json.loads((planned.parent / "there.json").read_text()) == [str(planned / FILE)]


def test_the_table_tells_the_sample_the_steps_and_the_totals(planned: Path) -> None:
    told = (planned.parent / "plan.txt").read_text()
    for words in ("rehearsed on 20.0% of", "8 of 40 pieces", "wall time", "processors", "memory of a task", "disk",
                  "money for machines", "saved: "):  # fmt: skip
        assert words in told


def test_after_the_run_the_plan_tells_its_own_error(planned: Path) -> None:
    told = (planned.parent / "run.txt").read_text()
    assert "the plan of 20.0%, and the run:" in told
    (line,) = [line for line in told.splitlines() if line.startswith("filter: documents out")]
    assert line.split()[-3:] == ["400", "+0.0%", "inside"]
    assert "wall time" in told


def test_a_plan_of_another_command_or_input_is_not_held_against_the_run(planned: Path) -> None:
    found = read_plan(str(planned))
    assert found is not None
    _, source, *rest = found.command
    assert is_planned_so(app, found.command, ["filter", f"{source}/", "--out=x", *rest[2:], "--workers", "3"])
    for other in (
        ["filter", f"{source}/00", *rest],
        ["filter", source, *rest, "--keep-text"],
        ["filter", source, *rest, "--limit", "20"],
        ["score", source, *rest[:2]],
    ):
        assert not is_planned_so(app, found.command, other)
    assert not is_planned_so(app, ["filter", source, "-o", "x", "--no-such-option"], ["filter", source, "-o", "x"])
    assert not is_planned_so(app, ["pipelines/small.py", "--source", source], ["filter", source, *rest])
    pipeline = App()
    pipeline.default(small)
    words = ["pipelines/small.py", "--source", "a", "--output", "b"]
    assert is_planned_so(pipeline, words, ["--source=a", "--output=c"])
    assert not is_planned_so(pipeline, words, ["a", "b", "5"])
    told = tell(str(planned), lambda words: list(words) != list(found.command))
    assert told.endswith(f"is not held against the run: {shlex.join(found.command)}")


def small(source: str, output: str, num_labels: int = 50) -> None:
    """Stand for a pipeline's one function."""


def test_the_bytes_on_disk_are_near(planned: Path) -> None:
    found = read_plan(str(planned))
    assert found is not None
    held = {one.name: one for one in compare(found, measure(str(planned)))}
    assert abs(held["disk"].error) < 0.05


def test_a_plan_reads_back_as_it_was(planned: Path) -> None:
    found = read_plan(str(planned))
    assert isinstance(found, Plan)
    other = replace(found, out=str(planned.parent / "copy"))
    other.save()
    assert read_plan(other.out) == other


def test_another_machine_and_other_workers_are_said(planned: Path) -> None:
    found = read_plan(str(planned))
    assert found is not None
    copy = planned.parent / "elsewhere"
    shutil.copytree(planned, copy)
    shutil.rmtree(copy / "_log")
    splits = [split_line(name, 0.1) for name in measure(str(planned))[0].units]
    write_log(copy, splits, 4.0, workers=7, worker="node9:1", cpus=64)
    replace(found, out=str(copy)).save()
    told = tell(str(copy))
    assert "run on node9 (64)" in told
    assert "planned for 1 at a time, run with 7" in told
    write_log(copy, [], 1.0, unix=2000.0, workers=7, worker="node9:1")
    assert "2 tries; its wall time is not compared" in tell(str(copy))


def test_a_damaged_plan_does_not_spoil_the_run(planned: Path, tmp_path: Path) -> None:
    (tmp_path / "_log").mkdir()
    (tmp_path / FILE).write_text("{")
    assert is_planned(str(tmp_path))
    assert "cannot be held against the run" in tell(str(tmp_path))
    (tmp_path / FILE).write_text('{"format": 0}')
    assert "of another version" in tell(str(tmp_path))
    shutil.copy(planned.parent / "plan.json", tmp_path / FILE)
    assert "is not held against the run, which has no filter" in tell(str(tmp_path))


@pytest.mark.parametrize(("short_s", "goes"), [(0.0, 1), (60.0, 2)])
def test_a_short_rehearsal_is_done_twice_by_one_process(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_s: float, goes: int
) -> None:
    command = parse(["filter", str(docs), "-o", "out", "--rules", f"{docs.parent}/rules.py:RULES"], app)
    drawn = {str(docs): draw(Corpus(docs), share=0.2)}
    monkeypatch.setattr(rehearse, "SHORT_S", short_s)
    monkeypatch.setattr(subprocess, "run", lambda words, check: rehearse.main(words[-1]))
    found = rehearse.rehearse(command, drawn, str(tmp_path))
    made = [measure(out) for out in (found.young, found.out) if out]
    assert len(made) == goes
    rows = 8 * 10 + 4 * 6  # of eight pieces and four tiny ones
    assert [[step.rows_out for step in steps] for steps in made] == [[rows]] * goes
    assert found.began <= found.called < found.ended
    assert all(step.began >= found.called for step in made[-1])


def test_what_lies_outside_of_the_steps_is_told_from_the_first_go() -> None:
    """Of two goes, 1 s of imports, 5 s in a step and 2 s in one without a log; 9.5 s until the second, of 6 s."""
    twice = Rehearsed("out", "young", began=100.0, called=109.5, ended=115.5, peak_bytes=0)
    young = [Step("a", began=101.0, seconds=5.0, tries=1), Step("b")]
    again = [Step("a", began=109.6, seconds=4.0, tries=1), Step("b", seconds=2.0)]
    assert _start(twice, again, young) == pytest.approx((1.0, 1.5))
    once = Rehearsed("out", None, began=100.0, called=100.8, ended=109.0, peak_bytes=0)
    assert _start(once, [Step("a", began=101.0, seconds=5.0, tries=1), Step("b", seconds=2.0)], []) == (1.0, 1.0)
    assert _start(twice, [Step("b", seconds=6.0)], [Step("b")]) == pytest.approx((3.5, 0.0))  # as long as the second


def test_a_command_that_fails_on_the_sample_fails_the_plan_with_its_own_words(docs: Path, tmp_path: Path) -> None:
    command = parse(["filter", str(docs), "-o", str(tmp_path / "out"), "--rules", "nonsense"], app)
    with pytest.raises(RehearsalError, match=r"the rehearsal failed.*nonsense"):
        plan(command, share=0.2)
    assert not (tmp_path / "out").exists()


def test_what_does_not_exist_or_is_no_share_is_one_sentence(docs: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone does not exist"):
        plan(parse(["extract", str(tmp_path / "gone"), "-o", "x"], app))
    with pytest.raises(ValueError, match="share of 0 of the input"):
        plan(parse(["filter", str(docs), "-o", "x"], app), share=0)


def test_a_teachers_bill_is_told_without_asking_it(docs: Path, tmp_path: Path) -> None:
    """860 characters and the question around them, at four a token, 100 times; an answer is 120 tokens."""
    words = ["annotate", str(docs), "-o", str(tmp_path / "out"), "--teacher", "http://127.0.0.1:9/v1", "-n", "100"]
    words += ["--input-price", "0.5", "--output-price", "2", "--requests-per-minute", "50"]
    found = plan(parse(words, app), share=0.2)
    assert found.teaching is not None
    from classifiers.web_edu import RUBRIC

    tokens = 100 * len(RUBRIC.prompt("x" * 860)) / 4
    assert found.teaching.prompt_tokens.value == pytest.approx(tokens)
    assert found.teaching.prompt_tokens.low == pytest.approx(0.8 * tokens)
    assert found.teaching.completion_tokens == Estimate(12_000, 6_000, 24_000)
    assert found.teaching.money is not None
    assert found.teaching.money.value == pytest.approx((tokens * 0.5 + 12_000 * 2) / 1e6)
    assert found.wall == Estimate.exactly(120.0)
    assert "money for the teacher" in table(found)
    assert not (tmp_path / "out").exists()


def test_a_teachers_bill_is_of_texts_from_everywhere_in_one_large_file(tmp_path: Path) -> None:
    """A file that begins with a thousand short documents and ends with a thousand long ones, half of each asked."""
    texts, ids = ["x" * 100] * 1000 + ["x" * 2100] * 1000, [f"{at}" for at in range(2000)]
    write_corpus(tmp_path / "docs", [pa.record_batch({"text": texts, "id": ids})])
    words = ["annotate", f"{tmp_path}/docs", "-o", f"{tmp_path}/out", "--teacher", "http://127.0.0.1:9/v1", "-n", "100"]
    found = plan(parse(words, app), share=0.2)
    assert found.teaching is not None
    from classifiers.web_edu import RUBRIC

    assert found.teaching.prompt_tokens.value == pytest.approx(25 * len(RUBRIC.prompt("x" * 1100)), rel=0.05)


def test_two_corpora_of_one_name_are_planned_apart_and_by_their_weights(tmp_path: Path) -> None:
    for place, num in (("a", 20), ("b", 60)):
        texts = [f"The leaf of tree {at} turns light into sugar. " * 5 for at in range(num)]
        write_corpus(
            tmp_path / place / "docs", [pa.record_batch({"text": texts, "id": [f"{at}" for at in range(num)]})]
        )
    words = ["tokenize", f"{tmp_path}/a/docs:0.7", f"{tmp_path}/b/docs:0.3", "-o", f"{tmp_path}/out", "--vocab", "300"]
    found = plan(parse(words, app), share=1.0)
    assert {step.name: step.rows_in.value for step in found.steps} == {"docs": 20, "docs-2": 60}


def test_a_pipeline_is_planned_with_what_its_teacher_and_its_copies_cost(tmp_path: Path) -> None:
    """Eight hundred documents, 400 with five stars; 100 of these have one copy each, twenty shards away: 300 stay."""
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in random.integers(0, 10**6, 60)) for _ in range(800)]
    for at in range(0, 400, 4):  # shards 0 to 19, at 20 documents; those at 4, 8, 16, ... have stars or have none
        texts[at + 1 + 400] = texts[at + 1]
    for shard in range(40):
        rows = range(shard * 20, shard * 20 + 20)
        stars = pa.array([at % 2 * 5 for at in rows], pa.int64())
        ids = [f"{at:03}" for at in rows]
        batch = pa.record_batch({"text": [texts[at] for at in rows], "id": ids, "stars": stars})
        write_corpus(tmp_path / "docs" / f"{shard:02}", [batch])
    (tmp_path / "small.py").write_text(PIPELINE)
    words = [
        f"{tmp_path}/small.py",
        "--source",
        f"{tmp_path}/docs",
        "--output",
        f"{tmp_path}/out",
        "--teacher",
        "http://x",
    ]
    found = plan(parse(words, app), share=0.4, prices={"input": 1.0, "cpu": 0.1})
    assert [step.name for step in found.steps] == ["1-clean", "2-unique"]
    clean, unique = found.steps
    assert clean.rows_out.value == pytest.approx(400)
    assert unique.rows_in.value == pytest.approx(400)
    assert 300 in unique.rows_out
    assert 300 <= unique.rows_out.value < 400 - 100 * 0.4**2  # more leave than a sum over samples says
    assert found.teaching is not None
    assert found.teaching.documents == 50
    assert found.teaching.money is not None
    assert found.money is not None
    assert any("the teacher was not asked" in note for note in found.notes)
    assert "2-unique" in table(found)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (about(Estimate(2.4e9, 2.2e9, 2.6e9), size), "2.4 GB (2.2-2.6)"),
        (about(Estimate(9e8, 8e8, 1.1e9), size), "900 MB (800 MB-1.1 GB)"),
        (about(Estimate(999.7e6, 9e8, 1.1e9), size), "1 GB (900 MB-1.1 GB)"),
        (about(Estimate.exactly(2000), size), "2 kB"),
        (about(Estimate(1234, 1100, 1400), hours), "1,230 hours (1,100-1,400)"),
        (about(Estimate.exactly(0.05), hours), "3 minutes"),
    ],
)
def test_numbers_are_told_with_their_units(told: str, expected: str) -> None:
    assert told == expected
