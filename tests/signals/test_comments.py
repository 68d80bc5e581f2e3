"""The share of comments: by hand for each syntax, and beside Python's own tokenizer."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

from curate.signals.code import python
from curate.signals.comments import SYNTAX, Comments


def share(text: str, language: str) -> float:
    return Comments()(pa.RecordBatch.from_pydict({"text": [text], "language": [language]}))["code.comments"][0].as_py()


@pytest.mark.parametrize(
    ("language", "text", "comments"),
    [
        ("C", "int a; // one\nint b; /* two\nlines */ int c;", ["// one", "/* two\nlines */"]),
        ("C", 'char *s = "// no"; // yes', ["// yes"]),
        ("C", "char c = '\\''; // yes", ["// yes"]),
        ("C", 'x = "no end\n// yes', ["// yes"]),
        ("C", "/* a /* b */ c */", ["/* a /* b */"]),
        ("Swift", "/* a /* b */ c */", ["/* a /* b */ c */"]),
        ("Rust", "fn f<'a>() {} // c", ["// c"]),
        ("Go", "s := `// no\n// no`\n// yes", ["// yes"]),
        ("JavaScript", "let a = `// no`; // yes", ["// yes"]),
        ("PHP", "<?php # a\n// b\n/* c */ ?>", ["# a", "// b", "/* c */"]),
        ("SQL", "select '--no' -- yes\n", ["-- yes"]),
        ("SQL", "select 'it''s -- no'", []),
        ("Lua", "-- a\n--[[ b\nc ]] x = 1", ["-- a", "--[[ b\nc ]]"]),
        ("Haskell", "{- a {- b -} -} x -- c", ["{- a {- b -} -}", "-- c"]),
        ("Ruby", "x\n=begin\ny\n=end\nz # w", ["\n=begin\ny\n=end", "# w"]),
        ("Shell", "echo '# no\n# no' # yes", ["# yes"]),
        ("HTML", "<p>a</p><!-- b -->", ["<!-- b -->"]),
        ("Python", "x = 1  # a\ny = '# no'\n", ["# a"]),
        ("Python", '"""a\nb"""\ndef f():\n    r"""c"""\n    return """no"""\n', ['"""a\nb"""', '"""c"""']),
        ("Python", "return 'no'\nyield\n'yes'", ["'yes'"]),
        ("Python", "f(\n'no'\n)\n", []),
        ("Python", "'yes'\n", ["'yes'"]),
        ("C", "/* no end", ["/* no end"]),
        ("C", "", []),
    ],
)
def test_comments_by_hand(language, text, comments):
    assert share(text, language) == pytest.approx(sum(map(len, comments)) / max(len(text), 1))


def test_other_languages_and_missing_texts_are_not_measured_and_names_fold():
    rows = pa.RecordBatch.from_pydict(
        {"text": ["# a", "# a", None, "# a", "# a"], "language": ["PYTHON", "Brainfuck", "Python", None, "python"]}
    )
    assert Comments()(rows)["code.comments"].to_pylist() == [1.0, None, None, None, 1.0]
    assert Comments()(rows.select(["text"]))["code.comments"].to_pylist() == [1.0, 1.0, None, 1.0, 1.0]
    assert Comments()(rows.slice(3))["code.comments"].to_pylist() == [None, 1.0]
    assert Comments()(rows.slice(0, 0))["code.comments"].to_pylist() == []
    assert repr(pickle.loads(pickle.dumps(Comments()))) == "Comments()"
    assert len(SYNTAX) >= 30


def test_it_decides_as_python_s_own_parser(shared_data):
    from pyarrow import parquet

    table = parquet.read_table(shared_data / "code/code.parquet", columns=["text", "language"])
    texts = [row["text"] for row in table.slice(0, 4000).to_pylist() if row["language"] == "Python"][::40]
    found = Comments()(pa.RecordBatch.from_pydict({"text": texts}))["code.comments"].to_pylist()
    exact = [(python(text), ours) for text, ours in zip(texts, found, strict=True)]
    pairs = [(share, ours) for (parses, share), ours in exact if parses]
    same = [(0.01 <= a <= 0.8) == (0.01 <= b <= 0.8) for a, b in pairs]
    assert np.mean(same) >= 0.97
    assert np.mean([abs(a - b) for a, b in pairs]) <= 0.02
