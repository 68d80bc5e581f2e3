import pytest
import torch

from curate.train.generate import draw, generate
from curate.train.loop import pretrain

from .conftest import TINY


@pytest.fixture(scope="module")
def model(token_folders, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = {"threads": 1, "device": "cpu", "quiet": True}
    run = pretrain(token_folders["stories"], out, model=TINY, steps=5, seq_len=64, batch_tokens=128, **settings)
    return str(run.model)


def write(model: str, prompt: str = "The birds", **options) -> str:
    return "".join(generate(model, prompt, device="cpu", **options))


def test_the_same_seed_writes_the_same_and_another_something_else(model):
    texts = {seed: write(model, max_new_tokens=12, seed=seed) for seed in range(4)}
    assert write(model, max_new_tokens=12, seed=1) == texts[1]
    assert len(set(texts.values())) > 1


def test_without_temperature_it_is_what_transformers_writes_greedily(model):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    prompt = torch.tensor([[0, *tokenizer("The birds")["input_ids"]]])
    ids = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
    expected = tokenizer.decode(ids[0, prompt.shape[1] :], skip_special_tokens=True)
    assert write(model, max_new_tokens=12, temperature=0) == expected
    assert write(model, max_new_tokens=12, temperature=0, seed=9) == expected


def test_it_never_writes_beyond_the_context(model):
    assert write(model, max_new_tokens=10_000, temperature=1.5)
    with pytest.raises(ValueError, match="the model's context is 64"):
        write(model, "1 2 3 4 5 6 7 8 9 " * 20)


def test_a_chat_prompt_goes_through_the_template(model):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    said = "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    prompt = tokenizer(said, return_tensors="pt", return_token_type_ids=False)
    ids = theirs.generate(**prompt, max_new_tokens=2, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert write(model, "2+2?", chat=True, max_new_tokens=2, temperature=0) == tokenizer.decode(ids)


def test_draws_follow_temperature_and_nucleus():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    generator = torch.Generator().manual_seed(0)
    drawn = lambda **how: torch.stack([draw(probabilities.log(), generator=generator, **how) for _ in range(4000)])  # noqa: E731
    plain = torch.bincount(drawn(temperature=1.0, top_p=1.0), minlength=4) / 4000
    torch.testing.assert_close(plain, probabilities, atol=0.03, rtol=0)
    nucleus = torch.bincount(drawn(temperature=1.0, top_p=0.6), minlength=4) / 4000
    torch.testing.assert_close(nucleus, torch.tensor([0.625, 0.375, 0, 0]), atol=0.03, rtol=0)
    sharper = torch.bincount(drawn(temperature=0.5, top_p=1.0), minlength=4) / 4000
    squared = probabilities**2 / (probabilities**2).sum()
    torch.testing.assert_close(sharper, squared, atol=0.03, rtol=0)
    assert set(drawn(temperature=0.0, top_p=0.1).tolist()) == {0}
    assert set(drawn(temperature=1.0, top_p=1e-6).tolist()) == {0}, "the likeliest one is always in"


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_settings_out_of_range_are_named(model, wrong):
    with pytest.raises(ValueError, match="must be 0 or more"):
        write(model, **wrong)
