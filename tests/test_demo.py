"""The demo end to end on a small input, and its output in the programs that people use."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from curate.classify.score import at_threshold
from curate.corpus import Corpus, write_corpus
from curate.run import run
from curate.stage import Keep
from pipelines.bare_machine import gather
from pipelines.demo import apart, questions, step
from tests.here import ROOT, python
from tests.report.browser import Browser, chromium


def options(folder: Path) -> list[object]:
    web, code = gather(folder / "input", num_modules=150, num_files=80)
    return ["--web", web, "--code", code, "-o", folder, "--num-graded", "6", "--num-tokens", "20480"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished demo of some hundred pages and files."""
    folder = tmp_path_factory.mktemp("demo")
    done = python("pipelines/demo.py", *options(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_too_few_documents_of_ones_own_are_told_with_what_to_give(tmp_path: Path) -> None:
    few = write_corpus(tmp_path / "few", [pa.record_batch({"text": ["a", "b"], "id": ["1", "2"], "int_score": [1, 0]})])
    with (
        pytest.raises(ValueError, match=r"no document is left .*: 2, 0\); give more .* or a lower --threshold$"),
        step("web: score, one copy of each, threshold"),
    ):
        run((Keep((at_threshold(2),)),), few, f"{tmp_path}/edu")
    with pytest.raises(ValueError, match=r"of so few documents none is among the 8% to be held out; .* with --code"):
        apart(f"{few.path}/dropped", "--code")
    with pytest.raises(ValueError, match=r"0 of 1 texts are long enough .*; give more documents with --web or --code"):
        questions({"web": ["short"], "code": []}, f"{tmp_path}/cloze.jsonl")


def test_it_ends_with_the_funnel_the_places_and_an_honest_sentence(demo: Path) -> None:
    printed = (demo / "printed.txt").read_text()
    for word in ("after", "documents", "web/4-edu", "code/4-edu", "local teacher", "bits_per_byte", "report.html"):
        assert word in printed
    assert "cannot show that documents scored 2 or more make a better one" in printed


@pytest.mark.skipif(chromium() is None, reason="no Chromium is on the path (Debian: apt install chromium)")
def test_its_report_opens_in_a_browser_on_a_desk_and_on_a_phone(demo: Path) -> None:
    page = demo / "report.html"
    with Browser() as browser:
        for width, dark in ((1280, False), (360, True)):
            browser.open(page, width=width, dark=dark)
            shown = browser.ask("[...document.querySelectorAll('main section')].map(e => e.id)")
            assert {"funnel", "rules", "scores", "documents", "mix", "training", "evaluation", "reproduce"} <= set(
                shown
            )
            assert browser.ask("document.querySelectorAll('figure svg').length") >= 3
            assert browser.ask("document.documentElement.scrollWidth") == width
        assert browser.said == []
        assert set(browser.requests) == {page.absolute().as_uri()}


def test_every_document_of_the_corpus_is_at_the_threshold(demo: Path) -> None:
    for kind in ("web", "code"):
        scores = Corpus(demo / kind / "4-edu").table(["int_score"])["int_score"].to_pylist()
        assert scores
        assert min(scores) >= 2


@pytest.mark.filterwarnings("ignore")  # of other packages
def test_datasets_reads_the_corpus(demo: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = str(demo / "web/4-edu/*.parquet")
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(demo / "cache"))
    assert {"text", "id", "url", "language", "score", "int_score", "minhash_cluster_size"} <= set(loaded.column_names)
    assert loaded.num_rows == Corpus(demo / "web/4-edu").num_rows


def test_duckdb_reads_the_corpus(demo: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(f"select count(*), min(int_score) from '{demo}/code/4-edu/*.parquet'").fetchall()
    assert found == [(Corpus(demo / "code/4-edu").num_rows, 2)]


@pytest.mark.filterwarnings("ignore")  # of other packages
def test_transformers_loads_the_model_and_it_writes(demo: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(demo / "anneal/hf")
    model = AutoModelForCausalLM.from_pretrained(demo / "anneal/hf")
    written = model.generate(**tokenizer("def ", return_tensors="pt", return_token_type_ids=False), max_new_tokens=8)
    assert written.shape[1] > 1
    assert len(tokenizer) >= model.config.vocab_size


def test_another_process_goes_on_from_it_and_changes_nothing(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for kind in ("web", "code") for path in demo.glob(f"{kind}/*/*.parquet")}
    command = [sys.executable, "pipelines/demo.py", *map(str, options(demo))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
