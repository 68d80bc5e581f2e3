import numpy as np
import pytest
import torch

from curate.evaluate.generate import Decoding, choose, cut, generate

PROMPTS = ["It rained on 3 days", "The sun", "", "again again again"]


def by_hand(model, tokenizer, prompt: str, steps: int) -> str:
    """One prompt, no cache, the whole sequence anew for each token."""
    tokens, written = tokenizer(prompt)["input_ids"] or [0], []
    for _ in range(steps):
        with torch.no_grad():
            token = int(model(torch.tensor([[*tokens, *written]])).logits[0, -1].argmax())
        if token == tokenizer.eos_token_id:
            break
        written.append(token)
    return tokenizer.decode(written, skip_special_tokens=True)


def test_greedy_batches_write_what_one_prompt_alone_would(model, tokenizer):
    expected = [by_hand(model, tokenizer, prompt, 8) for prompt in PROMPTS]
    assert generate(model, tokenizer, PROMPTS, Decoding(max_new_tokens=8)) == [[text] for text in expected]


def test_a_text_ends_before_the_first_stop_sequence(model, tokenizer):
    whole = by_hand(model, tokenizer, "The sun", 12)
    stop = next(sign for sign in whole[1:] if sign.isascii())  # other bytes are no whole signs yet
    found = generate(model, tokenizer, ["The sun"], Decoding(max_new_tokens=12, stop=(stop, "never said")))
    assert found == [[whole[: whole.index(stop)]]]
    assert len(found[0][0]) < len(whole)


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [("a\nb", ("\n",), "a"), ("ab", ("c", "b"), "a"), ("ab", (), "ab"), ("ab", ("a", "b"), "")],
)
def test_cut_takes_the_earliest_stop(text, stop, expected):
    assert cut(text, stop) == expected


def test_samples_depend_on_the_seed_and_not_on_the_company(model, tokenizer):
    how = Decoding(max_new_tokens=6, temperature=1.0, num_samples=3)
    together = generate(model, tokenizer, PROMPTS, how)
    assert together == generate(model, tokenizer, PROMPTS, how)
    assert generate(model, tokenizer, PROMPTS[:1], how)[0] == together[0]
    assert len(set(together[0])) > 1
    assert (
        generate(model, tokenizer, PROMPTS, Decoding(max_new_tokens=6, temperature=1.0, num_samples=3, seed=1))
        != together
    )


def test_sampling_follows_the_probabilities_of_the_nucleus():
    odds = np.array([0.5, 0.3, 0.15, 0.05])
    uniforms = [np.random.default_rng(n) for n in range(4000)]
    logits = torch.tensor(np.log(odds), dtype=torch.float32).repeat(4000, 1)
    drawn = np.bincount(choose(logits, Decoding(temperature=1.0, top_p=0.75), uniforms), minlength=4) / 4000
    np.testing.assert_allclose(drawn, [0.625, 0.375, 0, 0], atol=0.03)  # 0.5 and 0.3 reach 0.75 together
    drawn = np.bincount(choose(logits, Decoding(temperature=0.5), uniforms), minlength=4) / 4000
    np.testing.assert_allclose(drawn, odds**2 / (odds**2).sum(), atol=0.03)


class Highest:
    """Draws the largest number that a generator of numpy can."""

    def random(self) -> float:
        return 1 - 2**-53


@pytest.mark.parametrize(("top_p", "last"), [(0.75, 1), (1.0, 2)])
def test_the_highest_draw_takes_the_last_token_of_the_nucleus(top_p, last):
    logits = torch.tensor([[0.5, 0.3, 0.2, 0.0]]).log()
    assert choose(logits, Decoding(temperature=1.0, top_p=top_p), [Highest()]) == [last]


def test_a_tiny_nucleus_is_greedy(model, tokenizer):
    sure = Decoding(max_new_tokens=6, temperature=1.0, top_p=1e-6)
    assert generate(model, tokenizer, PROMPTS, sure) == generate(model, tokenizer, PROMPTS, Decoding(max_new_tokens=6))


def test_a_long_prompt_loses_its_beginning_and_no_room_is_refused(model, tokenizer):
    (found,) = generate(model, tokenizer, ["1 2 3 " * 40], Decoding(max_new_tokens=8))
    assert isinstance(found[0], str)
    with pytest.raises(ValueError, match="no room for 48 new ones"):
        generate(model, tokenizer, ["a"], Decoding(max_new_tokens=48))
