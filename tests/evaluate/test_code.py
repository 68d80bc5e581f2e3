import json
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.evaluate.code import MBPP_TEST, humaneval, mbpp, pass_at_k, pass_rates
from curate.evaluate.parts import programs
from curate.evaluate.sandbox import Sandbox


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def sandbox():
    try:
        with Sandbox() as opened:
            yield opened
    except RuntimeError as error:
        pytest.skip(f"this machine allows no containment: {error}")


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_draws_with_a_success(drawn):
    n, c, k = drawn
    wins = sum(any(sample < c for sample in some) for some in combinations(range(n), k))
    assert pass_at_k(n, c, k) == pytest.approx(wins / comb(n, k))


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"), [(20, 1, 1, 0.05), (20, 0, 10, 0.0), (20, 11, 10, 1.0), (2, 1, 2, 1)]
)
def test_pass_at_k_of_known_cases(n, c, k, expected):
    assert pass_at_k(n, c, k) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 6, 1), (5, 1, 6), (5, 1, 0)])
def test_pass_at_k_refuses_what_cannot_be(n, c, k):
    with pytest.raises(ValueError, match=f"pass@{k}"):
        pass_at_k(n, c, k)


def test_rates_are_means_over_problems_of_the_ks_that_all_can_give():
    few = pass_rates([[True], [False], [True], [True]])
    assert set(few) == {"pass@1"}
    assert few["pass@1"].value == 0.75
    many = pass_rates([[True] + [False] * 19, [False] * 20])
    assert many["pass@1"].value == pytest.approx(0.025)
    assert many["pass@10"].value == pytest.approx(0.25)
    assert many["pass@10"].stderr == pytest.approx(0.25)  # values 0.5 and 0


TASK = {"text": "Write a function to add.", "code": "def add(a, b): return a + b", "test_setup_code": ""}


def problem(number):
    return TASK | {"task_id": number, "test_list": [f"assert add({n}, 1) == {n + 1}" for n in range(3)]}


def test_mbpp_shows_three_solved_examples_and_asks():
    (asked,) = mbpp([problem(n) for n in (2, 3, 4, 11, 600)])
    assert asked.name == "MBPP/11"
    assert asked.prompt.count("You are an expert Python programmer") == 4
    assert asked.prompt.count("def add(a, b): return a + b\n[DONE]\n\n") == 3
    assert asked.prompt.endswith("assert add(2, 1) == 3\n[BEGIN]\n")
    with pytest.raises(ValueError, match=r"\[4\], are not in the file"):
        mbpp([problem(n) for n in (2, 3, 11)])


def test_a_program_ends_where_lm_evaluation_harness_ends_it():
    """`generation_kwargs` of its humaneval.yaml and mbpp.yaml, 0.4.13; the latter leaves 256 tokens by default."""
    row = {"task_id": "T/0", "prompt": "def one():\n", "canonical_solution": "", "test": "", "entry_point": "one"}
    asked = programs("humaneval", [humaneval(row)], 1).pieces
    assert [piece.decoding.max_new_tokens for piece in asked] == [1024, 1024]
    assert asked[0].decoding.stop == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    asked = programs("mbpp", mbpp([problem(n) for n in (2, 3, 4, 11)]), 0).pieces
    assert [(piece.decoding.max_new_tokens, piece.decoding.stop) for piece in asked] == [(256, ("[DONE]",))]


def test_all_canonical_solutions_of_humaneval_pass_and_no_empty_one(sandbox, shared_data):
    problems = [humaneval(row) for row in rows(shared_data / "eval/humaneval_openai.jsonl")]
    solved = sandbox.run_all([one.program(one.solution) for one in problems])
    assert [one.name for one, outcome in zip(problems, solved, strict=True) if not outcome.passed] == []
    assert len(solved) == 164
    empty = sandbox.run_all([one.program("") for one in problems])
    assert sum(outcome.passed for outcome in empty) == 0


def test_canonical_solutions_of_mbpp_pass_and_no_empty_one(sandbox, shared_data):
    """Every tenth of the test split here; benchmarks/sandbox.py runs all 974."""
    problems = mbpp(rows(shared_data / "eval/mbpp.jsonl"), MBPP_TEST[::10])
    assert len(problems) == 50
    assert all(outcome.passed for outcome in sandbox.run_all([one.program(one.solution) for one in problems]))
    assert not any(outcome.passed for outcome in sandbox.run_all([one.program("") for one in problems]))


def test_a_completion_fails_for_its_reason(sandbox):
    row = {
        "task_id": "T/0",
        "prompt": 'def one():\n    """Return 1."""\n',
        "entry_point": "one",
        "canonical_solution": "    return 1\n",
    }
    asked = humaneval(row | {"test": "def check(candidate):\n    assert candidate() == 1\n"})
    assert sandbox.run(asked.program(asked.solution)).passed
    assert sandbox.run(asked.program("    return 2")).reason == "AssertionError"
    assert "SyntaxError" in sandbox.run(asked.program("    return (")).reason
