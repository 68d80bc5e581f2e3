"""Questions whose answer a model writes out: GSM8K and TriviaQA, what is taken from its text, and when that is right.

    numbers("... so she has 18 left.\\n#### 18")          {"strict_match": "18", "flexible_extract": "18"}
    normal("The  Onion!")                                  "onion"

GSM8K (Cobbe et al. 2021): five solved examples, then "strict" takes the number after "####", "flexible" the last number
of the text, compared without commas, dollar signs and a final full stop; as lm-evaluation-harness' `gsm8k`.
TriviaQA (Joshi et al. 2017): the text up to a line's end is right when it equals one of the answer's names in lower
case without punctuation, articles and surplus space (SQuAD's normalisation, as lighteval's
`quasi_exact_match_triviaqa`). The harness adds a "?" to the question, stops at "." and "," too and keeps articles; its
suite here does as it does.
"""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curate.evaluate.generate import Decoding

STRICT = re.compile(r"#### (-?[0-9.,]+)")
FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Written:
    """A question to answer in writing: `right` are the answers that count."""

    prompt: str
    right: tuple[str, ...]
    shown: str  # the answer as an example shows it


def arithmetic(row: Mapping[str, Any]) -> Written:
    return Written(f"Question: {row['question']}\nAnswer:", (row["answer"],), f" {row['answer']}")


def trivia(row: Mapping[str, Any]) -> Written:
    """Read the hub's rows (question, answer.aliases) or the plain ones (context, answer, aliases)."""
    if "context" in row:
        return Written(row["context"], (row["answer"], *row["aliases"]), f" {row['answer']}")
    names = row["answer"]
    right = (names["value"], *names["aliases"])
    return Written(f"Question: {row['question']}\nAnswer:", right, f" {names['value']}")


GSM8K = Decoding(max_new_tokens=256, stop=("Question:", "</s>", "<|im_end|>"))
TRIVIAQA = Decoding(max_new_tokens=20, stop=("\n", "Question:"))  # 20: SmolLM's generation_size


TRIVIAQA_HARNESS = Decoding(max_new_tokens=256, stop=("\n", ".", ","))


def trivia_asked(row: Mapping[str, Any]) -> Written:
    """Ask TriviaQA as the harness does, "?" after whatever the question ends with."""
    plain = trivia(row)
    return Written(plain.prompt.removesuffix("\nAnswer:") + "?\nAnswer:", plain.right, plain.shown)


def right_number(text: str, asked: Written) -> dict[str, bool]:
    """Say whether a text reaches the number, by both ways to read it off."""
    wanted = bare_number(asked.right[0])
    strict, loose = STRICT.findall(text), ["".join(found) for found in FLEXIBLE.findall(text)]
    return {
        "strict_match": bool(strict) and bare_number(strict[0]) == wanted,
        "flexible_extract": bool(loose) and bare_number(loose[-1]) == wanted,
    }


def bare_number(text: str) -> str:
    """Return what counts of an answer: after "####", without commas, dollar signs and the full stop at the end."""
    return re.sub(r"\.$", "", re.sub(r"(?s).*#### ", "", text).replace(",", "").replace("$", "")).lower()


def right_name(text: str, asked: Written) -> dict[str, bool]:
    return {"exact_match": normal(text) in {normal(name) for name in asked.right}}


def right_alias(text: str, asked: Written) -> dict[str, bool]:
    """Judge as the harness: equal but for case, punctuation and space in front."""
    names = {name.lower().translate(WITHOUT) for name in asked.right}
    return {"exact_match": text.lstrip().lower().translate(WITHOUT) in names}


def normal(text: str) -> str:
    return " ".join(ARTICLES.sub(" ", text.lower().translate(WITHOUT)).split())
