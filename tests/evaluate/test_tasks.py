import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.evaluate import forms
from curate.evaluate.code import mbpp
from curate.evaluate.data import Data, hub_rows
from curate.evaluate.items import Item
from curate.evaluate.tasks import (
    ARC,
    LIMITS,
    MATH,
    MBPP,
    MMLU,
    MMLU_DEV,
    SUITES,
    Answer,
    Code,
    Likelihood,
    pick,
    require_data,
)

MMLU_ROW = {"question": "1+1?", "subject": "abstract_algebra", "choices": ["1", "2", "3", "4"], "answer": 1}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_smollm_is_asked_as_its_authors_did():
    shots = {task.name: task.num_shots for task in SUITES["smollm"] if not isinstance(task, Code)}
    assert shots.pop("gsm8k") == 5
    assert set(shots.values()) == {0}
    wanted = "hellaswag arc_easy arc_challenge piqa mmlu_pro commonsense_qa trivia_qa winogrande openbook_qa"
    assert set(wanted.split()) <= set(shots)


def test_fineweb_takes_a_thousand_items_of_each_task():
    assert LIMITS["fineweb"] == 1000
    wanted = "commonsense_qa hellaswag openbook_qa piqa siqa winogrande arc_easy arc_challenge mmlu_cloze"
    assert {task.name for task in pick("fineweb")} == set(wanted.split())


def test_examples_are_of_the_same_subject_and_in_order(tmp_path):
    dev = [MMLU_ROW | {"question": f"{n}?", "subject": s} for s in ("anatomy", "abstract_algebra") for n in range(3)]
    write(tmp_path / "mmlu_dev.jsonl", dev)
    write(tmp_path / "mmlu_test.jsonl", [MMLU_ROW])
    task = Likelihood("mmlu", MMLU, forms.letters, MMLU_DEV, description=forms.choices_of)
    (item,) = task.items(tmp_path, num_shots=2)
    shown = "\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:"
    first = "The following are multiple choice questions (with answers) about abstract algebra.\n\n"
    assert item.pairs[0] == (f"{first}0?{shown} B\n\n1?{shown} B\n\n1+1?{shown}", " A")
    assert (item.gold, item.group) == (1, "abstract_algebra")


def test_the_harness_names_the_subject_before_cloze_questions_too(tmp_path):
    """`mmlu/continuation/mmlu_abstract_algebra.yaml` of lm-evaluation-harness 0.4.13."""
    write(tmp_path / "mmlu_test.jsonl", [MMLU_ROW])
    (task,) = [task for task in pick("harness") if task.name == "mmlu_cloze"]
    (item,) = task.items(tmp_path)
    first = "The following are questions (with answers) about abstract algebra.\n\n"
    assert item.pairs[1] == (f"{first}Question: 1+1?\nAnswer:", " 2")


def test_a_limit_counts_in_each_subject(tmp_path):
    write(tmp_path / "mmlu.jsonl", [MMLU_ROW | {"subject": subject} for subject in "aababb"])
    assert [item.group for item in Likelihood("m", MMLU, forms.cloze).items(tmp_path, limit=2)] == ["a", "a", "b", "b"]


def test_parquet_files_and_the_hubs_layout_are_read_too(tmp_path):
    rows = [{"goal": "dry it", "sol1": "sun", "sol2": "rain", "label": 0}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "piqa.parquet")
    assert Data(("piqa",)).rows(tmp_path) == rows
    hub = tmp_path / "ybisk/piqa@~parquet/plain_text/validation"
    hub.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), hub / "0000.parquet")
    assert hub_rows("ybisk/piqa plain_text validation", str(tmp_path)) == rows
    with pytest.raises(FileNotFoundError, match="no Parquet files of a/b, c, d"):
        hub_rows("a/b c d", str(tmp_path))


def test_mbpp_finds_its_examples_on_the_hub_in_a_split_of_their_own(tmp_path):
    for split, numbers in (("prompt", (2, 3, 4)), ("test", (11,)), ("validation", (511,))):
        folder = tmp_path / "google-research-datasets/mbpp@~parquet/full" / split
        folder.mkdir(parents=True)
        rows = [{"task_id": n, "text": "Add.", "code": "", "test_setup_code": "", "test_list": ["a"]} for n in numbers]
        pq.write_table(pa.Table.from_pylist(rows), folder / "0000.parquet")
    rows = hub_rows(MBPP.hub, str(tmp_path))
    assert [row["task_id"] for row in rows] == [2, 3, 4, 11]
    assert [one.name for one in mbpp(rows)] == ["MBPP/11"]


def test_missing_files_are_named_before_any_work_with_what_can_run(tmp_path):
    write(tmp_path / "arc_easy.jsonl", [])
    both = [task for task in pick("harness") if task.name in ("arc_easy", "piqa")]
    with pytest.raises(FileNotFoundError, match=r"piqa needs piqa_val or piqa.*can run: --tasks arc_easy, or --allow-"):
        require_data(both, tmp_path)
    assert [task.name for task in require_data(both, tmp_path, allow_missing=True)] == ["arc_easy"]
    with pytest.raises(FileNotFoundError, match="--data names the folder"):
        require_data(pick("harness"), tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"piqa needs piqa_val or piqa\.$"):  # nothing at all could run
        require_data([task for task in both if task.name == "piqa"], tmp_path, allow_missing=True)


def test_files_of_examples_are_missed_before_any_work_too(tmp_path):
    write(tmp_path / "gsm8k_test.jsonl", [])
    (math,) = [task for task in pick("smollm") if task.name == "gsm8k"]
    with pytest.raises(FileNotFoundError, match=r"gsm8k needs gsm8k_train\.$"):
        require_data([math], tmp_path)
    assert require_data([math], tmp_path, num_shots=0) == [math]
    with pytest.raises(ValueError, match="no file of examples for arc_easy, arc_challenge"):
        require_data([*ARC, math], tmp_path, num_shots=5)


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "line 1 is not JSON"), ("[1]", "line 1 is a list"), ('{"x": 1}', "task t, row 1|t, row 1")],
)
def test_lines_that_are_no_rows_are_named(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=message):
        Likelihood("t", Data(("a",)), forms.cloze).items(tmp_path)


def test_rows_of_another_benchmark_are_named_where_an_answer_or_a_program_is_wanted(tmp_path):
    write(tmp_path / "gsm8k_test.jsonl", [{"question": "1+1?", "answer": "#### 2"}, {"question": "2+2?"}])
    with pytest.raises(ValueError, match=r"gsm8k, row 2: not a question \(no field 'answer'; it has question"):
        MATH.questions(tmp_path, num_shots=0)
    write(tmp_path / "gsm8k_train.jsonl", [{"answer": "#### 2"}])
    with pytest.raises(ValueError, match="gsm8k's examples, row 1"):
        MATH.questions(tmp_path, limit=1)
    write(tmp_path / "mbpp.jsonl", [{"question": "1+1?"}])
    with pytest.raises(ValueError, match=r"mbpp: a row in .* is no problem \(KeyError\('task_id'\)"):
        pick("code")[1].problems(tmp_path)


def test_examples_need_a_file(tmp_path):
    write(tmp_path / "a.jsonl", [{"query": "q", "choices": ["a"], "gold": 0}])
    with pytest.raises(ValueError, match="no file of examples"):
        Likelihood("t", Data(("a",)), forms.cloze).items(tmp_path, num_shots=1)
    with pytest.raises(ValueError, match="no suite is called 'core'"):
        pick("core")


@pytest.mark.parametrize("suite", SUITES)
def test_every_task_reads_the_published_files(shared_data, suite):
    folder = shared_data / "eval"
    for task in SUITES[suite]:
        if task.data.file(folder) is None:
            assert task.name == "mmlu_pro"  # the one benchmark that is not there
        elif isinstance(task, Likelihood):
            items = task.items(folder, limit=20)
            assert all(isinstance(item, Item) and 0 <= item.gold < len(item.pairs) for item in items)
            assert len({item.group for item in items}) == (57 if task.data is MMLU else 1)
        elif isinstance(task, Answer):
            asked, prompts = task.questions(folder, limit=3)
            assert len(asked) == len(prompts) == 3
            assert all(prompt.count("Question:") == task.num_shots + 1 for prompt in prompts)
        else:
            assert len(task.problems(folder)) in (164, 500)
