import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import LlamaConfig, LlamaForCausalLM

from curate.train.export import PREFIX, llama_config
from curate.train.model import SIZES, Llama, ModelConfig, model_config

CONFIG = ModelConfig(vocab_size=97, hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, ffn_size=48)


def transformers_twin(model: Llama) -> LlamaForCausalLM:
    theirs = LlamaForCausalLM(LlamaConfig(**llama_config(model.config, 0)))
    state = {PREFIX + name: tensor for name, tensor in model.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])  # tied to the embeddings
    return theirs.eval()


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_logits_loss_and_gradients_equal_transformers(num_kv_heads):
    config = ModelConfig(97, 32, 2, 4, num_kv_heads, 48, rope_theta=500.0)
    ours = Llama(config, seed=3)
    theirs = transformers_twin(ours)
    tokens = torch.randint(0, 97, (3, 41), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-5)
    loss, expected = ours.loss(tokens[:, :-1], tokens[:, 1:]), theirs(tokens, labels=tokens).loss
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0)
    loss.backward()
    expected.backward()
    grads = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, grads[PREFIX + name].grad, atol=1e-5, rtol=1e-4)


def test_a_position_sees_nothing_after_it():
    model = Llama(CONFIG)
    tokens = torch.arange(20)[None]
    changed = tokens.clone()
    changed[0, 12:] = 90
    torch.testing.assert_close(model(tokens)[:, :12], model(changed)[:, :12])


def test_loss_of_an_untrained_model_is_about_that_of_guessing():
    tokens = torch.randint(0, 97, (4, 65), generator=torch.Generator().manual_seed(0))
    loss = Llama(CONFIG).loss(tokens[:, :-1], tokens[:, 1:])
    uniform = F.cross_entropy(torch.zeros(1, 97), torch.zeros(1, dtype=torch.int64))
    assert uniform - 0.1 < loss < uniform + 1.0


@pytest.mark.parametrize(
    ("size", "vocab_size", "parameters"),
    [
        ("1m", 4_096, 1_115_264),  # 4096*128 + 4*(2*128*128 + 2*128*64 + 3*128*256 + 2*128) + 128
        ("135m", 49_152, 134_515_008),  # SmolLM-135M, -360M and -1.7B as published
        ("360m", 49_152, 361_821_120),
        ("1.7b", 49_152, 1_711_376_384),
        # phi-1-small: 51200*1024 + 20*(4*1024*1024 + 3*1024*2752 + 2*1024) + 1024
        ("phi-1-small", 51_200, 305_439_744),
    ],
)
def test_sizes_have_the_published_number_of_parameters(size, vocab_size, parameters):
    with torch.device("meta"):
        assert Llama(model_config(size, vocab_size)).num_parameters == parameters


def test_the_same_seed_gives_the_same_weights():
    one, two, other = Llama(CONFIG, seed=1), Llama(CONFIG, seed=1), Llama(CONFIG, seed=2)
    assert torch.equal(one.embed_tokens.weight, two.embed_tokens.weight)
    assert not torch.equal(one.embed_tokens.weight, other.embed_tokens.weight)


def test_an_unknown_size_and_a_shape_that_does_not_divide_are_refused():
    with pytest.raises(ValueError, match=f"there are {', '.join(SIZES)}"):
        model_config("2m", 100)
    with pytest.raises(ValueError, match="must divide"):
        ModelConfig(97, 30, 2, 4, 2, 48)


def test_a_sequence_beyond_the_context_is_refused():
    with pytest.raises(ValueError, match="at most 2048"):
        Llama(CONFIG)(torch.zeros(1, 2049, dtype=torch.int64))
