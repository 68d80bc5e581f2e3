import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from curate.tokenizer.tokens import Tokens
from curate.train.held_out import HeldOut, token_bytes
from curate.train.log import EVALUATIONS, read_log
from curate.train.loop import pretrain
from curate.train.model import Llama, model_config

from .conftest import TINY, write_tokens


def test_the_bytes_of_tokens_are_the_bytes_of_the_text(token_folders):
    for path in token_folders.values():
        tokens = Tokens(path)
        sizes = token_bytes(str(tokens.tokenizer))
        assert sizes[tokens.read(0, tokens.num_tokens)].sum() == tokens.num_bytes


def test_bits_per_byte_are_those_of_window_after_window(token_folders):
    tokens = Tokens(token_folders["sums"])
    model = Llama(model_config(TINY, tokens.vocab_size, 32), seed=2)
    sizes = token_bytes(str(tokens.tokenizer))
    nats, num_bytes = 0.0, 0
    for start in range(0, tokens.num_tokens - 32, 32):
        window = torch.tensor(tokens.read(start, start + 33).astype("int64"))
        lost = F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="none")
        nats += lost[window[1:] != tokens.end_of_text].sum().item()
        num_bytes += int(sizes[window[1:].numpy()].sum())
    found = HeldOut({"sums": token_folders["sums"]}, max_tokens=10**9)(model, 0)
    assert found == {"sums": pytest.approx(nats / math.log(2) / num_bytes, rel=1e-5)}


def test_a_part_is_spread_over_the_corpus(token_folders):
    tokens = Tokens(token_folders["stories"])
    model = Llama(model_config(TINY, tokens.vocab_size, 32), seed=2)
    whole, part = (HeldOut({"x": token_folders["stories"]}, max_tokens=n)(model, 0)["x"] for n in (10**9, 500))
    assert part == pytest.approx(whole, rel=0.05)
    assert part != whole


def test_a_run_looks_at_held_out_text_on_its_way(token_folders, tmp_path):
    look = HeldOut({"sums": token_folders["sums"]}, max_tokens=2_000)
    settings = {"model": TINY, "seq_len": 16, "batch_tokens": 64, "threads": 1, "device": "cpu", "quiet": True}
    pretrain(token_folders["sums"], tmp_path, steps=25, evaluate=look, evaluate_every=10, **settings)
    found = read_log(tmp_path, EVALUATIONS)
    assert [(line["step"], line["tokens"]) for line in found] == [(10, 640), (20, 1280), (25, 1600)]
    assert found[-1]["sums"] < found[0]["sums"]


def test_held_out_tokens_of_another_tokenizer_are_refused(token_folders, tmp_path):
    write_tokens(tmp_path, "other", ["Quite another text, of other words.\n"] * 9)
    with pytest.raises(ValueError, match="has another tokenizer"):
        pretrain(token_folders["stories"], tmp_path / "run", model=TINY, steps=1, seq_len=16, batch_tokens=64,
                 evaluate=HeldOut({"other": str(tmp_path / "other")}), quiet=True)  # fmt: skip
