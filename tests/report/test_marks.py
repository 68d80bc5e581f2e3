import pyarrow as pa
import pytest

from curate.report.marks import Text, joined, marks
from curate.signals.repetition import repetition
from curate.text.pages import read_pages


def marked(text: str, rule: str) -> list[str]:
    return [text[start:stop] for start, stop in marks(text, rule)]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("c4.curly_bracket", "a { b }\n{{", ["{", "{{"]),
        ("c4.lorem_ipsum", "Lorem Ipsum dolor, lorem ipsum", ["Lorem Ipsum", "lorem ipsum"]),
        (
            "c4.sentences",
            "Two words\nThis line has enough words.\nWe use cookies here.",
            ["Two words", "We use cookies here."],
        ),
        ("repetition.lines", "one\ntwo\none\n\none", ["one", "one"]),
        ("repetition.paragraphs", "a\nb\n\nc\n\na\nb", ["a\nb"]),
        ("repetition.top_2_gram", "red fish blue fish red fish", ["red fish", "red fish"]),
        ("repetition.again_5_gram", "a b c d e x a b c d e y", ["a b c d e"]),
        ("gopher.bullet_lines", "- one\ntwo\n• three", ["- one", "• three"]),
        ("gopher.ellipsis_lines", "more...\nno.\nand…", ["more...", "and…"]),
        ("gopher.alpha_words", "x 12 y = 7", ["12", "=", "7"]),
        ("fineweb.short_lines", "short\n" + "long " * 10, ["short"]),
        ("fineweb.lines_with_end", "A menu\nA sentence.\n", ["A menu"]),
        ("code.max_line_length", "ab\nabcd\na", ["abcd"]),
        ("gopher.word_count", "a b c", []),
        ("no.such_rule", "a b c", []),
        ("repetition.lines", "", []),
    ],
)
def test_what_broke_a_rule_is_marked(rule: str, text: str, expected: list[str]) -> None:
    assert marked(text, rule) == expected


def test_words_are_found_again_in_any_script() -> None:
    text = "Grüße an “alle”, 東京タワー… don't! naïve\u3000𝒳𝓎\ttab"
    words = [text[start:stop] for start, stop in Text(text).words()]
    assert "".join(words) == "".join(text.split())
    assert words[:6] == ["Grüße", "an", "“", "alle", "”", ","]
    assert marked("ünïcode\n𝒳\nünïcode", "repetition.lines") == ["ünïcode"]


def test_marked_characters_are_those_that_the_signal_counted() -> None:
    text = "the cat sat on the mat and then the cat sat on the mat and then the dog left the house at noon " * 3
    measured = repetition(read_pages(pa.array([text])))
    spaces = sum(part.count(" ") for part in marked(text, "repetition.again_10_gram"))
    chars = sum(map(len, marked(text, "repetition.again_10_gram"))) - spaces
    assert chars == round(measured["repetition.again_10_gram"][0] * len(text))


def test_spans_that_touch_are_one() -> None:
    assert joined([(5, 9), (0, 3), (3, 4), (8, 12), (20, 20)]) == [(0, 4), (5, 12)]
