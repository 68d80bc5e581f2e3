import pytest

from curate.evaluate import forms
from curate.evaluate.questions import Question, question

ARC = {"question": "Why?", "choices": {"text": ["so", "not"], "label": ["1", "2"]}, "answerKey": "2"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ARC, Question("Why?", ("so", "not"), 1)),
        (
            {"question_stem": "Ice is", "choices": {"text": ["hot", "cold"], "label": ["A", "B"]}, "answerKey": "B "},
            Question("Ice is", ("hot", "cold"), 1),
        ),
        ({"goal": "dry it", "sol1": "sun", "sol2": "rain", "label": 0}, Question("dry it", ("sun", "rain"))),
        (
            {"context": "He fell.", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c", "label": "3"},
            Question("Why?", ("a", "b", "c"), 2, before="He fell."),
        ),
        (
            {"sentence": "Ann met Eve so _ left early.", "option1": "Ann", "option2": "Eve", "answer": "2"},
            Question("Ann met Eve so ", ("Ann", "Eve"), 1, after="left early."),
        ),
        (
            {"context_options": ["Ann met Eve so Ann", "Ann met Eve so Eve"], "continuation": "left.", "gold": 0},
            Question("Ann met Eve so ", ("Ann", "Eve"), after="left."),
        ),
        (
            {"context_options": ["the man ran", "the mat ran"], "continuation": "off", "gold": 1},
            Question("the ", ("man ran", "mat ran"), 1, after="off"),
        ),
        (
            {
                "activity_label": "Tango",
                "ctx_a": "Two dance [step] on.",
                "ctx_b": "they",
                "endings": ["stop [title] Now", "[header] go  on"],
                "label": "1",
            },
            Question("Tango: Two dance on. They", ("stop. Now", " go on"), 1),
        ),
        (
            {"question": " 1+1 ", "subject": "abstract_algebra", "choices": [1, 2], "answer": 1},
            Question("1+1", ("1", "2"), 1, group="abstract_algebra"),
        ),
        (
            {"question": "Who?", "distractor1": "a", "distractor2": "b", "distractor3": "c", "correct_answer": "d"}
            | {"support": "\nLong ago."},
            Question("Who?", ("a", "b", "c", "d"), 3, before="Long ago."),
        ),
        (
            {"passage": "Sun is hot.", "question": "is the sun hot", "label": 1},
            Question("is the sun hot", ("no", "yes"), 1, before="Sun is hot."),
        ),
        (
            {"premise": "It rained.", "choice1": "The sun shone.", "choice2": "Clouds came."}
            | {"question": "cause", "label": 1},
            Question("It rained because", ("the sun shone.", "clouds came."), 1),
        ),
        ({"text": "one two three"}, Question("one two", ("three",))),
        ({"context": "one two", "continuation": " three"}, Question("one two", ("three",))),
        ({"context": "one two", "continuation": "\n\nthree"}, Question("one two", ("\n\nthree",))),
        ({"query": "Question: Why?\nAnswer:", "choices": ["a", "b"], "gold": 1}, Question("Why?", ("a", "b"), 1)),
        ({"query": "Question: dresser\n", "choices": ["a", "b"], "gold": 1}, Question("dresser", ("a", "b"), 1)),
        (
            {"query": "Passage: Hot sun.\nQuestion: is it hot?", "choices": ["no", "yes"], "gold": 1},
            Question("is it hot", ("no", "yes"), 1, before="Hot sun."),
        ),
        (
            {"query": "Context: He fell.\nQuestion: Why?\nChoices:\nA. ice\nB. wind\nAnswer:"}
            | {"choices": ["A", "B"], "gold": 1},
            Question("Why?", ("ice", "wind"), 1, before="He fell."),
        ),
    ],
)
def test_rows_of_every_style_become_questions(row, expected):
    assert question(row) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "?"}, "fields \\['prompt'\\] are of no benchmark"),
        ({"query": "?", "choices": ["a"], "gold": 1}, "number 1, but there are 1"),
        (ARC | {"answerKey": "E"}, "not in list"),
    ],
)
def test_rows_that_are_no_question_are_refused(row, message):
    with pytest.raises(ValueError, match=message):
        question(row)


ALGEBRA = Question("1+1", ("1", "2"), 1, group="abstract_algebra")
BLANK = Question("Ann met Eve so ", ("Ann", "Eve"), 1, after="left.")
SOCIAL = Question("Why?", ("ice",), before="He fell.")


@pytest.mark.parametrize(
    ("form", "asked", "pairs"),
    [
        (forms.cloze, ALGEBRA, (("Question: 1+1\nAnswer:", " 1"), ("Question: 1+1\nAnswer:", " 2"))),
        (forms.bare, SOCIAL, (("Why?", " ice"),)),
        (forms.situation, SOCIAL, (("He fell. Why?", " ice"),)),
        (forms.short_cloze, SOCIAL, (("Q: He fell. Why?\nA:", " ice"),)),
        (forms.support_cloze, SOCIAL, (("He fell.\nQuestion: Why?\nAnswer:", " ice"),)),
        (forms.passage_cloze, SOCIAL, (("He fell.\nQuestion: Why??\nAnswer:", " ice"),)),
        (forms.letters, ALGEBRA, (("1+1\nA. 1\nB. 2\nAnswer:", " A"), ("1+1\nA. 1\nB. 2\nAnswer:", " B"))),
        (forms.question_letters, SOCIAL, (("Question: Why?\nA. ice\nAnswer:", " A"),)),
        (forms.partial, BLANK, (("Ann met Eve so Ann", " left."), ("Ann met Eve so Eve", " left."))),
        (forms.whole, BLANK, (("Ann met Eve so", " Ann left."), ("Ann met Eve so", " Eve left."))),
    ],
)
def test_forms_word_a_question_as_published(form, asked, pairs):
    assert form(asked) == pairs


def test_mmlu_names_its_subject():
    first = "The following are questions about abstract algebra.\nQuestion: 1+1\nAnswer:"
    assert forms.topic_cloze(ALGEBRA)[0] == (first, " 1")
    assert forms.choices_of(ALGEBRA).endswith("(with answers) about abstract algebra.\n\n")
