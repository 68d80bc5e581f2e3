from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.shingles import shingles, text_buffers

UNITS = st.sampled_from(["words", "code", "characters"])
TEXTS = [
    "",
    "   \t\n",
    "one",
    "One TWO three",
    "one two three four five six seven",
    "tabs\tand\r\nlines\x00and\x0bNULs\x00",
    "snake_case don't x+y=3.14",
    "École naïve café ÉCOLE — “quoted” … ‘x’",
    "مرحبا بالعالم הרבה שלום",
    "नमस्ते दुनिया",
    "今日は良い天気ですね。東京2024年 mixed中文words",
    "สวัสดีชาวโลก ภาษาไทย",
    "emoji 🙂🙃 ok 𝒳𝒴 𠀀𠀁 end",
    "x" * 5000,
    "a " * 3000,
]


def of(texts: pa.Array, size: int, unit: str = "words") -> list[list[int]]:
    offsets, hashes = shingles(texts, size, unit)
    return [hashes[a:b].tolist() for a, b in pairwise(offsets)]


@pytest.mark.parametrize("unit", ["words", "code", "characters"])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_shingles_equal_the_exact_integer_reference(reference, size, kind, unit):
    assert of(pa.array(TEXTS, kind), size, unit) == [reference.shingles(text, size, unit) for text in TEXTS]


def test_shingles_equal_the_reference_on_real_text(reference, shared_data):
    import pyarrow.parquet as pq

    table = pq.read_table(shared_data / "web" / "text.parquet", columns=["text"])
    texts = [text[:2000] for text in table["text"].to_pylist()[::200]]
    assert of(pa.array(texts), 5) == [reference.shingles(text, 5) for text in texts]


@given(text=st.text(max_size=300), ascii_text=st.text("aB_ .\n0", max_size=300), unit=UNITS, size=st.integers(1, 6))
def test_any_text_gives_the_shingles_of_the_reference(reference, text, ascii_text, unit, size):
    for one in (text, ascii_text, ascii_text + text + ascii_text):  # ends of blocks of 64 bytes fall anywhere
        assert of(pa.array(["before", one, "after"]), size, unit)[1] == reference.shingles(one, size, unit)


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        ("def Foo_bar(x1): return x1+2", "code", ["def", "Foo_bar", "x1", "return", "x1", "2"]),
        ("名前 = 東京_1", "code", ["名前", "東京_1"]),
        ("Ab, c1", "characters", ["a", "b", "c", "1"]),
        ("日本。語é", "characters", ["日", "本", "語", "é"]),
    ],
)
def test_code_tokens_and_characters(reference, text, unit, words):
    assert reference.words(text, unit) == words
    assert of(pa.array([text]), 1, unit) == [reference.shingles(text, 1, unit)]


def test_a_wrapped_sentence_has_the_same_characters_but_renamed_variables_are_other_tokens():
    one, two = of(pa.array(["日本語の\n文章", "日本語の文章"]), 3, "characters")
    assert one == two
    one, two, three = of(pa.array(["a_b = c", "a_b=c;", "a = b_c"]), 2, "code")
    assert one == two != three


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The CAT, sat.", ["the", "cat", "sat"]),
        ("snake_case", ["snake", "case"]),
        ("naïve café", ["naïve", "café"]),
        ("天気 ok", ["天", "気", "ok"]),
        ("नमस्ते", ["नमस्ते"]),
        ("“a”—b", ["a", "b"]),
        ("\x00", []),
    ],
)
def test_words_are_runs_of_letters_and_digits_and_han_characters_one_by_one(reference, text, words):
    assert reference.words(text) == words
    assert of(pa.array([text]), 1) == of(pa.array([" ".join(words)]), 1)


def test_a_text_of_fewer_words_than_a_shingle_has_one_and_an_empty_one_none():
    assert [len(found) for found in of(pa.array(["a b c", "a b c d e", "a b c d e f", "...", None]), 5)] == [
        1,
        1,
        2,
        0,
        0,
    ]


def test_a_slice_of_a_column_reads_its_own_texts():
    texts = pa.array(["zero", "one two", "three", "four"])
    assert of(texts.slice(1, 2), 1) == of(pa.array(["one two", "three"]), 1)
    assert text_buffers(pa.array([], pa.string()))[1].tolist() == [0]


def test_broken_utf8_separates_words_and_reads_nothing_behind_the_text():
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, *offsets_and_bytes([b"ab\xff\xe4cd \xf0\x9f", b"\x99\x82 zz"])]
    )
    assert of(broken, 1) == of(pa.array(["ab cd", "zz"]), 1)


def offsets_and_bytes(texts: list[bytes]) -> list[pa.Buffer]:
    ends = [0]
    for text in texts:
        ends.append(ends[-1] + len(text))
    return [pa.array(ends, pa.int32()).buffers()[1], pa.py_buffer(b"".join(texts))]
