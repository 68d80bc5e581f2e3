import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import MistralConfig

from curate.cli import prove
from curate.evaluate import forms
from curate.evaluate.answers import arithmetic, right_number
from curate.evaluate.cloze import Suite, make_cloze, parse_item
from curate.evaluate.code import humaneval
from curate.evaluate.generate import Decoding
from curate.evaluate.items import ITEMS, Item
from curate.evaluate.record import weights_digest
from curate.evaluate.results import compare
from curate.evaluate.sandbox import Sandbox
from curate.evaluate.suites import chosen, evaluate, format_results
from curate.evaluate.tasks import Answer, Code, Data, Likelihood

TEXTS = [f"Chapter {n}. " + " ".join(f"word{n}x{m}" for m in range(200)) for n in range(12)]


@pytest.mark.parametrize(
    ("row", "item"),
    [
        (
            {"query": "Question: Why?", "choices": ["so", " not "], "gold": 1},
            Item((("Question: Why?\nAnswer:", " so"), ("Question: Why?\nAnswer:", " not")), 1),
        ),
        ({"query": "It is", "choices": ["a", "b"], "gold": 0}, Item((("It is", " a"), ("It is", " b")), 0)),
        (
            {"context_options": ["He", "She"], "continuation": "sang", "gold": 0},
            Item((("He", " sang"), ("She", " sang")), 0),
        ),
        ({"context": "Roses are", "continuation": "red"}, Item((("Roses are", " red"),))),
    ],
)
def test_lines_of_ones_own_files_are_asked_as_they_stand(row, item):
    assert parse_item(row) == item


def test_a_line_that_is_no_item_is_named(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"context": "a", "continuation": "b"}\n{"question": "?"}\n')
    with pytest.raises(ValueError, match=r"s\.jsonl, line 2: not an item"):
        Suite("s", tmp_path / "s.jsonl").items()
    assert len(Suite("s", tmp_path / "s.jsonl").items(limit=1)) == 1


def test_cloze_choices_are_real_continuations_and_one_is_right(tmp_path):
    items = make_cloze([*TEXTS, "short"], tmp_path / "cloze.jsonl").items()
    assert len(items) == 12
    for item in items:
        (context,) = {context for context, _ in item.pairs}
        continuations = [continuation for _, continuation in item.pairs]
        owners = [[text for text in TEXTS if continuation in text] for continuation in continuations]
        assert len(set(continuations)) == 4
        assert all(len(owner) == 1 for owner in owners)
        assert context + continuations[item.gold] in owners[item.gold][0]
        assert len({owner[0] for owner in owners}) == 4


def test_cloze_is_the_same_for_the_same_seed(tmp_path):
    files = [make_cloze(TEXTS, tmp_path / name, seed=seed).path for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    one, two, other = (file.read_bytes() for file in files)
    assert one == two != other


def test_cloze_needs_enough_texts(tmp_path):
    with pytest.raises(ValueError, match="3 of 3 texts"):
        make_cloze(TEXTS[:3], tmp_path / "cloze.jsonl")


@pytest.fixture(scope="module")
def model_dir(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three small benchmarks."""
    folder = tmp_path_factory.mktemp("eval")
    subjects = [
        {"query": f"{n}+1 is", "choices": ["1", "2", "3"], "gold": n % 3, "subject": "ab"[n % 2]} for n in range(9)
    ]
    sums = [{"question": f"{n} + 1?", "answer": f"It is {n + 1}.\n#### {n + 1}"} for n in range(3)]
    code = [
        {"task_id": f"T/{n}", "prompt": 'def one():\n    """Return 1."""\n', "canonical_solution": "    return 1"}
        | {"test": "def check(candidate):\n    assert candidate() == 1", "entry_point": "one"}
        for n in range(2)
    ]
    for name, rows in (("subjects", subjects), ("sums", sums), ("code", code)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


SUBJECTS = Likelihood("subjects", Data(("subjects",)), forms.bare)
SUMS = Answer("sums", Data(("sums",)), arithmetic, right_number, Decoding(max_new_tokens=6), Data(("sums",)), 1)


def short(rows):
    return [replace(humaneval(row), max_new_tokens=4) for row in rows]


def test_everything_asked_is_measured_and_written(model_dir, data, tmp_path):
    cloze = make_cloze(TEXTS, tmp_path / "cloze.jsonl")
    (tmp_path / "greedy.jsonl").write_text('{"context": "a", "continuation": "b"}\n')
    suites = [cloze, Suite("greedy", tmp_path / "greedy.jsonl")]
    asked = {"suites": suites, "tasks": [SUBJECTS, SUMS], "data": data, "texts": {"chapters": TEXTS}}
    results = evaluate(model_dir, **asked, limit=4, out=tmp_path / "out", device="cpu")
    assert set(results) == {"bits_per_byte chapters", "cloze", "greedy", "subjects", "subjects/a", "subjects/b", "sums"}
    assert results["cloze"]["num_items"] == 4
    assert results["cloze"]["chance"] == 0.25
    assert results["subjects"]["num_items"] == 8  # four of each subject
    halves = [results[f"subjects/{group}"]["acc"]["value"] for group in "ab"]
    assert results["subjects"]["acc"]["value"] == results["subjects"]["acc_macro"]["value"] == sum(halves) / 2
    written = json.loads((tmp_path / "out/results.json").read_text())
    assert written["cloze"] == results["cloze"]
    assert written["model"]["digest"] == weights_digest(model_dir)
    assert written["greedy"]["acc"]["stderr"] is None  # one item has no spread
    table = pq.read_table(tmp_path / "out/items.parquet")
    assert table.schema.names == ITEMS.names
    assert table.group_by("task").aggregate([("item", "count_distinct")]).sort_by("task").to_pydict() == {
        "task": ["cloze", "greedy", "subjects"],
        "item_count_distinct": [4, 1, 8],
    }
    assert len(pq.read_table(tmp_path / "out/answers.parquet")) == 3 * 2  # two measures
    assert "gold_probability" in format_results(results)
    assert all(one.difference.value == 0 for one in compare(tmp_path / "out", tmp_path / "out"))


def test_programs_are_written_run_and_counted_alike_here_and_on_ray(model_dir, data, tmp_path, local_ray):
    try:
        with Sandbox():
            pass
    except RuntimeError as error:
        pytest.skip(f"this machine allows no containment: {error}")
    task = Code("code", Data(("code",)), short)
    asked = {"tasks": [task], "data": data, "samples": 2, "device": "cpu", "threads": 1}
    results = evaluate(model_dir, **asked, out=tmp_path)
    assert evaluate(model_dir, **asked, out=tmp_path / "there", ray=local_ray) == results
    assert set(results["code"]) == {"num_items", "num_samples", "pass@1 greedy", "pass@1 sampled"}
    assert results["code"]["pass@1 greedy"]["value"] == 0.0  # a model of noise
    answers = pq.read_table(tmp_path / "answers.parquet")
    assert answers.group_by("measure").aggregate([("right", "count")]).sort_by("measure").to_pydict() == {
        "measure": ["greedy", "sampled"],
        "right_count": [2, 4],
    }
    assert all(answers["reason"].to_pylist())


def test_evaluate_needs_something_to_ask(model_dir, tmp_path):
    with pytest.raises(ValueError, match="nothing to evaluate on"):
        evaluate(model_dir)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        evaluate(model_dir, tasks=[SUBJECTS], data=tmp_path / "none")


def test_suites_are_chosen_by_name():
    tasks, limit = chosen(["fineweb"], "piqa, arc_easy")
    assert ([task.name for task in tasks], limit) == (["piqa", "arc_easy"], 1000)
    assert chosen(["fineweb"], "", 5)[1] == 5
    assert chosen(["smollm"])[1] is None
    assert chosen([]) == ([], None)
    with pytest.raises(ValueError, match="no task boolq; it has"):
        chosen(["fineweb"], "boolq")
    with pytest.raises(ValueError, match="add --suite"):
        chosen([], "boolq")


def test_suites_that_ask_a_task_in_different_ways_are_not_mixed():
    with pytest.raises(ValueError, match="ask winogrande, mmlu_cloze in different ways; take one suite at a time"):
        chosen(["fineweb", "harness"], "arc_easy, winogrande, mmlu_cloze")
    tasks, _ = chosen(["smollm", "harness"], "arc_easy, boolq, gsm8k")
    assert [task.name for task in tasks] == ["arc_easy", "boolq", "gsm8k"]  # once each


def test_one_suites_number_of_items_does_not_become_anothers():
    with pytest.raises(ValueError, match=r"\(smollm all, fineweb 1000\); say how many with --limit"):
        chosen(["smollm", "fineweb"])
    tasks, limit = chosen(["smollm", "fineweb"], limit=50)
    assert ({"gsm8k", "siqa"} <= {task.name for task in tasks}, limit) == (True, 50)


def test_a_table_of_choices_can_be_read_by_anyone(model_dir, data, tmp_path):
    evaluate(model_dir, tasks=[SUBJECTS], data=data, out=tmp_path, device="cpu")
    rows = pq.read_table(tmp_path / "items.parquet").to_pylist()
    assert [(row["item"], row["choice"]) for row in rows] == [(n, k) for n in range(9) for k in range(3)]
    assert pa.Table.from_pylist(rows, ITEMS).num_rows == 27


def test_an_evaluation_on_ray_leaves_the_files_of_one_in_this_process(
    model_dir, data, tmp_path, local_ray, monkeypatch
):
    asked = {"tasks": [SUBJECTS, SUMS], "data": data, "texts": {"chapters": TEXTS}, "device": "cpu", "threads": 1}
    here = evaluate(model_dir, **asked, out=tmp_path / "here", ray="none")
    monkeypatch.chdir(model_dir.parent)  # workers have another working directory
    there = evaluate(model_dir.name, **asked, out=tmp_path / "there", ray=local_ray)
    assert here == there
    for name in ("results.md", "items.parquet", "answers.parquet"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_two_measures_of_one_name_are_refused(model_dir, data, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "subjects.jsonl").write_text('{"context": "a", "continuation": "b"}\n')
    files = [Suite("subjects", tmp_path / folder / "subjects.jsonl") for folder in ("a", "b")]
    for asked in ({"suites": files}, {"suites": files[:1], "tasks": [SUBJECTS]}):
        with pytest.raises(ValueError, match="two to measure are called subjects; rename a file"):
            evaluate(model_dir, **asked, data=data, out=tmp_path / "out")
    with pytest.raises(ValueError, match="two --text have one name; tell them apart with NAME=PATH"):
        prove.evaluate(str(model_dir), text=["edu/heldout", "code/heldout"])


def test_a_model_of_the_hub_has_no_folder_to_write_into(data):
    with pytest.raises(ValueError, match=r"owner/name is a model on the hub.*say where with --out"):
        evaluate("owner/name", tasks=[SUBJECTS], data=data)


def test_what_a_model_cannot_write_is_told_before_anything_is_measured(model_dir, data, tokenizer, tmp_path):
    much = replace(SUMS, decoding=Decoding(max_new_tokens=48))
    with pytest.raises(ValueError, match=r"sums cannot be asked: .* no room for 48 new ones\. Leave it out"):
        evaluate(model_dir, tasks=[SUBJECTS, much], data=data, out=tmp_path / "out")
    MistralConfig(sliding_window=16).save_pretrained(tmp_path / "windowed")  # no weights are needed to know
    tokenizer.save_pretrained(tmp_path / "windowed")
    with pytest.raises(ValueError, match=r"sums cannot be asked: .* no plain attention cache"):
        evaluate(tmp_path / "windowed", tasks=[SUBJECTS, SUMS], data=data, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_nothing_can_be_compared_with_is_told_before_anything_is_measured(tmp_path):
    with pytest.raises(FileNotFoundError, match="is it a folder of `curate evaluate`"):
        prove.evaluate("a-model", against=str(tmp_path))


def test_an_evaluation_is_not_written_over_the_one_it_is_to_be_held_against(tmp_path):
    (tmp_path / "items.parquet").touch()
    for out in (str(tmp_path / "x" / ".."), None):
        with pytest.raises(ValueError, match=r"is where this evaluation will be written; give it another --out"):
            prove.evaluate(str(tmp_path), against=str(tmp_path), out=out)
