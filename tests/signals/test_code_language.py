"""The language of rows that tables and JSON lines bring."""

import pyarrow as pa
import pytest

from curate.signals.code_language import CodeLanguage, KeepLanguages

ROWS = pa.RecordBatch.from_pydict(
    {
        "text": ["x = 1", "class A;\n", "#!/bin/sh\n", "words", None],
        "path": ["a.py", "/src/a.h", None, None, "b.rs"],
        "language": [None, "c", None, None, "TSX"],
    }
)


def test_what_the_input_says_holds_under_linguist_s_name_and_gaps_are_filled():
    assert CodeLanguage()(ROWS)["language"].to_pylist() == ["Python", "C", "Shell", None, "TypeScript"]
    assert CodeLanguage(believe=False)(ROWS)["language"].to_pylist() == ["Python", "C++", "Shell", None, "Rust"]
    assert CodeLanguage()(ROWS.select(["text"]))["language"].to_pylist() == [None, None, "Shell", None, None]


def test_other_languages_are_marked():
    found = KeepLanguages(("Python", "C"))(CodeLanguage()(ROWS))
    assert found["dropped_by"].to_pylist() == [None, None, *[["code.language"]] * 3]
    with pytest.raises(KeyError, match="no column 'language'"):
        KeepLanguages()(ROWS.select(["text"]))


def test_languages_are_asked_for_in_any_usual_name_and_a_slip_is_told_before_a_file_is_read():
    assert KeepLanguages(("python", "c-sharp", "Raku")).languages == ("Python", "C#", "Raku")
    with pytest.raises(ValueError, match="did you mean 'Python'"):
        KeepLanguages(("Pyton",))
