"""A tokenizer, a small model of transformers with weights far from even, and one that finds all tokens even."""

import pyarrow as pa
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from curate.corpus import write_corpus
from curate.tokenizer.bpe import train_tokenizer

TEXTS = [f"It rained on {n} days, and on {n} days the sun came out again." for n in range(20)]


class Uniform:
    """A model that finds every token equally likely."""

    def __init__(self, vocab_size: int, max_position_embeddings: int = 32) -> None:
        self.vocab_size, self.device = vocab_size, torch.device("cpu")
        self.config = LlamaConfig(max_position_embeddings=max_position_embeddings, vocab_size=vocab_size)

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*tokens.shape, self.vocab_size)


@pytest.fixture(scope="session")
def uniform():
    return Uniform


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    batch = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(20)], "text": TEXTS})
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), [batch])
    return AutoTokenizer.from_pretrained(train_tokenizer(corpus, tmp_path_factory.mktemp("t"), vocab_size=300))


@pytest.fixture(scope="session")
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
        bos_token_id=0,
        eos_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def exact_logprobs(model, before: list[int], after: list[int]) -> list[float]:
    """One sequence, one full softmax in float64, one token at a time."""
    found = []
    with torch.no_grad():
        for place, token in enumerate(after):
            logits = model(torch.tensor([[*before, *after[:place]]])).logits[0, -1]
            found.append(float(torch.log_softmax(logits.double(), -1)[token]))
    return found


@pytest.fixture(scope="session")
def exact():
    return exact_logprobs
