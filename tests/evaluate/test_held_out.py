import json
import math

import numpy as np
import pytest

from curate.evaluate.estimate import mean, ratio
from curate.evaluate.held_out import HeldOut, bits_per_byte, named_path, read_texts, windows
from curate.tokenizer.bpe import load_tokenizer


def test_a_uniform_model_needs_log2_of_its_vocabulary_for_each_token(tokenizer, uniform):
    texts = ["11112222", "3" * 100]  # every digit is a token and a byte, so bits per token are bits per byte
    found = bits_per_byte(uniform(256), tokenizer, texts)
    assert found.value == pytest.approx(8.0)
    assert found.stderr == pytest.approx(0.0, abs=1e-6)


def test_bits_per_byte_of_short_texts_equals_the_exact_sum(model, tokenizer, exact):
    texts = ["It rained on 3 days.", "The sun, é", "again"]
    nats = -sum(sum(exact(model, [0], tokenizer(text)["input_ids"])) for text in texts)
    expected = nats / math.log(2) / sum(len(text.encode()) for text in texts)
    assert bits_per_byte(model, tokenizer, texts).value == pytest.approx(expected, rel=1e-5)


def test_a_long_text_is_scored_in_windows_each_token_once(model, tokenizer, exact):
    text = " ".join(f"It rained on {n} days." for n in range(20))
    tokens = [0, *tokenizer(text)["input_ids"]]
    assert len(tokens) > 100
    nats = 0.0
    for first, scored, last in windows(len(tokens), 49):  # the model reads 48 and predicts one more
        nats -= sum(exact(model, tokens[first:scored], tokens[scored:last]))
    expected = nats / math.log(2) / len(text.encode())
    assert bits_per_byte(model, tokenizer, [text]).value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 12, 13, 100])
def test_windows_score_each_token_once_with_half_a_window_before_it(length):
    found = list(windows(length, 8))
    assert [place for _, scored, last in found for place in range(scored, last)] == list(range(1, length))
    assert all(last - first <= 8 and (scored == 1 or scored - first >= 4) for first, scored, last in found)


def test_a_smaller_window_gives_less_context_not_fewer_tokens(tokenizer, uniform):
    text = " ".join(f"It rained on {n} days." for n in range(20))
    whole, halves = (bits_per_byte(uniform(300, 2048), tokenizer, [text], window=w).value for w in (2048, 16))
    assert whole == pytest.approx(halves)


def test_domains_are_tokenized_once_and_measured_again_and_again(model, tokenizer, tmp_path):
    (tmp_path / "rain.jsonl").write_text("".join(json.dumps({"text": f"rain {n}"}) + "\n" for n in range(9)))
    held = HeldOut.read({"rain": tmp_path / "rain.jsonl"}, tokenizer, window=48, limit=4)
    assert len(held.domains["rain"]) == 4
    expected = bits_per_byte(model, tokenizer, [f"rain {n}" for n in range(4)])
    assert held(model)["rain"].value == pytest.approx(expected.value)
    assert held.at_step(model, 100) == {"bits_per_byte rain": pytest.approx(expected.value)}


def test_the_trainers_own_model_and_tokenizer_will_do(tokenizer):
    from curate.train.model import Llama, Size, model_config

    small = Size(hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, ffn_size=24)
    llama = Llama(model_config(small, vocab_size=300, max_seq_len=32), seed=0).eval()
    raw = load_tokenizer(tokenizer.name_or_path)
    texts = {"rain": ["It rained on 3 days.", "again " * 60]}
    ours, theirs = (HeldOut.of(texts, one, window=32)(llama)["rain"].value for one in (raw, tokenizer))
    assert ours == pytest.approx(theirs)
    assert ours > 0


def test_texts_are_read_until_the_limit(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": ""}\n{"text": "two"}\n{"text": "three"}\n')
    assert list(read_texts(tmp_path / "a.jsonl", 2)) == ["one", "two"]
    assert named_path("edu=heldout/edu") == ("edu", "heldout/edu")
    assert named_path("heldout/edu/") == ("edu", "heldout/edu/")


def test_empty_domains_are_named(tokenizer):
    with pytest.raises(ValueError, match="bits per byte on in code"):
        HeldOut.of({"edu": ["a"], "code": [""]}, tokenizer, window=8)


def test_a_mean_has_the_standard_error_of_a_sample():
    found = mean([1.0, 1.0, 0.0, 1.0])
    assert found.value == 0.75
    assert found.stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3))  # p (1 - p) n / (n - 1), over n
    assert math.isnan(mean([1.0]).stderr)


def test_a_ratio_of_equal_weights_is_a_mean():
    above = np.array([1.0, 3.0, 2.0, 6.0])
    found, expected = ratio(above, np.full(4, 2.0)), mean(above / 2)
    assert (found.value, found.stderr) == (pytest.approx(expected.value), pytest.approx(expected.stderr))
