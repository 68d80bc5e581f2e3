"""A task in pieces comes to what the task in one go comes to."""

import numpy as np
import pytest

from curate.evaluate.generate import Decoding, generate
from curate.evaluate.held_out import bits_per_byte
from curate.evaluate.items import Item, measures, score_items
from curate.evaluate.parts import answers, held_out, likelihood, programs
from curate.evaluate.pieces import NUM_ITEMS, NUM_TEXTS, Choices, Work
from curate.evaluate.tasks import TRIVIA

HOW = Work("", None, "float32")


def test_scores_of_pieces_are_the_scores_of_the_whole_in_the_order_of_the_items(model, tokenizer):
    items = [
        Item(((f"It rained on {n}", " days"), (f"It rained on {n}", " suns")), n % 2, "ab"[n % 3 == 0])
        for n in range(400)
    ]
    part = likelihood("rain", items)
    assert [(piece.first, len(piece.items)) for piece in part.pieces] == [(0, 134), (134, NUM_ITEMS), (390, 10)]
    done = part.conclude([piece.work(model, tokenizer, HOW) for piece in part.pieces])
    by_group = sorted(items, key=lambda item: item.group, reverse=True)  # the first item is of group b
    whole = score_items(model, tokenizer, "rain", by_group)
    rows = [row for table in done.items for row in table.to_pylist()]
    assert [(row["item"], row["choice"], row["gold"]) for row in rows] == [
        (row["item"], row["choice"], row["gold"]) for row in whole.to_pylist()
    ]
    assert np.allclose([row["logprob"] for row in rows], whole["logprob"].to_numpy(), atol=1e-4)
    assert done.results["rain"]["gold_bits_per_byte"]["value"] == pytest.approx(
        measures(whole)["gold_bits_per_byte"].value, abs=1e-5
    )
    assert {name: found["num_items"] for name, found in done.results.items()} == {
        "rain": 400, "rain/b": 134, "rain/a": 266
    }  # fmt: skip


def test_bits_of_texts_in_pieces_are_the_bits_of_all(model, tokenizer):
    texts = [f"It rained on {n} days." for n in range(NUM_TEXTS + 3)]
    part = held_out("rain", texts)
    found = part.conclude([piece.work(model, tokenizer, HOW) for piece in part.pieces]).results["bits_per_byte rain"]
    assert found["num_items"] == len(texts)
    assert found["bits_per_byte"]["value"] == pytest.approx(bits_per_byte(model, tokenizer, texts).value, abs=1e-5)


def test_a_prompt_draws_the_same_numbers_in_any_piece(model, tokenizer):
    prompts, how = ["It rained", "The sun came", "On days"], Decoding(8, temperature=1.0, num_samples=2)
    assert generate(model, tokenizer, prompts, how)[1:] == generate(model, tokenizer, prompts[1:], how, first=1)


def test_a_piece_that_is_lost_is_named_by_its_task_and_place():
    assert str(Choices("arc_easy", 256, [Item((("a", " b"),))] * 300)) == "items of arc_easy from number 256"


def test_a_domain_without_text_is_refused():
    with pytest.raises(ValueError, match="bits per byte on in edu: the documents are empty"):
        held_out("edu", [])


def test_a_task_without_questions_or_problems_is_refused():
    with pytest.raises(ValueError, match="no questions to answer in trivia_qa"):
        answers(TRIVIA, [], [])
    with pytest.raises(ValueError, match="no problems to solve in mbpp"):
        programs("mbpp", [], 20)
