"""How a question is asked: each form turns it into (context, continuation) pairs whose likelihoods are compared.

    cloze(Question("Why?", ("so", "not")))
    (("Question: Why?\\nAnswer:", " so"), ("Question: Why?\\nAnswer:", " not"))

In a cloze form the choices themselves are scored, which models of any size can do; in a multiple-choice form all
choices are shown and the letters are scored, which takes some billion parameters or trillion tokens to beat chance
(Gu et al. 2024, OLMES). Wordings are those of lm-evaluation-harness 0.4.13 ("harness" below) and of the lighteval tasks
with which FineWeb and SmolLM were measured (`lighteval_tasks.py` in FineWeb's repository, `text/evaluation/tasks.py` in
SmolLM's). The choice is the continuation after one space.
"""

from collections.abc import Callable

from curate.evaluate.questions import Question

Pairs = tuple[tuple[str, str], ...]
Form = Callable[[Question], Pairs]
LETTERS = "ABCDEFGHIJ"


def cloze(asked: Question) -> Pairs:
    """ARC and PIQA everywhere; also MMLU's continuation form in the harness, its subject in the description."""
    return _after(f"Question: {asked.stem}\nAnswer:", asked.choices)


def bare(asked: Question) -> Pairs:
    """The text goes on: HellaSwag, COPA, LAMBADA; OpenBookQA everywhere; CommonsenseQA in FineWeb and SmolLM."""
    return _after(asked.stem, asked.choices)


def situation(asked: Question) -> Pairs:
    """SIQA in FineWeb."""
    return _after(f"{asked.before} {asked.stem}", asked.choices)


def short_cloze(asked: Question) -> Pairs:
    """SIQA in the harness."""
    return _after(f"Q: {asked.before} {asked.stem}\nA:", asked.choices)


def support_cloze(asked: Question) -> Pairs:
    """SciQ in the harness; a question without a supporting text still begins a line."""
    return _after(f"{asked.before}\nQuestion: {asked.stem}\nAnswer:", asked.choices)


def passage_cloze(asked: Question) -> Pairs:
    """BoolQ in the harness."""
    return _after(f"{asked.before}\nQuestion: {asked.stem}?\nAnswer:", asked.choices)


def topic_cloze(asked: Question) -> Pairs:
    """MMLU in FineWeb and SmolLM (`mmlu_cf`)."""
    return _after(f"The following are questions about {topic(asked)}.\nQuestion: {asked.stem}\nAnswer:", asked.choices)


def partial(asked: Question) -> Pairs:
    """WinoGrande in the harness: the same end scored after each beginning (Trinh and Le 2018, arXiv 1806.02847)."""
    return tuple((asked.stem + choice, f" {asked.after}") for choice in asked.choices)


def whole(asked: Question) -> Pairs:
    """WinoGrande in lighteval: option and end are scored, so a likely name wins as well as a likely end."""
    return _after(asked.stem.rstrip(), tuple(f"{choice} {asked.after}" for choice in asked.choices))


def letters(asked: Question) -> Pairs:
    """MMLU in the harness; its subject is in the description before the examples."""
    return _after(f"{asked.stem}\n{_shown(asked)}\nAnswer:", tuple(LETTERS[: len(asked.choices)]))


def question_letters(asked: Question) -> Pairs:
    """CommonsenseQA in the harness."""
    return _after(f"Question: {asked.stem}\n{_shown(asked)}\nAnswer:", tuple(LETTERS[: len(asked.choices)]))


def topic(asked: Question) -> str:
    return asked.group.replace("_", " ")


def choices_of(asked: Question) -> str:
    """MMLU's first line in the harness, SmolLM and Hendrycks et al. 2021."""
    return f"The following are multiple choice questions (with answers) about {topic(asked)}.\n\n"


def questions_of(asked: Question) -> str:
    """MMLU's first line in the harness where the choices are not shown."""
    return f"The following are questions (with answers) about {topic(asked)}.\n\n"


def _shown(asked: Question) -> str:
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, asked.choices, strict=False))


def _after(context: str, choices: tuple[str, ...]) -> Pairs:
    return tuple((context, f" {choice}") for choice in choices)
