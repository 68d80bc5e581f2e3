import math

import numpy as np
import pytest

from curate.evaluate.items import ITEMS, Item, chance, item_values, measures, score_items


def test_pairs_are_scored_like_one_token_at_a_time(model, tokenizer, exact):
    from curate.evaluate.model import encode_pair

    pairs = (("It rained", " on 3 days"), ("The sun", " came"), ("", "It"), ("It rained on 12 ", "days"), ("a\n", " b"))
    rows = score_items(model, tokenizer, "t", [Item((pair,)) for pair in pairs]).to_pylist()
    for pair, row in zip(pairs, rows, strict=True):
        before, after = encode_pair(tokenizer, *pair)
        assert row["logprob"] == pytest.approx(sum(exact(model, before, after)), rel=1e-4)
        text = pair[1].removeprefix(" ")
        assert (row["num_tokens"], row["num_bytes"], row["num_chars"]) == (len(after), len(text.encode()), len(text))


def test_a_context_beyond_the_model_loses_its_beginning(model, tokenizer, exact):
    from curate.evaluate.model import encode_pair

    before, after = encode_pair(tokenizer, "1 2 3 " * 40, "4 5")
    expected = sum(exact(model, before[-(49 - len(after)) :], after))  # 48 are read, the last is predicted
    row = score_items(model, tokenizer, "t", [Item((("1 2 3 " * 40, "4 5"),))]).to_pylist()[0]
    assert row["logprob"] == pytest.approx(expected, rel=1e-4)


def test_a_uniform_model_prefers_the_shortest_choice_unless_normalised(tokenizer, uniform):
    items = [Item((("1", "22"), ("1", "2"), ("1", "222")), gold=1)]
    found = measures(score_items(uniform(100), tokenizer, "t", items))
    assert found["acc"].value == 1.0
    odds = np.array([100.0**-2, 100.0**-1, 100.0**-3])
    assert found["gold_probability"].value == pytest.approx(odds[1] / odds.sum())
    assert found["gold_bits_per_byte"].value == pytest.approx(math.log2(100))


def choices(logprobs, num_tokens, num_bytes, num_chars, gold):
    import pyarrow as pa

    rows = [
        {"task": "t", "group": "", "item": 0, "choice": n, "gold": n == gold, "logprob": logprobs[n], "greedy": False}
        | {"num_tokens": num_tokens[n], "num_bytes": num_bytes[n], "num_chars": num_chars[n]}
        for n in range(len(logprobs))
    ]
    return pa.Table.from_pylist(rows, ITEMS)


def test_each_normalisation_takes_its_own_length():
    """Likeliest 0; by character -3/3, -4/6, -5/5: 1; by byte -3/6, -4/6, -5/12: 2; by token -3/1, -4/1, -5/4: 2."""
    table = choices([-3.0, -4.0, -5.0], [1, 1, 4], [6, 6, 12], [3, 6, 5], gold=1)
    found = {name: estimate.value for name, estimate in measures(table).items()}
    assert (found["acc"], found["acc_norm"], found["acc_bytes"], found["acc_tokens"]) == (0, 1, 0, 0)
    assert found["gold_probability"] == pytest.approx(math.e**-1 / (1 + math.e**-1 + math.e**-2))
    assert found["gold_bits_per_byte"] == pytest.approx(4 / math.log(2) / 6)


def test_a_draw_goes_to_the_first_choice_as_in_the_harness():
    table = choices([-2.0, -2.0], [1, 1], [3, 3], [3, 3], gold=0)
    assert measures(table)["acc"].value == 1.0


def test_accuracy_has_the_standard_error_of_a_mean(tokenizer, uniform):
    right, wrong = (Item((("1", "2"), ("1", "333")), gold) for gold in (0, 1))
    acc = measures(score_items(uniform(100), tokenizer, "t", [right, wrong, right, right]))["acc"]
    assert acc.value == 0.75
    assert acc.stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3))


def test_one_choice_is_right_when_said_greedily_and_has_a_perplexity(tokenizer, uniform):
    found = measures(score_items(uniform(100), tokenizer, "t", [Item((("1", "2"),)), Item((("1", "33"),))]))
    assert "acc_norm" not in found
    assert found["perplexity"].value == pytest.approx(100**1.5)  # of whole continuations: 1 and 2 tokens
    nats = math.log(100) * np.array([1, 2])
    assert found["perplexity"].stderr == pytest.approx(100**1.5 * nats.std(ddof=1) / math.sqrt(2))


def test_values_follow_the_items_whatever_the_order_of_the_rows(model, tokenizer):
    items = [Item((("It rained", " on"), ("It rained", " days")), n % 2) for n in range(5)]
    table = score_items(model, tokenizer, "t", items)
    mixed = table.take(np.random.default_rng(0).permutation(len(table)))
    assert all((item_values(mixed)[name] == values).all() for name, values in item_values(table).items())
    assert item_values(table)["acc"].sum() in (2, 3)


def test_chance_is_that_of_guessing():
    assert chance([Item((("a", "b"),) * 2), Item((("a", "b"),) * 4)]) == 0.375
    assert chance([Item((("a", "b"),))]) == 0.0


def test_nothing_to_score_is_refused(model, tokenizer):
    with pytest.raises(ValueError, match="no items to score in arc"):
        score_items(model, tokenizer, "arc", [])
