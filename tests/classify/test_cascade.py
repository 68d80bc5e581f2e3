"""Certificates keep their promise: simulated label draws, exact binomials, and the real stages."""

import math

import numpy as np
import pytest
from scipy import stats

from curate.classify.cascade import (
    HeldOut,
    Reach,
    certify,
    learn_reach,
    misses_allowed,
    positives_needed,
    random_rows,
)
from curate.classify.metrics import recall_bound

REACH = Reach(up=0.4, down=0.5)


def evidence(
    gate: np.ndarray, mean: np.ndarray, grades: np.ndarray, *, weights: np.ndarray | None = None, groups: object = None
) -> HeldOut:
    rows = np.arange(len(grades))
    given = np.ones(len(grades)) if weights is None else weights
    of_copies = rows if groups is None else np.asarray(groups)
    return HeldOut(
        gate.astype(np.float32),
        mean.astype(np.float32),
        mean.astype(np.float32),
        grades.astype(np.float32),
        given,
        of_copies,
        rows.astype(np.uint64),
        np.full(len(grades), 1000),
    )


def population(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grades, and scores that follow them with different errors."""
    grades = rng.choice(6, size=size, p=[0.4, 0.25, 0.15, 0.12, 0.06, 0.02]).astype(float)
    return grades + rng.normal(0, 1.0, size), grades + rng.normal(0, 0.7, size), grades


@pytest.mark.parametrize("part", ["gate", "mean", "cascade"])
@pytest.mark.parametrize(("recall", "labels"), [(0.9, 250), (0.8, 120), (0.95, 600)])
def test_the_true_recall_is_below_the_promise_in_at_most_one_of_twenty_draws(
    part: str, recall: float, labels: int
) -> None:
    rng = np.random.default_rng(7)
    gate, mean, grades = population(rng, 400_000)
    everything = evidence(gate, mean, grades)
    truth = np.sort(everything.scores(part, REACH)[grades >= 3])
    broken, refused, draws = 0, 0, 1000
    for _ in range(draws):
        rows = rng.integers(len(grades), size=labels)
        try:
            drawn = evidence(gate[rows], mean[rows], grades[rows])
            certificate = certify(drawn, recall, reach=REACH, part=part)  # type: ignore[arg-type]
        except ValueError:
            refused += 1
            continue
        broken += 1 - np.searchsorted(truth, np.float32(certificate.cut)) / len(truth) < recall
    assert refused < draws / 10
    # 50 expected at most; 3.1 standard deviations of a binomial with rate 0.05 above that is 71
    assert broken <= 71
    assert broken > 5  # the bound is exact up to its steps: a cut that were far too low would break almost never


def test_a_stratified_draw_with_its_weights_keeps_the_promise_and_without_them_breaks_it() -> None:
    rng = np.random.default_rng(3)
    gate, mean, grades = population(rng, 200_000)
    truth = np.sort(mean[grades >= 3].astype(np.float32))
    high = mean > 2.5  # what a score calls promising is drawn far more densely than the rest
    strata = (np.flatnonzero(high), np.flatnonzero(~high))
    broken = {"weighted": 0, "unweighted": 0}
    draws = 300
    for seed in range(draws):
        rows = np.concatenate([rng.choice(strata[0], 900, replace=False), rng.choice(strata[1], 300, replace=False)])
        weights = np.where(high[rows], len(strata[0]) / 900, len(strata[1]) / 300)
        for name, given in (("weighted", weights), ("unweighted", None)):
            drawn = evidence(gate[rows], mean[rows], grades[rows], weights=given)
            cut = certify(drawn, 0.8, reach=REACH, part="mean", seed=seed).cut
            broken[name] += 1 - np.searchsorted(truth, np.float32(cut)) / len(truth) < 0.8
    assert broken["weighted"] <= 27  # 15 expected, and 3.1 standard deviations
    assert broken["unweighted"] > 60


def test_the_bound_is_clopper_and_pearsons_and_one_more_miss_would_break_it() -> None:
    for positives in (29, 58, 131, 232, 1000):
        for recall in (0.8, 0.9, 0.95):
            allowed = misses_allowed(positives, recall)
            assert allowed == int(stats.binom.ppf(0.05, positives, 1 - recall)) - 1 or math.isclose(
                stats.binom.cdf(allowed, positives, 1 - recall), 0.05
            )
            if allowed >= 0:
                assert recall_bound(positives - allowed, positives) >= recall
            assert recall_bound(positives - allowed - 1, positives) < recall


@pytest.mark.parametrize(("recall", "needed"), [(0.9, 29), (0.95, 59), (0.99, 299)])
def test_as_few_positives_as_said_can_promise_and_one_fewer_cannot(recall: float, needed: int) -> None:
    assert positives_needed(recall) == needed
    assert misses_allowed(needed, recall) == 0
    assert misses_allowed(needed - 1, recall) == -1


def test_too_few_labels_are_an_error_that_says_how_many_are_needed() -> None:
    grades = np.repeat([0.0, 4.0], [180, 20])
    with pytest.raises(
        ValueError, match=r"needs at least 29 .* there are 20 among 200; 20 can promise a recall of 0.86"
    ):
        certify(evidence(grades, grades, grades), 0.9, reach=REACH)
    with pytest.raises(ValueError, match="Annotate about 290 random grades"):
        certify(evidence(grades, grades, grades), 0.9, reach=REACH)
    with pytest.raises(ValueError, match="there are 0 among 180"):
        certify(evidence(grades[:180], grades[:180], grades[:180]), 0.9, reach=REACH)


def test_rows_that_were_not_drawn_at_random_do_not_certify() -> None:
    grades = np.full(200, 4.0)
    weights = np.repeat([1.0, 0.0], [40, 160])
    certificate = certify(evidence(grades, grades, grades, weights=weights), 0.9, reach=REACH)
    assert (certificate.positives, certificate.random_labels) == (40, 40)


def test_copies_are_one_draw_with_the_lowest_of_their_scores() -> None:
    grades, scores = np.full(80, 4.0), np.linspace(3, 5, 80)
    groups = np.repeat(np.arange(40), 2)
    certificate = certify(evidence(scores, scores, grades, groups=groups), 0.9, reach=REACH, part="mean")
    assert certificate.positives == 40
    assert certificate.cut == pytest.approx(scores[0])  # 40 positives allow no miss


def test_a_weighted_sample_becomes_a_random_one() -> None:
    weights = np.repeat([4.0, 1.0, 0.0], [1000, 4000, 500])
    kept = random_rows(weights, seed=1)
    assert kept[:1000].all()
    assert kept[1000:5000].mean() == pytest.approx(0.25, abs=0.03)
    assert not kept[5000:].any()
    assert random_rows(np.full(7, 4812.5)).all()


def test_a_document_needs_the_encoder_only_where_it_can_change_the_side_of_the_cut() -> None:
    rng = np.random.default_rng(0)
    gate = rng.uniform(0, 5, 2000).astype(np.float32)
    low, high = np.full(2000, -9, np.float32), np.full(2000, 9, np.float32)  # the most and the least an encoder can say
    for cut in (1.5, 2.5, 3.1):
        sides = [REACH.join(gate, said) >= np.float32(cut) for said in (low, high)]
        np.testing.assert_array_equal(sides[0] != sides[1], REACH.unsure(gate, cut))
        sure = ~REACH.unsure(gate, cut)
        np.testing.assert_array_equal((gate >= cut)[sure], sides[0][sure])


def test_the_reach_leaves_98_of_100_documents_where_the_encoder_put_them() -> None:
    rng = np.random.default_rng(0)
    gate, mean, _ = population(rng, 10_000)
    reach = learn_reach(gate, mean)
    assert np.isclose(reach.join(gate, mean), mean, atol=1e-6).mean() == pytest.approx(0.98, abs=0.002)
