from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa

from curate.classify.score import score_stage
from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.report import report
from curate.run import run
from curate.stage import Keep, Measure, Rule

LESSON = (  # the shipped classifier reads it as 3
    "In this lesson we learn what photosynthesis is. Photosynthesis is the process by which plants use energy from "
    "sunlight to make glucose from carbon dioxide and water.\n\nFor example, consider a leaf. The chloroplasts in its "
    "cells contain chlorophyll, which absorbs light. The light reactions produce ATP and NADPH, and the Calvin cycle "
    "uses them to build sugars.\n\nExercise: why does a plant need both light and carbon dioxide? Explain the "
    "difference between the light reactions and the Calvin cycle.\n"
) * 3
VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """Collects the text, and fails on tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def chars(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


def scored(batch: Batch) -> Batch:
    return with_columns(batch, {"score": pa.array([float(i[-1]) / 2 for i in batch["id"].to_pylist()], pa.float32())})


def test_the_report_shows_what_a_rule_costs_by_the_run_s_own_classifier(tmp_path: Path, pages: pa.Table) -> None:
    texts = pa.array([f"{LESSON} {i}" if i % 2 else f"Buy cheap watches now, number {i}" for i in range(40)])
    numbered = pages.set_column(0, "text", texts).append_column("n", pa.array(range(40)))
    source = write_corpus(tmp_path / "in", numbered.to_batches())
    run((Keep((Rule("n", at_least=20),)),), source, f"{tmp_path}/run/1-clean", keep_text=True)
    run((score_stage("web_edu", part="gate"),), Corpus(tmp_path / "run/1-clean"), f"{tmp_path}/run/2-scored")
    high = sum(score >= 2.5 for score in Corpus(tmp_path / "run/2-scored").table(["score"])["score"].to_pylist())
    page = report(f"{tmp_path}/run").read_text()
    assert "with web_edu &gt;= 3" in page
    assert high == 10, "of twenty kept pages; those that the rule dropped are like them"
    assert '<td>n</td><td class="n">20</td><td class="n">10</td><td class="n">50%</td>' in page


def test_the_report_is_one_whole_page_with_the_run_s_numbers(tmp_path: Path, pages: pa.Table) -> None:
    evil = pages.set_column(0, "text", pa.array(["<script>alert(1)</script> " + t for t in pages["text"].to_pylist()]))
    source = write_corpus(tmp_path / "in", evil.to_batches())
    stages = (Measure((chars,)), Keep((Rule("t.chars", at_least=100),)))
    run(stages, source, f"{tmp_path}/run/1-clean", keep_text=True)
    run((scored,), Corpus(tmp_path / "run/1-clean"), f"{tmp_path}/run/2-scored")
    page = report(f"{tmp_path}/run").read_text()
    outline = Outline()
    outline.feed(page)
    words = " ".join(outline.words)
    assert outline.open == []
    assert all(link.startswith(("#", "data:")) for link in outline.links), "the page loads nothing"
    assert "<script" not in page
    assert "1-clean: dropped by t.chars (10)" in words
    assert "t.chars = 35" in words  # the measured value of the broken rule: '<script>alert(1)</script> Buy now 0'
    assert "30 documents; the line is at raw 2.5" in words
