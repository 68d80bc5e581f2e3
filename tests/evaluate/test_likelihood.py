import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from curate.corpus import write_corpus
from curate.evaluate.likelihood import (
    Item,
    bits_per_byte,
    encode_pair,
    score_items,
    score_pairs,
    start_token,
    windows,
)
from curate.tokenizer.bpe import train_tokenizer

TEXTS = [f"It rained on {n} days, and on {n} days the sun came out again." for n in range(20)]


class Uniform:
    """A model that finds every token equally likely."""

    def __init__(self, vocab_size: int, max_position_embeddings: int = 32) -> None:
        self.vocab_size, self.device = vocab_size, torch.device("cpu")
        self.config = LlamaConfig(max_position_embeddings=max_position_embeddings)

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*tokens.shape, self.vocab_size)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import AutoTokenizer

    batch = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(20)], "text": TEXTS})
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), [batch])
    return AutoTokenizer.from_pretrained(train_tokenizer(corpus, tmp_path_factory.mktemp("t"), vocab_size=300))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=48,
        initializer_range=0.5,
    )
    return LlamaForCausalLM(config).eval()


def exact_logprob(model, before: list[int], after: list[int]) -> float:
    """One sequence, one full softmax, one token at a time."""
    total = 0.0
    with torch.no_grad():
        for place, token in enumerate(after):
            logits = model(torch.tensor([[*before, *after[:place]]])).logits[0, -1]
            total += float(torch.log_softmax(logits.double(), -1)[token])
    return total


def test_a_uniform_model_needs_log2_of_its_vocabulary_for_each_token(tokenizer):
    texts = ["11112222", "3" * 100]  # every digit is a token and a byte, so bits per token are bits per byte
    found = bits_per_byte(Uniform(256), tokenizer, texts)
    assert found.value == pytest.approx(8.0)
    assert found.stderr == pytest.approx(0.0, abs=1e-6)


def test_bits_per_byte_of_short_texts_equals_the_exact_sum(model, tokenizer):
    texts = ["It rained on 3 days.", "The sun, é", "again"]
    nats = -sum(exact_logprob(model, [0], tokenizer(text)["input_ids"]) for text in texts)
    expected = nats / math.log(2) / sum(len(text.encode()) for text in texts)
    assert bits_per_byte(model, tokenizer, texts).value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 12, 13, 100])
def test_windows_score_each_token_once_with_half_a_window_before_it(length):
    found = list(windows(length, 8))
    assert [place for _, scored, last in found for place in range(scored, last)] == list(range(1, length))
    assert all(last - first <= 8 and (scored == 1 or scored - first >= 4) for first, scored, last in found)


def test_a_smaller_window_gives_less_context_not_fewer_tokens(tokenizer):
    text = " ".join(TEXTS)
    whole, halves = (bits_per_byte(Uniform(300, 2048), tokenizer, [text], window=w).value for w in (2048, 16))
    assert whole == pytest.approx(halves)


def test_pairs_are_scored_like_one_by_one(model, tokenizer):
    pairs = [("It rained", " on 3 days"), ("The sun", " came"), ("", "It"), ("It rained on 12 ", "days"), ("a\n", " b")]
    for pair, scored in zip(pairs, score_pairs(model, tokenizer, pairs), strict=True):
        before, after = encode_pair(tokenizer, *pair)
        assert scored.logprob == pytest.approx(exact_logprob(model, before, after), rel=1e-4)
        assert (scored.num_tokens, scored.num_bytes) == (len(after), len(pair[1].strip().encode()))


def test_a_context_beyond_the_model_loses_its_beginning(model, tokenizer):
    before, after = encode_pair(tokenizer, "1 2 3 " * 40, "4 5")
    expected = exact_logprob(model, before[-(48 - len(after)) :], after)
    assert score_pairs(model, tokenizer, [("1 2 3 " * 40, "4 5")])[0].logprob == pytest.approx(expected, rel=1e-4)


def test_context_and_continuation_together_are_all_tokens(tokenizer):
    before, after = encode_pair(tokenizer, "It rained on ", "3 days")
    assert tokenizer.decode(before) + tokenizer.decode(after) == "It rained on 3 days"
    assert tokenizer.decode(after) == " 3 days"
    assert encode_pair(tokenizer, "", "x")[0] == [start_token(tokenizer)]
    with pytest.raises(ValueError, match="continuation is empty"):
        encode_pair(tokenizer, "It", " ")


def test_a_uniform_model_prefers_the_shortest_choice_unless_normalised(tokenizer):
    items = [Item((("1", "22"), ("1", "2"), ("1", "222")), gold=1)]
    row = score_items(Uniform(100), tokenizer, items)
    assert row["accuracy"].value == 1.0
    odds = np.array([100.0**-2, 100.0**-1, 100.0**-3])
    assert row["gold_probability"].value == pytest.approx(odds[1] / odds.sum())
    assert row["gold_bits_per_byte"].value == pytest.approx(math.log2(100))


def test_accuracy_has_the_standard_error_of_a_mean(tokenizer):
    right, wrong = (Item((("1", "2"), ("1", "333")), gold) for gold in (0, 1))
    accuracy = score_items(Uniform(100), tokenizer, [right, wrong, right, right])["accuracy"]
    assert accuracy.value == 0.75
    assert accuracy.stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3))  # sample variance p(1-p)n/(n-1), over n


def test_one_pair_is_right_when_said_greedily(model, tokenizer):
    context = tokenizer("It rained")["input_ids"]
    with torch.no_grad():
        likeliest = int(model(torch.tensor([context])).logits[0, -1].argmax())
    scored = score_pairs(model, tokenizer, [("It rained", " on")])[0]
    _, after = encode_pair(tokenizer, "It rained", " on")
    assert scored.greedy == (after[0] == likeliest and len(after) == 1)


def test_nothing_to_measure_is_refused(model, tokenizer):
    with pytest.raises(ValueError, match="no text"):
        bits_per_byte(model, tokenizer, [""])
    with pytest.raises(ValueError, match="no items"):
        score_items(model, tokenizer, [])
