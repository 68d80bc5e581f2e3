import pytest
import torch

from curate.train.attention import by_blocks, by_document, document_numbers, span_lengths
from curate.train.model import Llama, ModelConfig, rotate

END = 0
CONFIG = ModelConfig(vocab_size=31, hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2, ffn_size=48)
DOCUMENTS = [[5, 6, 7, 8, 9], [3], [11, 12, 13, 14, 15, 16, 17, 18], [20, 21]]


def packed() -> torch.Tensor:
    """The documents end to end, each closed by the end mark that opens the next."""
    return torch.tensor([[END, *(token for document in DOCUMENTS for token in (*document, END))]])


def gradients(model: Llama) -> dict[str, torch.Tensor]:
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_an_end_mark_belongs_to_the_document_that_it_opens():
    assert document_numbers(torch.tensor([[5, END, 6, 7, END, END, 8]]), END).tolist() == [[0, 1, 1, 1, 2, 3, 3]]


def test_spans_end_with_documents_and_with_rows():
    assert span_lengths(torch.tensor([[0, 0, 1], [1, 1, 1], [0, 2, 2]])) == [2, 1, 3, 1, 2]


def test_packed_documents_have_the_loss_and_gradients_of_documents_alone():
    together, alone, mixed = (Llama(CONFIG, seed=1) for _ in range(3))
    row = packed()
    inputs, targets = row[:, :-1], row[:, 1:]
    loss = together.loss(inputs, targets, document_numbers(inputs, END))
    loss.backward()
    nats = torch.zeros(())
    for document in DOCUMENTS:
        unpacked = torch.tensor([[END, *document, END]])
        nats = nats + alone.loss(unpacked[:, :-1], unpacked[:, 1:]) * (unpacked.shape[1] - 1)
    (nats / targets.numel()).backward()
    torch.testing.assert_close(loss, nats / targets.numel(), atol=1e-6, rtol=0)
    for name, gradient in gradients(alone).items():
        torch.testing.assert_close(gradients(together)[name], gradient, atol=1e-6, rtol=1e-4)
    mixed.loss(inputs, targets).backward()  # without the mask it is another gradient
    assert not torch.allclose(gradients(mixed)["norm.weight"], gradients(alone)["norm.weight"], atol=1e-4)


def test_a_token_sees_its_own_document_only():
    model = Llama(CONFIG)
    one, other = torch.tensor([[4, 5, END, 6, 7, 8]]), torch.tensor([[9, 3, END, 6, 7, 8]])
    logits, changed = (model(tokens, document_numbers(tokens, END)) for tokens in (one, other))
    torch.testing.assert_close(logits[:, 2:], changed[:, 2:])
    assert not torch.allclose(model(one)[:, 2:], model(other)[:, 2:], atol=1e-3)


@pytest.mark.parametrize("heads", [(4, 2), (3, 3)])
def test_one_call_a_document_is_attention_under_a_mask(heads):
    generator = torch.Generator().manual_seed(0)
    documents = torch.sort(torch.randint(0, 4, (3, 20), generator=generator)).values
    q, k, v = (torch.randn(3, 20, n, 8, generator=generator) for n in (heads[0], heads[1], heads[1]))
    seen = (documents[:, :, None] == documents[:, None, :]).tril()
    group = heads[0] // heads[1]
    scores = torch.einsum("bihd,bjhd->bhij", q, k.repeat_interleave(group, 2)) / 8**0.5
    weights = scores.masked_fill(~seen[:, None], float("-inf")).softmax(-1)
    expected = torch.einsum("bhij,bjhd->bihd", weights, v.repeat_interleave(group, 2))
    torch.testing.assert_close(by_document(documents)(q, k, v), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_kernel_for_gpus_draws_the_same_mask():
    generator = torch.Generator().manual_seed(0)
    documents = torch.sort(torch.randint(0, 5, (2, 128), generator=generator)).values
    q, k, v = (torch.randn(2, 128, n, 16, generator=generator) for n in (4, 2, 2))
    expected = by_document(documents)(q, k, v)
    torch.testing.assert_close(by_blocks(documents)(q, k, v), expected, atol=1e-5, rtol=1e-4)


def test_a_compiled_layer_takes_the_mask_into_its_own_graph():
    """Nothing is compiled or cached within what is being compiled, of which Dynamo would warn."""
    generator = torch.Generator().manual_seed(0)
    documents = torch.sort(torch.randint(0, 5, (2, 128), generator=generator)).values
    q, k, v = (torch.randn(2, 128, n, 16, generator=generator) for n in (4, 2, 2))
    layer = torch.compile(by_blocks(documents), backend="eager", fullgraph=True)
    torch.testing.assert_close(layer(q, k, v), by_document(documents)(q, k, v), atol=1e-5, rtol=1e-4)


def test_positions_need_not_restart_because_only_distances_count():
    angle = torch.outer(torch.arange(40.0), torch.tensor([1.0, 0.1, 0.01, 0.001]))[:, None]
    cos, sin = angle.cos(), angle.sin()
    q, k = torch.randn(2, 1, 10, 1, 8, generator=torch.Generator().manual_seed(0))
    from_zero = rotate(q, cos[:10], sin[:10])[0, :, 0] @ rotate(k, cos[:10], sin[:10])[0, :, 0].T
    from_thirty = rotate(q, cos[30:], sin[30:])[0, :, 0] @ rotate(k, cos[30:], sin[30:])[0, :, 0].T
    torch.testing.assert_close(from_zero, from_thirty, atol=1e-4, rtol=1e-4)
