"""Heuristics by hand, in groups, on odd documents, and against the rules."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

from curate.signals import c4, code, fineweb, gopher, repetition
from curate.signals.c4 import C4Lines
from curate.signals.rules import FINEWEB_CHAIN, RULE_SETS, SIGNALS
from curate.signals.text import GROUPS, TextSignals
from curate.stage import Keep, Measure

ODD = ["", " \n\t", "word", "\x00", "مرحبا بالعالم", "a\r\nb\r\n", "x" * 100_000, "{" * 10, "\ufeff\n\n\n", "…\n…"]


def batch(*texts: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})


def measured(text: str, group: str) -> dict[str, float]:
    return {name: column[0].as_py() for name, column in TextSignals((group,))(batch(text)).items()}


def test_gopher_by_hand():
    text = "- The cat, the dog...\n#1 and to be…\n\nend"
    # words: - The cat , the dog ... # 1 and to be … end: 14, of them - , ... # … symbols or not:
    # "…" is punctuation to Unicode, so The cat the dog 1 and to be end are the words that count
    assert measured(text, "gopher") == pytest.approx(
        {
            "gopher.word_count": 9,
            "gopher.mean_word_length": (3 + 3 + 3 + 3 + 1 + 3 + 2 + 2 + 3) / 9,
            "gopher.hashes_per_word": 1 / 14,
            "gopher.ellipses_per_word": 2 / 14,
            "gopher.bullet_lines": 1 / 4,
            "gopher.ellipsis_lines": 2 / 4,
            "gopher.alpha_words": 8 / 14,
            "gopher.stop_words": 4,  # the and to be
        }
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the the the", 1),
        ("The THE", 0),
        ("that, with", 2),
        ("the be to of and that have with", 8),
        ("then", 0),
        ("", 0),
    ],
)
def test_each_stop_word_counts_once_and_only_in_small_letters(text, found):
    assert measured(text, "gopher")["gopher.stop_words"] == found


def test_repetition_by_hand():
    text = "same line\nother\nsame line\n\nsame line\nother\nsame line"
    found = measured(text, "repetition")
    assert found["repetition.lines"] == 4 / 6
    assert found["repetition.paragraphs"] == 1 / 2
    assert found["repetition.line_chars"] == (9 + 9 + 5 + 9) / 52
    assert found["repetition.paragraph_chars"] == 25 / 52
    assert found["repetition.top_2_gram"] == 4 * 9 / 52  # "same line" four times
    assert found["repetition.again_5_gram"] == 21 / 52  # "same line other same line" once more, without spaces


def test_fineweb_by_hand():
    text = "A line that is longer than thirty characters, and ends.\n\nshort\nshort\n"
    assert measured(text, "fineweb") == {
        "fineweb.lines_with_end": 1 / 3,
        "fineweb.short_lines": 2 / 3,
        "fineweb.duplicate_chars": 5 / 65,
        "fineweb.newlines_per_word": 4 / 14,
    }


@pytest.mark.parametrize(
    ("text", "sentences", "curly", "lorem"),
    [
        ("One is here. Two is here! Is three here?", 3, 0, 0),
        ("Too short.\nThis one is not.", 1, 0, 0),  # two words do not make a line
        ("Please enable javascript { here.\nThis one stays.", 1, 0, 0),  # its bracket goes with it
        ("Some code { here }.\nLorem Ipsum dolor sit.", 2, 1, 1),
        ("Read our privacy policy now.\nwe use cookies here.", 0, 0, 0),
        ("x" * 1001 + " is too long.", 0, 0, 0),
        ("x" * 1000 + " is not too long.", 1, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_c4_by_hand(text, sentences, curly, lorem):
    assert measured(text, "c4") == {"c4.sentences": sentences, "c4.curly_bracket": curly, "c4.lorem_ipsum": lorem}


def test_c4_lines_keep_what_c4_keeps():
    text = " One line stays[1] here. \nno no\nEnable JavaScript now please.\n\nAnother stays too.[citation needed]"
    assert C4Lines()(batch(text, None))["text"].to_pylist() == ["One line stays here.\nAnother stays too.", None]


def test_code_layout_by_hand():
    found = measured("ab = 1\n\n" + "#" * 12, "code")
    assert found["code.mean_line_length"] == 18 / 3
    assert found["code.max_line_length"] == 12
    assert found["code.alphanumeric"] == 3 / 20
    assert found["code.alphabetic"] == 2 / 20


def test_an_empty_document_and_one_without_text_break_every_rule_of_a_share():
    marked = Keep(RULE_SETS["gopher"])(Measure(SIGNALS["gopher"])(batch("", None)))
    empty, missing = marked["dropped_by"].to_pylist()
    assert set(empty) == {rule.column for rule in RULE_SETS["gopher"]}
    assert missing == empty


@pytest.mark.parametrize("name", RULE_SETS)
def test_every_rule_set_runs_on_odd_documents_and_says_where_its_numbers_are_from(name):
    marked = Keep(RULE_SETS[name])(Measure(SIGNALS[name])(batch(*ODD, None)))
    assert marked.num_rows == len(ODD) + 1
    assert all(rule.source for rule in RULE_SETS[name])
    columns = [rule.column for rule in RULE_SETS[name]]
    assert len(columns) == len(set(columns))


def test_groups_measured_together_equal_groups_measured_alone_and_in_slices():
    rows = batch("filler", *ODD, None, "The end. The end.").slice(1)
    together = TextSignals(tuple(GROUPS))(rows)
    alone: dict[str, pa.Array] = {}
    for group in GROUPS:
        alone |= TextSignals((group,))(rows)
    row_by_row = [TextSignals(tuple(GROUPS))(rows.slice(i, 1)) for i in range(rows.num_rows)]
    for name, column in together.items():
        assert repr(column.to_pylist()) == repr(alone[name].to_pylist())  # repr: NaN equals NaN
        assert repr(column.to_pylist()) == repr([one[name][0].as_py() for one in row_by_row])


def test_settings_travel_between_processes_and_a_wrong_name_is_told():
    for stage in (Measure((TextSignals(),)), C4Lines(), *FINEWEB_CHAIN):
        assert repr(pickle.loads(pickle.dumps(stage))) == repr(stage)
    assert repr(TextSignals(("c4",))) == "TextSignals(groups=('c4',))"
    with pytest.raises(ValueError, match="'gofer'; there are repetition, gopher"):
        TextSignals(("gofer",))


@pytest.mark.parametrize(
    ("rules", "column", "just_kept", "just_dropped"),
    [
        (gopher.RULES, "gopher.word_count", 50, 49),
        (gopher.RULES, "gopher.alpha_words", 0.8, 0.79),
        (gopher.RULES, "gopher.stop_words", 2, 1),
        (repetition.RULES, "repetition.lines", 0.3, 0.31),
        (fineweb.RULES, "fineweb.lines_with_end", 0.12, 0.119),
        (fineweb.RULES, "fineweb.duplicate_chars", 0.01, 0.011),
        (c4.RULES, "c4.sentences", 5, 4),
        (c4.RULES, "c4.curly_bracket", 0, 1),
        (code.RULES, "code.max_line_length", 1000, 1001),
    ],
)
def test_a_bound_itself_is_kept(rules, column, just_kept, just_dropped):
    (rule,) = [rule for rule in rules if rule.column == column]
    assert rule.broken(pa.array([just_kept, just_dropped])).tolist() == [False, True]


def test_the_fineweb_chain_keeps_prose_and_drops_menus():
    prose = "The tide comes in twice a day because the moon pulls at the water of the sea. "
    more = "It was known to sailors that the pull is stronger when the sun helps it along. "
    last = "They have written tables of it since the harbours of the north were built! "
    page = prose + more + last + "What do we learn from that? We learn to measure with care, and to be patient. "
    rows = batch(page, "Home\nAbout\nShop\nHome\nAbout\nShop", None)
    for stage in FINEWEB_CHAIN:
        rows = stage(rows)
    dropped = rows["dropped_by"].to_pylist()
    assert not dropped[0]
    assert {"repetition.lines", "c4.sentences", "gopher.word_count"} <= set(dropped[1])
    assert dropped[2]


def test_datatrove_decides_alike_on_real_pages(shared_data):
    filters = pytest.importorskip("datatrove.pipeline.filters")
    from datatrove.data import Document
    from pyarrow import parquet

    texts = parquet.read_table(shared_data / "web/text.parquet", columns=["text"])["text"].to_pylist()[::200]
    theirs = {
        "repetition": (filters.GopherRepetitionFilter(), repetition.RULES),
        "gopher": (filters.GopherQualityFilter(), gopher.RULES),
        "c4": (filters.C4QualityFilter(filter_no_terminal_punct=False), c4.RULES),
        "fineweb": (filters.FineWebQualityFilter(), fineweb.RULES),
    }
    for group, (theirs_, rules) in theirs.items():
        kept = [theirs_.filter(Document(text, id="")) is True for text in texts]
        ours = Keep(rules)(Measure((TextSignals((group,)),))(batch(*texts)))["dropped_by"].to_pylist()
        assert np.mean([a == (not b) for a, b in zip(kept, ours, strict=True)]) >= 0.97
