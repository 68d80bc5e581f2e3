import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from curate.evaluate.logprobs import WORTH_SHARING, Span, caches, score, score_plain, span_of

TOKENS = st.lists(st.integers(0, 49), min_size=1, max_size=24)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(1)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=1, initializer_range=0.5, **shape)).eval()


def assert_same(found, expected) -> None:
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.logprobs, two.logprobs, atol=1e-5)
        assert one.greedy.tolist() == two.greedy.tolist()


def test_every_token_is_scored_as_by_one_softmax_at_a_time(model, exact):
    before, after = [3, 50, 7], [9, 9, 120, 4]
    for scored in (score(model, [span_of(before, after, 48)]), score_plain(model, [span_of(before, after, 48)])):
        np.testing.assert_allclose(scored[0].logprobs, exact(model, before, after), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    shared=st.lists(st.integers(0, 49), max_size=30),
    questions=st.lists(st.tuples(TOKENS, st.lists(TOKENS, min_size=1, max_size=4)), min_size=1, max_size=6),
)
def test_shared_beginnings_give_what_whole_sequences_give(small, shared, questions):
    spans, groups = [], []
    for context, choices in questions:
        groups.append(range(len(spans), len(spans) + len(choices)))
        spans += [span_of([*shared, *context], choice, 2048) for choice in choices]
    assert_same(score(small, spans, groups), score_plain(small, spans))


def test_ends_that_begin_before_what_is_scored_are_shared_too(small):
    """WinoGrande: two beginnings that part in their last word, one end."""
    spans = [span_of([1, 2, 3, option], [7, 8], 2048) for option in (4, 5)]
    assert_same(score(small, spans, [[0, 1]]), score_plain(small, spans))


def test_a_beginning_of_all_groups_is_read_once(small):
    class Counting:
        """Counts the tokens it reads."""

        def __init__(self) -> None:
            self.config, self.device, self.read = small.config, torch.device("cpu"), 0
            self.prepare_inputs_for_generation = small.prepare_inputs_for_generation

        def __call__(self, *tokens, **named):
            self.read += (tokens[0] if tokens else named["input_ids"]).numel()
            return small(*tokens, **named)

    examples = [5] * (WORTH_SHARING + 84)
    spans = [span_of([*examples, question], [choice, 1], 2048) for question in range(10, 14) for choice in (2, 3)]
    shared, plain = Counting(), Counting()
    assert_same(score(shared, spans, [[0, 1], [2, 3], [4, 5], [6, 7]]), score_plain(plain, spans))
    assert shared.read == 100 + 4 + 8  # the examples, a question each, the first token of each choice
    assert plain.read == 8 * 102


def test_what_the_model_cannot_hold_leaves_from_the_left():
    assert span_of([1, 2, 3], [4, 5], 3) == Span((2, 3, 4, 5), 2)  # reads 2, 3, 4; predicts 5 last
    assert span_of([1], [2, 3, 4, 5], 3) == Span((2, 3, 4, 5), 1)


def test_groups_cut_differently_are_still_scored(small):
    spans = [span_of(range(30), [40] * n, 16) for n in (2, 5)]
    assert_same(score(small, spans, [[0, 1]]), score_plain(small, spans))


def test_a_model_with_a_sliding_window_is_read_whole():
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(vocab_size=50, num_key_value_heads=1, sliding_window=4, initializer_range=0.5, **shape)
    windowed = MistralForCausalLM(config).eval()
    assert not caches(windowed)
    spans = [span_of(list(range(12)), [choice, 3], 100) for choice in (1, 2)]
    assert_same(score(windowed, spans, [[0, 1]]), [score_plain(windowed, [span])[0] for span in spans])


def test_no_spans_give_nothing(model):
    assert score(model, []) == []
