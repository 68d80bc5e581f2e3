"""A whole decontamination: what stays, what leaves, what is told, and that it is a run like any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, write_corpus
from curate.decontaminate import Decontaminate, Ngram, decontaminate, open_methods, prepare, tau_curve
from curate.decontaminate.code import MAX_CHARS, TOO_DEEP, TOO_LONG
from curate.ledger import funnel, replay, tell, why
from curate.ledger.conditions import as_rules
from curate.stage import stage_name

FILLER = (
    "The old harbour wakes before the town does. Boats come in with the tide, gulls quarrel over the nets, and the "
    "first buyers walk along the quay with their collars up. By nine the fish is sold and the stones are washed "
    "clean.\n\n"
)
RENAMED = """
def strip_both(text, letter):
    # take the first one
    for k in range(len(text)):
        if text[k] == letter:
            text = text[0:k] + text[k + 1:]
            break
    for k in range(len(text) - 1, -1, -1):
        if text[k] == letter:
            text = text[0:k] + text[k + 1:]
            break
    return text
"""
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def corpus(tmp_path: Path, rows: Rows) -> Corpus:
    question = rows["gsm8k"][0]["question"]
    texts = {
        "clean": FILLER * 3,
        "quoted": f"{FILLER * 2}{question}{FILLER * 2}",
        "half": f"{FILLER}{' '.join(question.split()[:12])} {FILLER}",
        "code": f"import os\n{RENAMED}\nprint(os.name)\n",
        "empty": "",
    }
    table = pa.table(
        {
            "text": [*texts.values(), None],
            "id": [*texts, "null"],
            "url": [f"http://x/{name}" for name in [*texts, "null"]],
        }
    )
    return write_corpus(tmp_path / "corpus", table.to_batches(max_chunksize=2), shard_rows=3)


def ids(folder: str | Path) -> list[str]:
    return sorted(Corpus(str(folder)).table(["id"])["id"].to_pylist())


def test_contaminated_documents_leave_with_their_evidence(corpus: Corpus, against: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    report = decontaminate(corpus, out, against)
    assert ids(out) == ["clean", "empty", "half", "null"]
    assert ids(f"{out}/dropped") == ["code", "quoted"]
    rows = {row["id"]: row for row in Corpus(f"{out}/dropped").table().to_pylist()}
    (hit,) = rows["quoted"]["decontaminate.hits"]
    assert (hit["benchmark"], hit["item"], hit["part"], hit["method"], hit["share"]) == (
        "gsm8k",
        "0",
        "question",
        "ngram",
        1.0,
    )
    assert hit["start"] == 2 * len(FILLER)
    assert hit["excerpt"].startswith("A robe takes 2 bolts")
    assert rows["quoted"]["dropped_by"] == ["decontaminate.ngram"]
    assert "text" not in rows["quoted"]
    assert rows["code"]["dropped_by"] == ["decontaminate.ast"]
    assert rows["code"]["decontaminate.ngram"] < 0.5
    (half,) = [row for row in Corpus(out).table().to_pylist() if row["id"] == "half"]
    assert [hit["method"] for hit in half["decontaminate.hits"]] == ["run"]
    assert {(line.benchmark, line.method): (line.documents, line.items) for line in report.lines} == {
        ("gsm8k", "ngram"): (1, 1),
        ("gsm8k", "run"): (0, 0),
        ("mbpp", "ast"): (1, 1),
    }
    assert (report.num_found, report.num_documents) == (2, 6)
    assert "gsm8k" in str(report)
    assert "http://x/quoted: 1 hits, gsm8k 0 1.00" in str(report)


def test_why_funnel_and_replay_read_it(corpus: Corpus, against: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    decontaminate(corpus, out, against, keep_text=True)
    told = tell(why("quoted", out))
    assert "decontaminate.ngram" in told
    assert "at most 0.5" in told
    assert "gsm8k" in told
    assert [line.documents for line in funnel(out)] == [6, 4]
    replay(out, str(tmp_path / "other"), bounds=as_rules(["decontaminate.run<=10"]))
    assert ids(tmp_path / "other") == ["clean", "empty", "null"]


def test_a_second_run_reads_nothing_and_another_benchmark_is_refused(
    corpus: Corpus, against: str, tmp_path: Path, write: Callable[[Rows], str]
) -> None:
    out = str(tmp_path / "out")
    first = decontaminate(corpus, out, against)
    files = {path: path.read_bytes() for path in Path(out).rglob("*.parquet")}
    assert decontaminate(corpus, out, against).lines == first.lines
    assert {path: path.read_bytes() for path in Path(out).rglob("*.parquet")} == files
    write({"gsm8k": [{"question": "How many roads must a man walk down before you call him a man?"}]})
    with pytest.raises(ValueError, match="was made by other stages"):
        decontaminate(corpus, out, against)


def test_cut_span_takes_out_the_question_and_keeps_the_page(corpus: Corpus, against: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    report = decontaminate(corpus, out, against, cut="span")
    rows = {row["id"]: row for row in Corpus(out).table().to_pylist()}
    assert sorted(rows) == ["clean", "empty", "half", "null", "quoted"]
    assert rows["quoted"]["decontaminate.pieces"] == 2
    assert rows["clean"]["decontaminate.pieces"] == 1
    assert "robe" not in rows["quoted"]["text"]
    assert rows["quoted"]["text"].startswith(FILLER.strip())
    assert rows["quoted"]["decontaminate.hits"][0]["item"] == "0"
    assert ids(f"{out}/dropped") == ["code"]  # nothing long enough is left around the function
    assert report.num_found == 2


def test_only_and_methods_narrow_what_is_looked_for(corpus: Corpus, against: str, tmp_path: Path) -> None:
    decontaminate(corpus, str(tmp_path / "a"), against, only=("mbpp",))
    assert ids(tmp_path / "a" / "dropped") == ["code"]
    decontaminate(corpus, str(tmp_path / "b"), against, methods=("ngram",))
    assert ids(tmp_path / "b" / "dropped") == ["quoted"]
    assert "decontaminate.ast" not in Corpus(str(tmp_path / "b")).schema.names
    decontaminate(corpus, str(tmp_path / "c"), against, max_run=10)
    assert ids(tmp_path / "c" / "dropped") == ["code", "half", "quoted"]
    with pytest.raises(ValueError, match="no method is called 'embedding'; there are ngram, ast"):
        decontaminate(corpus, str(tmp_path / "d"), against, methods=("embedding",))


def test_the_stage_keeps_the_contract(corpus: Corpus, against: str, tmp_path: Path) -> None:
    stage = Decontaminate(open_methods(prepare(against, str(tmp_path / "b"))))
    (batch,) = corpus.table().combine_chunks().to_batches()
    done = stage(batch)
    assert done.num_rows == batch.num_rows
    assert done.equals(stage(batch))
    assert stage(batch.slice(0, 0)).schema == done.schema
    assert str(tmp_path) not in stage_name(stage)
    assert len(stage_name(stage)) < 400


def test_a_corpus_without_text_is_named(tmp_path: Path, against: str) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="the input has no column 'text'"):
        decontaminate(Corpus(tmp_path / "x.parquet"), str(tmp_path / "out"), against)


def test_on_ray_the_same_bytes_come_out(corpus: Corpus, against: str, tmp_path: Path, local_ray: str) -> None:
    decontaminate(corpus, str(tmp_path / "here"), against)
    decontaminate(corpus, str(tmp_path / "ray"), against, ray=local_ray, workers=2)
    for path in (tmp_path / "here").rglob("*.parquet"):
        assert (tmp_path / "ray" / path.relative_to(tmp_path / "here")).read_bytes() == path.read_bytes()


def test_a_real_page_holds_what_is_known_of_it(shared_data: Path, tmp_path: Path) -> None:
    """grade-school-math's README quotes a question of GSM8K with its worked answer."""
    benchmarks = prepare(str(shared_data / "eval"), str(tmp_path / "b"), only=("gsm8k",))
    chosen = [("url", "=", "https://github.com/openai/grade-school-math/blob/HEAD/README.md")]
    page = pq.read_table(shared_data / "web" / "text.parquet", columns=["url", "text"], filters=chosen)
    hits = Ngram(benchmarks)(page.combine_chunks().to_batches()[0])
    assert {(hit.benchmark, hit.item, hit.part) for hit in hits if hit.share > 0.5} == {
        ("gsm8k_train", "7086", "question"),
        ("gsm8k_train", "7086", "answer"),
    }
    assert hits[0].excerpt.startswith("A carnival snack booth made $50")


def test_the_tau_curve_counts_kept_and_dropped_documents_by_their_match_rates(tmp_path: Path, against: str) -> None:
    changed = RENAMED.replace("range(len(text))", "range(0, len(text))").replace("letter:", "letter and k:")
    texts = [FILLER, RENAMED, changed, f"{RENAMED}\n# more\n"]
    out = str(tmp_path / "out")
    source = write_corpus(tmp_path / "in", [pa.record_batch({"text": texts})])
    report = decontaminate(source, out, against, methods=("ast",), tau=0.97)
    (rate,) = Corpus(out).table(["decontaminate.ast"]).filter(pc.field("decontaminate.ast") > 0).to_pylist()
    assert 0.9 <= rate["decontaminate.ast"] < 0.95
    assert report.taus == tau_curve(out) == {0.95: 2, 0.9: 3, 0.85: 3, 0.8: 3}
    assert "0.95 2, 0.9 3, 0.85 3, 0.8 3" in str(report)
    with pytest.raises(ValueError, match=r"0\.5 is not kept"):
        tau_curve(out, (0.9, 0.5))


def test_a_run_without_trees_has_no_tau_curve(corpus: Corpus, tmp_path: Path, against: str) -> None:
    report = decontaminate(corpus, str(tmp_path / "out"), against, methods=("ngram",))
    assert report.taus == tau_curve(str(tmp_path / "out")) == {}


def test_a_document_says_why_it_was_not_examined(tmp_path: Path, against: str) -> None:
    deep = "def f(a):\n    return " + "-(" * 100 + "a" + ")" * 100 + "\n" + RENAMED
    deeper = deep.replace("-(", "-+(")
    long = RENAMED + "x = 1\n" * (MAX_CHARS // 6)
    out = str(tmp_path / "out")
    source = write_corpus(tmp_path / "in", [pa.record_batch({"text": [FILLER, deeper, long]})])
    report = decontaminate(source, out, against, methods=("ast",))
    assert Corpus(out).table(["decontaminate.unexamined"])["decontaminate.unexamined"].to_pylist() == [None, TOO_LONG]
    assert Corpus(f"{out}/dropped").table()["decontaminate.unexamined"].to_pylist() == [TOO_DEEP]
    assert report.unexamined == {TOO_LONG: 1, TOO_DEEP: 1}
    assert f"1 documents {TOO_LONG}" in str(report)


def test_form_feeds_and_tags_do_not_shift_what_is_shown_of_a_function(tmp_path: Path, against: str) -> None:
    page = RENAMED.replace("def ", "<b>def</b> ").replace("=", "<i>=</i>")
    texts = [f"\x0c\nimport os\x0b\n\x0c\n# \x85 \u2028\n{RENAMED}", f"It's\x0c\n<pre>{page}</pre>"]
    out = str(tmp_path / "out")
    source = write_corpus(tmp_path / "in", [pa.record_batch({"text": texts})])
    decontaminate(source, out, against, methods=("ast",), allow_empty=True)
    table = Corpus(f"{out}/dropped").table()
    for text, hits in zip(texts, table["decontaminate.hits"].to_pylist(), strict=True):
        shown = text[hits[0]["start"] : hits[0]["stop"]]
        assert shown.startswith(("def strip_both", "<b>def</b> strip_both"))
        assert shown.rstrip().endswith(("return text", "return text</pre>"))


@pytest.mark.parametrize(
    "bounds", [{"tau": 0.5}, {"tau": 90.0}, {"max_share": 1.0}, {"max_share": 50.0}, {"max_run": 8}]
)
def test_bounds_that_mean_nothing_are_refused(tmp_path: Path, against: str, bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bounds))):
        open_methods(prepare(against, str(tmp_path / "b")), **bounds)


@pytest.mark.parametrize(
    ("method", "bound"), [("ngram", {"tau": 0.9}), ("ast", {"max_run": 12}), ("ast", {"passages": True})]
)
def test_a_bound_of_a_method_that_is_not_asked_for_is_refused(
    tmp_path: Path, against: str, method: str, bound: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bound))} is for the method .*, which is not asked for"):
        open_methods(prepare(against, str(tmp_path / "b")), (method,), **bound)
