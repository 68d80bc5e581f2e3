import pytest

from curate.evaluate.answers import (
    Written,
    arithmetic,
    normal,
    right_alias,
    right_name,
    right_number,
    trivia,
    trivia_asked,
)

EIGHTEEN = Written("Question: ?\nAnswer:", ("He has 9 * 2 = 18.\n#### 18",), "")


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        (" 9 * 2 = 18\n#### 18", True, True),
        (" so it is $18.", False, True),  # the dollar sign and the full stop do not count
        (" 9 * 2 = 18 in all, not 17", False, False),
        ("#### 1,8", True, True),  # commas do not count
        ("#### 17\nno, 18", False, True),
        ("#### -18", False, False),
        ("eighteen", False, False),
        ("", False, False),
    ],
)
def test_numbers_are_read_off_strictly_and_flexibly(text, strict, flexible):
    assert right_number(text, EIGHTEEN) == {"strict_match": strict, "flexible_extract": flexible}


@pytest.mark.parametrize(
    ("text", "right"),
    [(" The Beatles!", True), ("beatles", True), ("Beatle", False), ("the  beatles.", True), ("", False)],
)
def test_names_are_compared_without_case_articles_and_punctuation(text, right):
    assert right_name(text, Written("", ("Beatles", "The Fab Four"), "")) == {"exact_match": right}


def test_normal_keeps_the_inside_of_words():
    assert normal("An  apple a day, the-rest") == "apple day therest"


def test_rows_become_questions_with_an_answer_to_show():
    asked = arithmetic({"question": "How many?", "answer": "1 + 1 = 2\n#### 2"})
    assert (asked.prompt, asked.shown) == ("Question: How many?\nAnswer:", " 1 + 1 = 2\n#### 2")
    plain = trivia({"context": "Question: Who?\nAnswer:", "answer": "Ann", "aliases": ["Anna"]})
    hub = trivia({"question": "Who?", "answer": {"value": "Ann", "aliases": ["Anna"]}})
    assert plain == hub == Written("Question: Who?\nAnswer:", ("Ann", "Anna"), " Ann")


def test_the_harness_keeps_articles_and_adds_a_question_mark():
    asked = trivia_asked({"context": "Question: Who?\nAnswer:", "answer": "Ann", "aliases": ["The Ann-A"]})
    assert asked.prompt == "Question: Who??\nAnswer:"
    assert right_alias("  ann", asked) == right_alias("the anna", asked) == {"exact_match": True}
    assert right_alias("the ann", asked) == right_alias("", asked) == {"exact_match": False}
