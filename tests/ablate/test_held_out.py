"""No arm reads what it is measured on."""

import pyarrow as pa
import pytest

from curate.ablate.held_out import MAX_CHARS, RULE, Index, WithoutHeldOut, drawn, found_in, given
from curate.corpus import Corpus
from curate.run import run

from .conftest import sentences, write

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(start: int, stop: int) -> str:
    """Words that no other number gives."""
    return " ".join(f"{LETTERS[n % 26]}{LETTERS[n // 26 % 26]}{LETTERS[n // 676 % 26]}word" for n in range(start, stop))


@pytest.mark.parametrize(
    ("text", "leaked"),
    [
        (words(0, 100), True),
        (words(0, 100).upper().replace(" ", "\n\n"), True),  # case and white space do not make it another text
        (f"{words(2000, 2500)} {words(0, 100)} {words(3000, 3500)}", True),  # inside a long page
        (f"{words(0, 70)} {words(1000, 1500)}", True),  # 63 of its 93 shingles
        (f"{words(0, 40)} {words(1000, 1500)}", False),  # 33 of 93
        (words(0, 40), True),  # an excerpt: all of its own 33
        (words(0, 20), False),  # a line that both quote
        (words(1000, 1100), False),
        ("", False),
    ],
)
def test_a_text_leaks_where_half_of_either_is_shared(text, leaked):
    index = Index.of(pa.array([words(500, 600), words(0, 100)]))
    assert index.leaked(pa.array(["other words", text])).tolist() == [False, leaked]


def test_shares_are_those_of_a_slow_exact_reference():
    """Sets of tuples of words, pair by pair."""
    held, texts = sentences(5, 12), sentences(5, 12)[6:] + sentences(6, 6)
    texts += [f"{texts[0][:120]} {texts[7][:120]}", f"{texts[1][:60]} {texts[8]}"]

    def shingles(text: str) -> set[tuple[str, ...]]:
        split = text.rstrip(".").split()
        return {tuple(split[i : i + 8]) for i in range(len(split) - 7)}

    def leaks(text: str) -> bool:
        mine = shingles(text)
        shared = [(len(mine & theirs), len(theirs)) for theirs in map(shingles, held)]
        return any(n and (2 * n >= size or (len(mine) >= 16 and 2 * n >= len(mine))) for n, size in shared)

    assert Index.of(pa.array(held)).leaked(pa.array(texts)).tolist() == [leaks(text) for text in texts]


def test_the_same_documents_are_held_out_in_any_order_of_shards(tmp_path):
    texts = sentences(1, 60)
    one = given({"x": Corpus(write(tmp_path / "a", texts))}, f"{tmp_path}/one", num=10)
    two = given({"x": Corpus(write(tmp_path / "b", texts[::-1], "other"))}, f"{tmp_path}/two", num=10)
    assert one.fingerprint == two.fingerprint
    assert one.texts("x")["text"] == two.texts("x")["text"]
    assert one.texts("x").num_rows == 10
    assert found_in(one.folder) == one


def test_documents_too_short_to_tell_a_copy_are_not_held_out(tmp_path):
    corpus = write(tmp_path / "a", ["Buy now.", words(0, 30), "x" * 5000])
    held = given({"x": Corpus(corpus)}, f"{tmp_path}/held", num=10)
    assert held.texts("x")["text"].to_pylist() == [words(0, 30)]
    with pytest.raises(ValueError, match="held-out y has no document of 23 words"):
        given({"y": Corpus(write(tmp_path / "b", ["Buy now."]))}, f"{tmp_path}/no", num=10)


def test_a_long_document_is_measured_by_its_beginning(tmp_path):
    held = given({"x": Corpus(write(tmp_path / "a", [words(0, 2000)]))}, f"{tmp_path}/held", num=10)
    assert len(held.texts("x")["text"][0].as_py()) == MAX_CHARS


def test_arms_give_equally_many_and_a_tenth_at_most(tmp_path):
    large, small = write(tmp_path / "large", sentences(1, 300)), write(tmp_path / "small", sentences(2, 50))
    held = drawn({"a": [Corpus(large)], "b": [Corpus(small)]}, f"{tmp_path}/held", num=40)
    assert held.from_arms
    assert {domain: held.texts(domain).num_rows for domain in held.domains} == {"from-a": 5, "from-b": 5}


def test_an_arm_of_one_document_gives_none(tmp_path):
    arms = {
        "a": [Corpus(write(tmp_path / "a", sentences(1, 50)))],
        "b": [Corpus(write(tmp_path / "b", [words(0, 99)]))],
    }
    with pytest.raises(ValueError, match=r"arm b has 1 documents, too few .* give --held-out"):
        drawn(arms, f"{tmp_path}/held", num=5)


def test_the_stage_takes_copies_out_and_says_what_it_is_not_where_it_lies(tmp_path):
    texts = sentences(1, 50)
    held = given({"x": Corpus(write(tmp_path / "h", texts[:5]))}, f"{tmp_path}/held", num=5)
    stage = WithoutHeldOut(held.folder, held.fingerprint)
    assert repr(stage) == f"WithoutHeldOut(fingerprint='{held.fingerprint}')"
    tally = run([stage], Corpus(write(tmp_path / "arm", texts)), f"{tmp_path}/out")
    assert (tally.rows_in, tally.rows_out, tally.broken[RULE]) == (50, 45, 5)
