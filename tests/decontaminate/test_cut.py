"""Cutting out spans as GPT-3 did."""

import pyarrow as pa

from curate.decontaminate.cut import PIECES, Cut
from curate.decontaminate.evidence import Hit, hits_column


def cut(text: str, hits: list[Hit], **settings: int) -> tuple[str, int]:
    batch = pa.RecordBatch.from_pydict({"text": [text], "decontaminate.hits": hits_column(hits, 1)})
    done = Cut((("decontaminate.ngram", 0.5), ("decontaminate.ast", 0.8)), **settings)(batch)  # type: ignore[arg-type]
    return done["text"][0].as_py(), done[PIECES][0].as_py()


def hit(start: int, stop: int, share: float = 1.0, method: str = "ngram", part: str = "question") -> Hit:
    return Hit(0, "b", "1", part, method, share, 20, start, stop)


TEXT = "a" * 300 + "X" * 50 + "b" * 500 + "Y" * 50 + "c" * 300


def test_a_margin_goes_with_the_span_and_short_pieces_go() -> None:
    assert cut(TEXT, [hit(300, 350)], margin=100, min_piece=200) == ("a" * 200 + "\n\n" + TEXT[450:], 2)
    assert cut(TEXT, [hit(300, 350)]) == (TEXT[550:], 1)  # of the first piece 100 are left: fewer than 200
    assert cut(TEXT, [hit(300, 350), hit(850, 900)], margin=0) == ("\n\n".join(("a" * 300, "b" * 500, "c" * 300)), 3)


def test_overlapping_spans_are_one_and_nothing_left_is_no_piece() -> None:
    assert cut(TEXT, [hit(290, 350), hit(300, 340), hit(345, 360)], margin=0)[0] == "a" * 290 + "\n\n" + TEXT[360:]
    assert cut(TEXT, [hit(0, len(TEXT))]) == ("", 0)


def test_only_what_is_above_its_bound_is_cut() -> None:
    weak = [hit(0, 9, 0.5), hit(0, 9, 0.75, "ast"), hit(0, 9, 0.9, "run"), hit(0, 9, 1.0, part="passage")]
    assert cut(TEXT, weak) == (TEXT, 1)
    assert cut(TEXT, [hit(0, 9, 0.81, "ast")], margin=0) == (TEXT[9:], 1)
