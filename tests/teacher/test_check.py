import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.stage import id_hash
from curate.teacher.annotate import JOURNAL, annotate
from curate.teacher.budget import Budget
from curate.teacher.check import FOLDER, RESULT, check, folder_of
from curate.teacher.client import FakeTeacher, Reply
from curate.teacher.journal import Journal
from curate.teacher.rubric import CODE_EDU, WEB_EDU, extract_in


@dataclass(frozen=True)
class Simulated:
    """A teacher with known faults: reads the page's worth, errs at random, likes length and what comes first."""

    noise: float = 0.0  # chance that the grade is off by one, at a temperature
    length: float = 0.0  # grades for each doubling of 1,000 characters
    first: bool = False  # reads the first half only
    temperature: float = 0.0
    seed: int = 0

    @property
    def name(self):
        return repr(self)

    def resampled(self, seed, temperature):
        return replace(self, seed=seed, temperature=temperature)

    def complete(self, prompts):
        for index, prompt in enumerate(prompts):
            text = extract_in(prompt)
            worth = re.findall(r"worth (\d)", text[: len(text) // 2] if self.first else text)
            grade = float(worth[0]) if worth else 0.0
            grade += self.length * max(0.0, np.log2(max(1, len(text)) / 1000))
            dice = id_hash(prompt, self.seed) / 2**64
            if self.temperature and dice < self.noise:
                grade += 1 if dice < self.noise / 2 else -1
            yield index, Reply(f"Because.\nEducational score: {min(5, max(0, round(grade)))}", 100, 10)


@pytest.fixture
def pages(tmp_path):
    """120 pages of worth 0 to 4 and 1,200 or 3,500 characters; the worth is said at the start."""
    texts = [f"Page {i}, worth {i % 5}. ".ljust(3500 if i // 5 % 2 else 1200, "x") for i in range(120)]
    table = pa.table({"text": texts, "id": [f"id{i}" for i in range(120)]})
    return write_corpus(tmp_path / "pages", table.to_batches())


def examined(pages, tmp_path, teacher, **options):
    out = str(tmp_path / "labels")
    annotate(pages, out, rubric=WEB_EDU, teacher=teacher, n=120)
    found = check(out, rubric=WEB_EDU, teacher=teacher, n=120, **options)
    return {(finding.question.split(":")[0], finding.measure): finding for finding in found.findings}


def test_a_faultless_teacher_shows_no_fault(pages, tmp_path):
    found = examined(pages, tmp_path, Simulated())
    assert found["self-consistency", "quadratic-weighted kappa of two repeats"].value == 1.0
    assert found["ceiling for any classifier", "best F1 at 3, at least"].value == 1.0
    assert found["length", "change when cut to 1,000 characters"].value == 0.0
    assert found["position", "mean absolute change of grade"].value == 0.0
    assert found["order of the criteria", "share that changed sides of 3"].value == 0.0
    assert found["parse failures", "ungraded after all attempts"].value == 0.0
    given = found["length", "the same given the beginning's grade"]
    assert np.isnan(given.value)  # the beginning says it all: nothing is left to correlate


def test_noise_of_a_known_size_is_found(pages, tmp_path):
    found = examined(pages, tmp_path, Simulated(noise=0.3), repeats=4)
    same = found["self-consistency", "same grade"]
    # Two grades agree with chance .7^2 + 2 * .15^2 = .535; at worth 0, where -1 is 0 again, .85^2 + .15^2 = .745.
    assert abs(same.value - (4 * 0.535 + 0.745) / 5) < 0.1  # the error of 120 documents is some 0.03
    # At the cut only pages of worth 2 and 3 waver, each on the wrong side with chance 0.15.
    best = 1 - 2 / 5 * 0.15
    low = found["ceiling for any classifier", "best accuracy at 3, at least"].low
    assert low <= best <= found["ceiling for any classifier", "best accuracy at 3, at most"].high


def test_a_taste_for_length_is_found(pages, tmp_path):
    found = examined(pages, tmp_path, Simulated(length=1.0))
    cut = found["length", "change when cut to 1,000 characters"]
    assert cut.high < -0.4  # half of the pages lose log2(3.5) = 1.8 grades, of which those at 0 and 5 lose less
    assert found["length", "the same given the beginning's grade"].low > 0.5


def test_an_eye_for_the_beginning_only_is_found(pages, tmp_path):
    found = examined(pages, tmp_path, Simulated(first=True))
    swapped = found["position", "mean change of grade"]
    assert swapped.value == pytest.approx(-2.0)  # the worth, 2 on average, moves to the half that is not read
    assert swapped.high < -1.5


def test_a_second_teacher_is_held_against_the_first(pages, tmp_path):
    found = examined(pages, tmp_path, Simulated(), second=Simulated(length=1.0))
    assert 0.3 < found["two teachers", "quadratic-weighted kappa"].value < 0.95
    assert found["two teachers", "same grade"].value < 1.0


def test_the_result_lies_beside_the_annotations_and_a_second_check_pays_nothing(pages, tmp_path):
    out, teacher = str(tmp_path / "labels"), Simulated(noise=0.2)
    annotate(pages, out, rubric=WEB_EDU, teacher=teacher, n=50)
    found = check(out, rubric=WEB_EDU, teacher=teacher, n=20, repeats=2)
    stored = json.loads((tmp_path / "labels" / RESULT).read_text())
    assert [finding["measure"] for finding in stored["findings"]] == [finding.measure for finding in found.findings]
    assert found.prompt_tokens == 5 * 20 * 100  # two repeats, beginning, swapped, shuffled
    assert len(Corpus(out).table()) == 50  # the check's own folders are no annotations
    assert str(check(out, rubric=WEB_EDU, teacher=teacher, n=20, repeats=2)) == str(found)


def test_a_teacher_that_cannot_be_resampled_is_checked_for_the_rest(pages, tmp_path):
    found = examined(pages, tmp_path, FakeTeacher())
    assert not any(question == "self-consistency" for question, _ in found)
    assert found["order of the criteria", "share that changed sides of 3"].value > 0.2  # grades by the prompt's hash


def test_a_check_stays_within_the_budget_and_goes_on_with_a_larger_one(pages, tmp_path):
    out, teacher = str(tmp_path / "labels"), Simulated()
    annotate(pages, out, rubric=WEB_EDU, teacher=teacher, n=20)  # 2,200 tokens
    with pytest.raises(RuntimeError, match="stopped at 'repeat-2', 19 of 20 asked: the budget is spent"):
        check(out, rubric=WEB_EDU, teacher=teacher, n=20, budget=Budget(tokens=6500))
    found = check(out, rubric=WEB_EDU, teacher=teacher, n=20, budget=Budget(tokens=50_000))
    assert found.prompt_tokens == 6 * 20 * 100


def test_labels_of_another_teacher_or_too_few_are_refused(pages, tmp_path):
    out = str(tmp_path / "labels")
    annotate(pages, out, rubric=WEB_EDU, teacher=Simulated(), n=5)
    with pytest.raises(ValueError, match="5 graded documents; a check needs ten"):
        check(out, rubric=WEB_EDU, teacher=Simulated())
    with pytest.raises(ValueError, match="was annotated by"):
        check(out, rubric=CODE_EDU, teacher=Simulated())


@dataclass(frozen=True)
class Free(Simulated):
    """The same on this machine: it bills nothing."""

    memory_bytes: int = 0


def test_each_second_teacher_has_a_folder_and_is_paid_once(pages, tmp_path):
    out, teacher = str(tmp_path / "labels"), Simulated()
    annotate(pages, out, rubric=WEB_EDU, teacher=teacher, n=50)
    alone = check(out, rubric=WEB_EDU, teacher=teacher, n=20).prompt_tokens
    for second in (Simulated(length=1.0), Simulated(first=True), Simulated(length=1.0)):
        found = check(out, rubric=WEB_EDU, teacher=teacher, n=20, second=second)
        assert found.prompt_tokens == alone + 20 * 100
    made = sorted(path.name for path in (tmp_path / "labels" / FOLDER).glob("second*"))
    assert len(made) == 2
    assert {Corpus(f"{out}/{FOLDER}/{name}").table(["teacher"])["teacher"][0].as_py() for name in made} == {
        Simulated(length=1.0).name,
        Simulated(first=True).name,
    }


def test_a_second_teacher_whose_answers_are_still_in_the_journal_keeps_its_folder(pages, tmp_path):
    out, teacher = str(tmp_path / "labels"), Simulated()
    annotate(pages, out, rubric=WEB_EDU, teacher=teacher, n=50)
    check(out, rubric=WEB_EDU, teacher=teacher, n=20)
    second = Path(out, FOLDER, "second")
    recipe = {"format": 2, "annotate": {"teacher": Simulated(first=True).name}}
    with Journal(second / JOURNAL, recipe) as journal:  # killed after one answer
        journal.write({"id": "id1", "reply": vars(Reply("Educational score: 2"))})
    assert folder_of(Simulated(first=True), str(second)) == "second"
    assert folder_of(Simulated(length=1.0), str(second)) != "second"


def test_a_second_teacher_that_bills_nothing_is_outside_the_budget(pages, tmp_path):
    out, teacher = str(tmp_path / "labels"), Simulated()
    annotate(pages, out, rubric=WEB_EDU, teacher=teacher, n=20)  # 2,200 tokens
    budget = Budget(tokens=7 * 20 * 110 + 110)  # these, and six times 20 documents again
    found = check(out, rubric=WEB_EDU, teacher=teacher, n=20, budget=budget, second=Free(length=1.0))
    assert found.prompt_tokens == 6 * 20 * 100
    with pytest.raises(RuntimeError, match=r"stopped at 'second-.*the budget is spent"):
        check(out, rubric=WEB_EDU, teacher=teacher, n=20, budget=budget, second=Simulated(length=1.0))
