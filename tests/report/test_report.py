import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from curate.classify.score import score_stage
from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.ledger import sample
from curate.report import again, report, rules, scores, training
from curate.report.commands import command
from curate.report.excerpts import with_texts
from curate.report.view import View
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
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
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
    assert '<th scope="row">n</th><td class="n">20</td><td class="n">10</td><td class="n">50%</td>' in page


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
    assert "Dropped by t.chars" in words
    assert "1-clean, 10 documents" in words
    assert "t.chars = 35" in words
    assert (
        "wanted at least 100" in words
    )  # the measured value of the broken rule: '<script>alert(1)</script> Buy now 0'
    assert "30 documents of 2-scored by their raw score" in words


def test_hostile_documents_make_a_bounded_page_that_runs_nothing(finished: Path, tmp_path: Path) -> None:
    page = report(str(finished), str(tmp_path / "report.html"))
    whole = page.read_text()
    outline = Outline()
    outline.feed(whole)
    assert outline.open == []
    assert outline.tags.isdisjoint({"script", "img", "iframe", "object", "base", "form"})
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    assert not {"\x00", "\x07", "\u202e", "\ufeff", "\u200b"} & set(whole)
    assert page.stat().st_size < 1_000_000, "though a document is a line of a megabyte"


def test_the_page_is_the_same_every_time(finished: Path, tmp_path: Path) -> None:
    first, second = (report(str(finished), str(tmp_path / name)).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_every_section_is_told_of_a_whole_run(finished: Path, tmp_path: Path) -> None:
    page = report(str(finished), str(tmp_path / "report.html")).read_text()
    for section in ("funnel", "rules", "scores", "documents", "near-duplicates", "benchmarks", "mix", "training"):
        assert f'<section id="{section}"' in page
    assert "curate score" in page
    assert "--classifier web_edu --part gate" in page
    assert "<del>absorbs</del>" in page or "<ins>absorbs</ins>" in page, "the pair of near-copies differs in this"
    assert "seventeen blue marbles" in page
    assert "cut 0.5" in page
    assert "0.0790" in page  # the standard error of the evaluation


def test_counts_on_the_page_are_those_of_the_receipts(finished: Path) -> None:
    view = View.of(str(finished))
    first = view.parts[0]
    whole = rules.gather(first, view.parts)
    assert whole is not None
    dropped = Corpus(f"{first.path}/dropped").table(["dropped_by"])["dropped_by"].to_pylist()
    for rule, n in whole.tally.broken.items():
        assert n == sum(rule in marks for marks in dropped)
        assert whole.tally.alone[rule] == sum(marks == [rule] for marks in dropped)
    a, b = "c4.sentences", "gopher.stop_words"
    assert rules.together(whole.tally.together, a, b) == sum({a, b} <= set(marks) for marks in dropped)
    found = scores.gather(view.parts)
    assert found is not None
    table = Corpus(f"{finished}/2-scored").table(["score", "int_score"])
    assert found.grades == {grade: table["int_score"].to_pylist().count(grade) for grade in range(6)}
    assert sum(found.bins) == len(table)
    assert found.cuts == (0.5,)
    above = sum(score >= 0.5 for score in table["score"].to_pylist())
    assert found.kept[0] == pytest.approx(above / len(table))


def test_a_command_is_shown_only_for_the_very_stages_it_would_run(finished: Path) -> None:
    view = View.of(str(finished))
    commands = [command(part, view) for part in view.parts]
    verbs = [(said or "").rpartition("curate ")[2].split()[0] for said in commands]
    assert verbs == ["filter", "score", "dedup", "filter", "decontaminate"]
    assert (commands[0] or "").endswith("--rules fineweb --keep-text --allow-empty"), "the rules left nothing"
    assert (commands[1] or "").endswith("--classifier web_edu --part gate --keep-text")
    other = replace(view.parts[0].recipe, steps=("input", "Keep(51 <= gopher.word_count)"), rules=())
    assert command(replace(view.parts[0], recipe=other), view) is None


def test_a_training_is_told_as_the_command_that_ran_it(tmp_path: Path, finished: Path) -> None:
    plan = {
        "steps": 4, "seq_len": 16, "batch_windows": 2, "seed": 7,
        "optimizer": {"lr": 0.003, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.01, "clip": 1.0},
        "schedule": {"warmup": 1, "decay": 0, "shape": "1-sqrt"},
    }  # fmt: skip
    shape = {"hidden_size": 128, "num_layers": 4, "num_heads": 4, "num_kv_heads": 2, "ffn_size": 256}
    data = [{"until": None, "data": [{"path": "tokens/web", "weight": 2730974.0}]}]
    (tmp_path / "model").mkdir()
    (tmp_path / "model/run.json").write_text(json.dumps({"model": shape, "plan": plan, "data": data}))
    (tmp_path / "model/log.jsonl").write_text("".join(f'{{"step": {i}, "loss": {4 - i}}}\n' for i in range(4)) + '{"st')
    view = replace(View.of(str(finished)), folder=str(tmp_path))
    [(name, told)] = again.gather(view).trainings
    assert name == "model"
    assert told == (
        f"curate pretrain tokens/web:2730974 -o {tmp_path}/model --num-tokens 128 --batch-tokens 32 --seed 7 "
        "--seq-len 16 --optimizer adamw --lr 0.003 --warmup 1 --decay 0 --shape 1-sqrt --model 1m"
    )
    [trained] = training.gather(tmp_path)
    assert (trained.steps, trained.tokens, trained.first, trained.last) == (4, 128, 4.0, 1.0)
    assert trained.points == ((32, 4.0), (64, 3.0), (96, 2.0), (128, 1.0))


def test_text_that_was_not_kept_is_read_from_the_corpus_before(finished: Path) -> None:
    part = next(part for part in View.of(str(finished)).parts if part.name == "4-edu")
    rows = sample(part.path, dropped_by="score", n=2)
    assert all("text" not in row for row in rows)
    assert all(row["text"] for row in with_texts(part, rows))
    first = View.of(str(finished)).parts[0]
    assert with_texts(first, [{"id": "nowhere"}])[0]["text"] is None


def test_a_run_that_is_elsewhere_needs_a_place_for_its_page(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no corpus"):
        report(str(tmp_path))


def test_a_page_is_not_written_into_a_folder_called_like_a_store(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"s3://bucket/report.html is not on this machine; write the page here"):
        report(str(finished), "s3://bucket/report.html")
    assert list(tmp_path.iterdir()) == []
