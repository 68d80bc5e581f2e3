"""Two pages in a real browser: a run of corpora, and a study of an ablation and a scaling law without any.

The browser is Chromium without a screen, if one is on the path.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.report import report
from curate.report.style import DARK, LIGHT
from tests.report.browser import Browser, chromium

PHONE, DESK = 360, 1280
pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is on the path (Debian: apt install chromium)")

# WCAG's contrast of every text that is shown against the first ground below it that is painted whole.
CONTRASTS = """(() => {
  const numbers = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = numbers(c).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 :
    ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    const n = c.startsWith('rgb') ? numbers(c) : [0, 0, 0, 0]; if (n.length < 4 || n[3] == 1) return c; } };
  const found = new Map();
  document.querySelectorAll('details').forEach(d => d.open = true);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.getClientRects().length) continue;
    const svg = e.closest('svg'), style = getComputedStyle(e);
    const ink = svg ? style.fill : style.color, below = ground(e);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    found.set(`${e.tagName}.${e.className.baseVal ?? e.className} ${ink} on ${below}`, (a + .05) / (b + .05));
  }
  return [...found];
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module", params=["run", "study"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of each folder, called after it."""
    folder = request.getfixturevalue({"run": "finished", "study": "evidence"}[request.param])
    return report(str(folder), str(tmp_path_factory.mktemp("page") / f"{request.param}.html"))


SECTIONS = {
    "run": (
        *("funnel", "rules", "scores", "documents", "near-duplicates", "benchmarks", "mix", "training", "evaluation"),
        "reproduce",
    ),
    "study": ("ablation", "training", "evaluation", "scaling", "reproduce"),
}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_it_renders_without_a_word_on_the_console_and_asks_for_nothing(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    browser.said.clear()
    browser.requests.clear()
    browser.open(page, width=width, dark=dark)
    assert browser.ask("document.title") == f"{page.stem}: curate report", "no document took it over"
    assert tuple(browser.ask("[...document.querySelectorAll('main section')].map(e => e.id)")) == SECTIONS[page.stem]
    drawn = "[...document.querySelectorAll('figure svg')].filter(e => !e.querySelector('rect, polyline, circle'))"
    assert browser.ask(f"{drawn}.length") == 0, "every chart shows something"
    assert browser.ask("document.querySelectorAll('figure svg').length") >= 3
    assert browser.said == []
    assert set(browser.requests) == {page.absolute().as_uri()}


def test_nothing_is_wider_than_a_phone(browser: Browser, page: Path) -> None:
    browser.open(page, width=PHONE)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.ask("document.documentElement.scrollWidth") == PHONE
    outside = """[...document.querySelectorAll('main *')].filter(e => !e.closest('.wide') &&
      e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className)"""
    assert browser.ask(outside) == []
    heights = """[...document.querySelectorAll('figure svg text')].filter(e => e.getClientRects().length)
      .map(e => e.getBoundingClientRect().height)"""
    assert min(browser.ask(heights)) >= 10, "labels of charts can be read"


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_label_of_a_chart_lies_on_another_or_is_cut_off(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    meeting = """[...document.querySelectorAll('figure svg')].flatMap(svg => {
      const boxes = [...svg.querySelectorAll('text')].filter(e => e.getClientRects().length).map(e => [e.textContent,
        e.getBoundingClientRect()]);
      return boxes.flatMap(([a, p], i) => [...boxes.slice(i + 1).filter(([b, q]) => p.left < q.right - 1 &&
        q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3).map(([b, q]) => a + ' on ' + b),
        ...(p.left < 0 || p.right > innerWidth ? [a + ' is cut off'] : [])]); })"""
    assert browser.ask(meeting) == []


def test_a_phone_shows_what_counts_without_scrolling_sideways(browser: Browser, evidence: Path, tmp_path: Path) -> None:
    browser.open(report(str(evidence), str(tmp_path / "study.html")), width=PHONE)
    seen = (
        "[...document.querySelectorAll('.verdict')].filter(e => e.getBoundingClientRect().right <= innerWidth).length"
    )
    assert browser.ask(seen) == browser.ask("document.querySelectorAll('.verdict').length") == 7
    names = (
        "[...document.querySelectorAll('#ablation .wide')].map(e => (e.scrollLeft = 999, e.querySelector('tbody th')"
    )
    assert all(left >= 0 for left in browser.ask(f"{names}.getBoundingClientRect().left))")), "names of rows stay"


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_the_contrast_that_wcag_asks_for(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, width=DESK, dark=dark)
    found = browser.ask(CONTRASTS)
    assert len(found) > 20
    assert {what: ratio for what, ratio in found if ratio < 4.5} == {}


def test_dark_mode_takes_the_dark_colours(browser: Browser, page: Path) -> None:
    seen = []
    for dark, colours in ((False, LIGHT), (True, DARK)):
        browser.open(page, width=DESK, dark=dark)
        ground = re.search(r"--page: #(\w\w)(\w\w)(\w\w)", colours)
        assert ground is not None
        seen.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
        assert seen[-1] == f"rgb({', '.join(str(int(part, 16)) for part in ground.groups())})"
    assert seen[0] != seen[1]


def test_the_keyboard_reaches_everything_in_order(browser: Browser, page: Path) -> None:
    browser.open(page, width=DESK)
    where = "(() => { const e = document.activeElement; return e.className || e.tagName + ' ' + e.textContent })()"
    browser.press("Tab", 9)
    assert browser.ask(where) == "skip"
    assert browser.ask("document.activeElement.getBoundingClientRect().left") >= 0, "it is shown when it has the focus"
    order = []
    for _ in range(12):
        browser.press("Tab", 9)
        order.append(browser.ask(where))
    titles = [f"A {title.capitalize()}" for title in SECTIONS[page.stem]]
    assert order[: len(titles)] == titles
    assert order[len(titles)] == "wide", "contents first, then tables"
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_skipping_leads_to_the_content(browser: Browser, page: Path) -> None:
    browser.open(page, width=DESK)
    browser.press("Tab", 9)
    browser.press("Enter", 13)
    assert browser.ask("document.activeElement.id") == "content"


def test_enter_opens_a_fold(browser: Browser, finished: Path, tmp_path: Path) -> None:
    browser.open(report(str(finished), str(tmp_path / "run.html")), width=DESK)
    browser.ask("document.querySelector('details:not([open]) summary').focus()")
    before = browser.ask("document.querySelectorAll('details[open]').length")
    browser.press("Enter", 13)
    assert browser.ask("document.querySelectorAll('details[open]').length") == before + 1


def test_the_contents_stay_in_sight(browser: Browser, page: Path) -> None:
    for width in (PHONE, DESK):
        browser.open(page, width=width)
        browser.ask("document.documentElement.style.scrollBehavior = 'auto'; scrollTo(0, 3000)")
        top = browser.ask("document.querySelector('nav').getBoundingClientRect().top")
        assert 0 <= top < 100


def test_headings_make_an_outline_and_regions_have_names(browser: Browser, page: Path) -> None:
    browser.open(page)
    levels = browser.ask("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
    assert levels.count(1) == 1
    assert all(after <= before + 2 for before, after in itertools.pairwise(levels))
    unnamed = (
        "[...document.querySelectorAll('[role=region],[role=img],nav')].filter(e => !e.getAttribute('aria-label'))"
    )
    assert browser.ask(f"{unnamed}.length") == 0
    assert browser.ask("document.documentElement.lang") == "en"
