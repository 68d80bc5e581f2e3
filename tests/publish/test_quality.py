"""What a card says of a cut: measured where the graded documents reach it, promised only where a certificate holds."""

import pytest

from curate.classify.cascade import Certificate
from curate.classify.metrics import Estimate
from curate.classify.threshold import Row
from curate.publish.quality import at_cut, promise
from curate.report.scores import Judge

CERTIFICATE = Certificate("gate", 0.9, 3, 1.782, 0.901, 181, 11, 1020, 0.641, 0.31, 0.0)
EXACT = Estimate(0.9, 0.8, 1.0)
ROWS = tuple(Row(cut, EXACT, EXACT, EXACT, EXACT, EXACT) for cut in (1.5, 1.625, 1.75))


def judge(part: str = "gate", certificate: Certificate | None = CERTIFICATE) -> Judge:
    return Judge("web_edu", part, "digest", None, True, ROWS, certificate)


@pytest.mark.parametrize(
    ("cuts", "holds"), [((1.5,), True), ((1.782,), True), ((2.5,), False), ((1.5, 2.5), False), ((), False)]
)
def test_a_certificate_is_quoted_only_for_cuts_that_keep_what_it_promises(cuts: tuple[float, ...], holds: bool) -> None:
    assert ("its promise holds" in promise(judge(), cuts)) == holds


def test_a_certificate_of_another_part_promises_nothing() -> None:
    assert promise(judge("mean"), (1.5,)).startswith("No certificate goes with this cut")
    assert promise(judge("gate", None), (1.5,)).startswith("No certificate goes with this cut")


def test_the_highest_cut_decides_and_beyond_the_grades_nothing_is_claimed() -> None:
    assert at_cut(judge(), (1.5, 1.64)) == ROWS[1]
    assert at_cut(judge(), (4.0,)) is None
    assert at_cut(judge(), ()) is None
