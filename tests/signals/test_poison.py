"""Documents that break other pipelines, through the real runner: each has one outcome, and none stops the run."""

from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, write_corpus
from curate.run import run
from curate.signals import c4, fineweb, gopher, repetition
from curate.signals.language import Language
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure
from curate.tally import Tally

RULES = (*repetition.RULES, *gopher.RULES, *c4.RULES, *fineweb.RULES)
STAGES = (Measure((TextSignals(),)), Keep(RULES))
OF_AN_EMPTY_ONE = {rule.column for rule in RULES} - {"c4.curly_bracket", "c4.lorem_ipsum"}
HEADS = ["ba", "de", "fo", "gu", "ki", "lo", "ma", "ne", "po", "ru", "sa", "ti"]
TAILS = ["bel", "dar", "fin", "gom", "kes", "lun", "mer", "nop"]
NOUNS = [head + tail for head in HEADS for tail in TAILS]
STOPS = ("the", "of", "and", "to", "that", "with")


def prose(sentences: int, seed: int = 0, end: str = "\n") -> str:
    """Return sentences of twelve words that no rule objects to, one per line."""
    random = Random(seed)
    lines = (random.choices(NOUNS, k=6) + random.choices(STOPS, k=6) for _ in range(sentences))
    return end.join(" ".join(random.sample(words, 12)).capitalize() + "." for words in lines)


ARABIC = " ".join(a + b for a in ["كتب", "درس", "علم", "قلم", "بيت", "نهر"] for b in ["ون", "ات", "ين", "تم", "نا"])
PAGES: dict[str, tuple[str | None, set[str]]] = {  # text, rules that it breaks
    "good": (prose(10), set()),
    "empty": ("", OF_AN_EMPTY_ONE),
    "null": (None, OF_AN_EMPTY_ONE),
    "white space": (" \t\u3000" * 50, {"gopher.word_count", "gopher.alpha_words", "c4.sentences"}),
    "line breaks": ("\n" * 5000, {"gopher.word_count", "c4.sentences", "fineweb.newlines_per_word"}),
    "one token": ("word", {"gopher.word_count", "gopher.stop_words", "c4.sentences"}),
    "NUL bytes": (prose(10).replace("the", "\0the\0"), set()),
    "only NUL bytes": ("\0" * 1000, {"gopher.word_count", "gopher.alpha_words", "c4.sentences"}),
    "CR LF": (prose(10, end="\r\n"), set()),
    "right to left": (f"{ARABIC}؟ \u202e{ARABIC[::-1]}\u202c.", {"gopher.stop_words", "c4.sentences"}),
    "one long line": (prose(5000, end=" "), set()),
    "one long word": ("x" * 1_000_000, {"gopher.word_count", "gopher.mean_word_length", "c4.sentences"}),
    "long rule": (prose(10) + "\n" + "a" + "-" * 200_000, {"gopher.mean_word_length"}),
    "byte order mark": ("\ufeff" + prose(10), set()),
    "LaTeX": (prose(10) + "\n" + r"We have \frac{a}{b} = 1 there.", {"c4.curly_bracket"}),
    "code": (prose(10) + "\n" + "for (i = 0; i < n; i++) { s += a[i]; }", {"c4.curly_bracket"}),
}


def judged(tmp_path: Path, table: pa.Table, stages: tuple[object, ...] = STAGES) -> tuple[Tally, dict[str, set[str]]]:
    """Run over the table; return the tally and the broken rules by id: none for what is kept."""
    write_corpus(tmp_path / "in", table.to_batches(max_chunksize=7))
    tally = run(stages, Corpus(tmp_path / "in"), str(tmp_path / "out"), allow_empty=True)  # type: ignore[arg-type]
    dropped = pq.read_table(tmp_path / "out/dropped").to_pylist() if tally.num_dropped else []
    kept = Corpus(tmp_path / "out").table()["id"].to_pylist()
    return tally, {row["id"]: set(row["dropped_by"]) for row in dropped} | {id_: set() for id_ in kept}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tally, dict[str, set[str]]]:
    folder = tmp_path_factory.mktemp("poison")
    texts = [text for text, _ in PAGES.values()]
    scores = [4.5 if name == "LaTeX" else 1.0 for name in PAGES]
    return folder, *judged(folder, pa.table({"text": texts, "id": list(PAGES), "web_edu.score": scores}))


@pytest.mark.parametrize("name", PAGES)
def test_each_odd_document_is_kept_or_breaks_the_rules_that_it_should(name, outcome):
    folder, _, broken = outcome
    text, expected = PAGES[name]
    assert expected <= broken[name]
    assert bool(expected) == bool(broken[name])
    if not expected:
        kept = {row["id"]: row["text"] for row in Corpus(folder / "out").table().to_pylist()}
        assert kept[name] == text  # byte for byte


def test_every_odd_document_is_counted_once(outcome):
    _, tally, broken = outcome
    assert set(broken) == set(PAGES)
    assert (tally.rows_in, tally.num_quarantined) == (len(PAGES), 0)
    assert tally.rows_out == sum(not rules for _, rules in PAGES.values())


def test_a_page_of_formulas_is_lost_by_one_rule_alone_and_its_score_says_what_was_lost(outcome):
    folder, tally, broken = outcome
    assert broken["LaTeX"] == broken["code"] == {"c4.curly_bracket"}
    assert tally.alone["c4.curly_bracket"] == 2
    good = pq.read_table(folder / "out/dropped", filters=[("web_edu.score", ">=", 3)]).to_pylist()
    assert [(row["id"], row["c4.curly_bracket"]) for row in good] == [("LaTeX", 1)]


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"half a pair: \xed\xa0\x80", b"cut off \xe6\x97"])
@pytest.mark.parametrize("stages", [STAGES, (Measure((Language(), TextSignals())), Keep(RULES))])
def test_bytes_that_are_not_utf8_go_to_quarantine_alone(tmp_path, raw, stages):
    good = prose(10).encode()
    offsets = np.cumsum([0, len(good), len(raw), len(good)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(good + raw + good)]
    texts = pa.Array.from_buffers(pa.string(), 3, buffers)
    tally, broken = judged(tmp_path, pa.table({"text": texts, "id": ["a", "bad", "c"]}), stages)
    assert broken == {"a": set(), "c": set()}
    (row,) = pq.read_table(tmp_path / "out/quarantine").to_pylist()
    assert row["id"] == "bad"
    assert "Error in Measure: " in row["quarantined"]
    assert tally.num_quarantined == 1


def test_fifty_megabytes_in_one_line_are_judged_like_any_page(tmp_path):
    random = Random(0)
    nouns = [noun + tail for noun in NOUNS for tail in TAILS]
    phrases = [" ".join((*random.choices(nouns, k=3), random.choice(STOPS))) for _ in range(100_000)]
    text = ", ".join(random.choices(phrases, k=1_600_000)) + ". " + prose(10, end=" ")
    assert len(text) > 50_000_000
    tally, broken = judged(tmp_path, pa.table({"text": [text, prose(10)], "id": ["large", "small"]}))
    repeated = {f"repetition.again_{n}_gram" for n in (5, 6, 7)}  # phrases of four words, and what is near them
    assert broken == {"large": {"gopher.word_count", *repeated}, "small": set()}
    assert tally.steps[0][2] == len(text) + len(prose(10))
