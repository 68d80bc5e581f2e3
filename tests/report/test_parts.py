import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.report.charts import Line, _ticks, histogram, lines, tick
from curate.report.copies import difference
from curate.report.excerpts import excerpt
from curate.report.markup import bar, plural, safe, share, short, table
from curate.report.steps import stage_of
from curate.report.training import thinned


@given(st.text())
def test_nothing_of_a_text_is_read_as_html(text: str) -> None:
    shown = safe(text)
    assert not set(re.sub(r'</?span(?: class="control")?>', "", shown)) & set("<>\x00\u202e\ufeff")


def test_hidden_characters_are_named_and_long_runs_counted() -> None:
    assert safe("a\u202eb") == 'a<span class="control">U+202E</span>b'
    assert safe("\u200b" * 50) == '<span class="control">U+200B</span>[50 such characters]'
    assert safe("a\r\nb\tc") == "a\nb\tc"


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 10, "0.0%"), (10, 10, "100.0%"), (1, 3, "33.3%"), (1, 5000, "0.020%"), (0, 0, "-")],
)
def test_a_share_does_not_round_something_to_nothing(part: int, whole: int, expected: str) -> None:
    assert share(part, whole) == expected


def test_short_is_one_line_of_a_width() -> None:
    assert short("one\n two  three", 20) == "one two three"
    assert len(short("x" * 10**6, 20)) == 20


def test_a_table_escapes_its_cells_and_scrolls_by_keyboard() -> None:
    shown = table(("what", "#n"), [("<b>", "1")], title="T")
    assert "&lt;b&gt;" in shown
    assert 'tabindex="0"' in shown
    assert 'scope="row"' in shown


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_a_histogram_has_a_bar_for_every_bin_that_holds_something(counts: list[int]) -> None:
    svg = ET.fromstring(re.search("<svg.*</svg>", histogram(counts, low=0, width=0.25, label="x & y"))[0])  # type: ignore[index]
    bars = [float(bar.get("height", -1)) for bar in svg.iter("rect")]
    assert len(bars) == sum(n > 0 for n in counts)
    assert all(0 <= height <= 280 for height in bars)
    if bars:
        assert max(bars) == pytest.approx(280 - 30 - 34)


def test_lines_with_bands_are_one_drawing_with_a_legend() -> None:
    drawn = [Line("a<b", [(0, 1.0), (1, 2.0)], [(0.5, 1.5), (1.5, 2.5)]), Line("c", [(0, 1.0), (1, 0.0)])]
    shown = lines(drawn, label="Two lines", cuts=[0.5, 9], x_label="tokens", y_label="nats & bits")
    svg = ET.fromstring(re.search("<svg.*</svg>", shown)[0])  # type: ignore[index]
    assert len(list(svg.iter("polyline"))) == 2
    assert len(list(svg.iter("polygon"))) == 1
    assert [line.get("class") for line in svg.iter("line")].count("cutline") == 1, "the other lies outside"
    assert "a&lt;b" in shown
    assert [text.text for text in svg.iter("text")][-3:] == ["cut 0.5", "tokens", "nats & bits"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    ticks = _ticks(low, low + span)
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-3 * span <= tick <= low + span * 1.001 for tick in ticks)


def test_an_excerpt_begins_before_the_first_mark_and_says_what_it_leaves_out() -> None:
    text = "a" * 5000 + "{" + "b" * 5000
    shown = excerpt(text, [(5000, 5001)])
    assert "<mark>{</mark>" in shown
    assert len(re.sub("<.*?>", "", shown)) < 1100
    assert "1 marked; 9,101 more characters" in shown


def test_a_difference_marks_words_of_either_side_and_shortens_what_is_equal() -> None:
    same = " ".join(f"w{i}" for i in range(200))
    shown, left_out = difference(f"{same} old end", f"{same}  new <end>")
    assert "<del>old</del><ins>new</ins>" in shown
    assert "equal words" in shown
    assert "w100 " not in shown
    assert "&lt;" in shown
    assert left_out == ""
    assert difference("x " * 10**5, "y")[1] != ""


def test_a_long_curve_is_thinned_to_means() -> None:
    points = [(float(i), float(i % 2)) for i in range(1000)]
    assert thinned(points, most=250) == [(4 * i + 3.0, 0.5) for i in range(250)]
    assert thinned(points[:10]) == points[:10]


def test_a_bar_of_nothing_alone_leaves_the_paler_part_pale() -> None:
    first, second = re.findall(r"<i[^>]*>", bar(0, 0.25))
    assert first == '<i class=none style="width:0.00%">'
    assert second == '<i style="width:25.00%">'


@pytest.mark.parametrize(
    ("value", "said"), [(0.25, "0.25"), (1500, "1,500"), (60_000, "60k"), (2e6, "2M"), (3e12, "3T")]
)
def test_a_tick_is_short(value: float, said: str) -> None:
    assert tick(value) == said


def test_rules_are_told_by_what_their_columns_begin_with_whoever_named_them() -> None:
    said = "Keep(0.1 <= __dj__stats__.alnum_ratio, 10 <= gopher.words <= 50, __dj__stats__.avg_line_length <= 100)"
    assert stage_of(said) == "3 rules: __dj__stats__, gopher"


def test_one_is_not_many() -> None:
    assert (plural(1, "shard"), plural(1200, "shard"), plural(0, "CPU")) == ("1 shard", "1,200 shards", "0 CPUs")
