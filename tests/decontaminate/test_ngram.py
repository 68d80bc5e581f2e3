"""What counts as contamination by n-grams, and what does not."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.decontaminate.benchmarks import prepare
from curate.decontaminate.evidence import Hit
from curate.decontaminate.index import COSMOPEDIA, Sizes, build_index, load_index
from curate.decontaminate.ngram import Ngram

DUCKS = (
    "Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
WORKED = (
    "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\n"
    "She makes 9 * 2 = $<<9*2=18>>18 every day at the farmer’s market.\n#### 18"
)
ROWS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [
        {"question": DUCKS, "answer": WORKED},
        {
            "question": "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total "
            "does it take?",
            "answer": "It takes 2/2=<<2/2=1>>1 bolt of white fiber\nSo it takes 2+1=<<2+1=3>>3 bolts of fabric\n#### 3",
        },
    ],
    "arc": [
        {
            "id": "Mercury_1",
            "query": "Question: Which gas do green plants take from the air?\nAnswer:",
            "choices": ["oxygen", "nitrogen", "carbon dioxide", "helium"],
            "gold": 2,
        },
    ],
}
PAGE = (
    "The old harbour wakes before the town does. Boats come in with the tide, gulls quarrel over the nets, and the "
    "first buyers walk along the quay with their collars up. By nine the fish is sold and the stones are washed "
    "clean.\n\n"
)


Write = Callable[[dict[str, list[dict[str, Any]]]], str]


@pytest.fixture
def open_ngram(write: Write, tmp_path: Path) -> Callable[..., Ngram]:
    def make(rows: dict[str, list[dict[str, Any]]] = ROWS, **settings: Any) -> Ngram:
        return Ngram(prepare(write(rows), str(tmp_path / "prepared")), **settings)

    return make


def look(method: Ngram, *texts: str | None) -> list[Hit]:
    return method(pa.record_batch({"text": pa.array(texts, pa.string())}))


def named(hits: list[Hit]) -> list[tuple[int, str, str, str]]:
    return sorted((hit.row, hit.benchmark, hit.item, hit.part) for hit in hits)


def test_a_question_in_a_page_is_found_with_its_place(open_ngram: Callable[..., Ngram]) -> None:
    text = f"{PAGE}É {DUCKS} {PAGE}"
    (hit,) = look(open_ngram(), PAGE, text, None)
    assert (hit.row, hit.benchmark, hit.item, hit.part, hit.method, hit.share) == (
        1,
        "gsm8k",
        "0",
        "question",
        "ngram",
        1.0,
    )
    assert text[hit.start : hit.stop] == DUCKS.removesuffix("?")
    assert hit.words == 53  # all of it in one run; Janet and s are two
    assert hit.excerpt == DUCKS[:160]


def test_every_item_of_a_shared_ngram_is_tested(open_ngram: Callable[..., Ngram]) -> None:
    """cosmopedia's index keeps the last item of an n-gram only (RECIPES: decontamination)."""
    shared = "A train leaves the northern station at nine in the morning and runs at sixty miles an hour."
    first = f"{shared} How far has it come by noon if it never stops on its way?"
    last = f"{shared} At what time does it reach the coast, which is two hundred miles off?"
    method = open_ngram({"b": [{"question": first}, {"question": last}]})
    assert [hit.item for hit in look(method, f"{PAGE} {first} {PAGE}") if hit.share == 1.0] == ["0"]
    assert {hit.item for hit in look(method, f"{PAGE} {first} {PAGE}")} == {"0", "1"}
    assert {hit.item for hit in look(method, f"{first} {PAGE} {last}") if hit.share == 1.0} == {"0", "1"}


def test_the_second_hit_of_a_document_is_tested(open_ngram: Callable[..., Ngram]) -> None:
    """cosmopedia looks at the first n-gram found only: here that of a sentence which is no contamination."""
    fragment = "every morning and bakes muffins for her friends every day with four"
    robe = ROWS["gsm8k"][1]["question"]
    hits = look(open_ngram(), f"He came {fragment} loaves under his arm. {PAGE} {robe}")
    assert ("gsm8k", "1", 1.0) in [(hit.benchmark, hit.item, hit.share) for hit in hits]
    assert [hit.method for hit in hits if hit.item == "0"] == ["run"]


def test_a_question_asked_three_times_is_three_hits(open_ngram: Callable[..., Ngram]) -> None:
    hits = look(open_ngram(), f"{DUCKS} {DUCKS}\n{PAGE}{DUCKS}")
    assert [round(hit.share, 2) for hit in hits if hit.part == "question"] == [1.0, 1.0, 1.0]
    assert len({hit.start for hit in hits}) == 3


def test_equal_texts_of_two_files_name_both(open_ngram: Callable[..., Ngram]) -> None:
    method = open_ngram({"a": [{"question": DUCKS}], "b": [{"query": f"Question: {DUCKS}\nAnswer:"}]})
    assert named(look(method, DUCKS)) == [(0, "a", "0", "question"), (0, "b", "0", "question")]


REWRITTEN = {
    "html entities": DUCKS.replace("’", "&#8217;")
    .replace("'", "&#39;")
    .replace("$", "&#36;")
    .replace(" eggs", "&nbsp;eggs"),
    "markup": DUCKS.replace("16 eggs", "<b>16</b> <a href='/e'>eggs</a>").replace(". ", ".<br/>\n"),
    "other punctuation": DUCKS.replace(".", " -").replace("’", "'").replace("?", ""),
    "numbered sentences": "\n".join(f"{i}) {s}" for i, s in enumerate(DUCKS.split(". "))),
    "lines quoted": "\n> ".join(DUCKS[i : i + 40] for i in range(0, len(DUCKS), 40)).replace("\n>  ", "\n> "),
    "json": DUCKS.replace("’", "\\u2019").replace(". ", ".\\n"),
    "capitals": DUCKS.upper(),
    "a word left out": DUCKS.replace(" fresh", "").replace("daily ", ""),
}


@pytest.mark.parametrize("kind", REWRITTEN)
def test_a_reformatted_question_is_found(open_ngram: Callable[..., Ngram], kind: str) -> None:
    hits = look(open_ngram(), f"{PAGE}{REWRITTEN[kind]}\n{PAGE}")
    assert [hit.item for hit in hits if hit.share > 0.85] == ["0"], kind


def test_half_of_a_question_is_evidence_and_does_not_drop(open_ngram: Callable[..., Ngram]) -> None:
    method = open_ngram()
    (hit,) = look(method, f"{PAGE} {' '.join(DUCKS.split()[:19])} {PAGE}")
    assert 0.3 < hit.share < 0.5
    assert not method.counts(hit)
    (more,) = look(method, f"{PAGE} {' '.join(DUCKS.split()[:40])} {PAGE}")
    assert more.share > 0.5
    assert method.counts(more)


def test_a_worked_answer_is_found_alone_and_without_its_marks(open_ngram: Callable[..., Ngram]) -> None:
    clean = "Janet sells 16 - 3 - 4 = 9 duck eggs a day. She makes 9 * 2 = $18 every day at the farmer's market."
    for answer in (clean, WORKED):
        assert named(look(open_ngram(), f"{PAGE}{answer}{PAGE}")) == [(0, "gsm8k", "0", "answer")]


GAS = "Which gas do green plants take from the air?"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{GAS} A. oxygen B. nitrogen C. carbon dioxide D. helium", True),
        (f"{GAS}<br>(a) Oxygen (b) Nitrogen (c) Carbon&nbsp;dioxide (d) Helium. Answer: c", True),
        (GAS, False),  # anybody asks that
        (f"{GAS} It is carbon dioxide, as we saw.", False),  # a textbook
        (f"{GAS} {PAGE * 3} A. oxygen B. nitrogen C. carbon dioxide D. helium", False),  # too far away
        ("Which gas do plants take? A. oxygen B. nitrogen C. carbon dioxide D. helium", False),  # another question
    ],
)
def test_a_short_question_counts_whole_and_in_company_of_its_choices(
    open_ngram: Callable[..., Ngram], text: str, found: bool
) -> None:
    assert bool(look(open_ngram(), f"{PAGE}{text} {PAGE}")) is found


def test_another_part_of_the_row_is_company_too(open_ngram: Callable[..., Ngram]) -> None:
    passage = (
        "Ethanol fuel is made from corn in America and from cane in Brazil where it pays back eight times the energy."
    )
    rows = {"boolq": [{"passage": passage, "question": "does ethanol take more energy than it makes", "answer": "no"}]}
    method = open_ngram(rows)
    asked = "Does ethanol take more energy than it makes?"
    assert look(method, f"{PAGE} {asked} {PAGE}") == []
    hits = look(method, f"{passage} {PAGE} {asked} {PAGE}", passage)
    assert named(hits) == [(0, "boolq", "0", "passage"), (0, "boolq", "0", "question"), (1, "boolq", "0", "passage")]
    assert [method.counts(hit) for hit in sorted(hits)] == [False, True, False]
    assert all(open_ngram(rows, passages=True).counts(hit) for hit in hits)


def test_what_many_items_say_is_no_evidence(open_ngram: Callable[..., Ngram]) -> None:
    """Templates: the page has the phrase of twelve questions, and one question whole."""
    phrase = (
        "For which of these two scenarios does the main character do something clearly wrong by the standards of today?"
    )
    kinds = ["red", "old", "big", "wet", "dry", "raw", "hot", "new", "odd", "low", "far", "sad"]
    scenes = [
        f"Scenario {w}: I took {w} apples from the {w} tree while {w} people slept {w} houses off." for w in kinds
    ]
    method = open_ngram({"moral": [{"question": f"{phrase} {scene}"} for scene in scenes]})
    assert look(method, f"{PAGE} {phrase} {PAGE}") == []
    hits = look(method, f"{PAGE} {phrase} {scenes[3]} {PAGE}")
    assert [hit.item for hit in hits if hit.share == 1.0] == ["3"]
    (index,) = [load_index(method.benchmarks, COSMOPEDIA)]
    assert all(entry.own_words < len(entry.words) for entry in index.entries)


def test_items_that_cannot_be_evidence_are_listed(write: Write) -> None:
    from curate.decontaminate.benchmarks import read_benchmarks

    many = [{"question": f"Which of the following statements is true{mark}"} for mark in "?!.:;,"]
    items = read_benchmarks(write({"x": [{"question": "Is ice cold?"}, {"question": DUCKS}], "y": many}))
    index = build_index(items, COSMOPEDIA)
    assert [(item.benchmark, item.item) for item in index.too_short] == [("x", "0")]
    assert index.common == ()  # six times one text, which is one text
    different = [{"question": f"Which of the following statements is true in {w}?"} for w in "ABCDEFGHIJKL"]
    index = build_index(read_benchmarks(write({"x": [], "y": [*many, *different]})), Sizes(max_texts=3))
    assert [len(item.text) for item in index.common] == [len("Which of the following statements is true?")] * 6


def test_thirteen_words_in_a_row_are_told_and_a_rule_on_request(open_ngram: Callable[..., Ngram]) -> None:
    run = " ".join(DUCKS.split()[8:21])  # 13 words of 57: GPT-3 drops for them, cosmopedia does not
    (hit,) = look(open_ngram(), f"{PAGE} {run} {PAGE}")
    assert (hit.words, open_ngram().counts(hit)) == (13, False)
    assert open_ngram(max_run=12).counts(hit)
    assert not open_ngram(max_run=13).counts(hit)
    assert look(open_ngram(), f"{PAGE} {' '.join(DUCKS.split()[8:17])} {PAGE}") == []  # nine


def test_huge_documents_and_templates_stay_bounded(open_ngram: Callable[..., Ngram]) -> None:
    """Time grows with the text alone: a second here, where difflib would compare 10^7 characters with each item."""
    method = open_ngram()
    fragment = " ".join(DUCKS.split()[:12])
    hits = look(method, PAGE * 20_000 + DUCKS, f"{fragment}. " * 3_000, "egg " * 1_000_000)
    assert [hit.start for hit in hits if hit.row == 0] == [len(PAGE) * 20_000]
    assert not any(hit.share > 0.5 for hit in hits if hit.row == 1)


def test_the_method_is_picklable_and_its_name_says_what_it_looks_for(open_ngram: Callable[..., Ngram]) -> None:
    method = open_ngram()
    again = pickle.loads(pickle.dumps(method))
    assert again == method
    assert look(again, DUCKS) == look(method, DUCKS)
    assert method.benchmarks.fingerprint in repr(method)
    assert method.benchmarks.path not in repr(method)
