import pytest

from curate.scaling.exact import best_shape
from curate.scaling.family import num_parameters, shape
from curate.scaling.law import Law
from curate.scaling.rate import LADDER_BATCH, peak_rate, warmup_steps
from curate.train.flops import flops_per_token
from curate.train.model import SIZES, Llama, model_config


@pytest.mark.parametrize("model", ["1m", "0.1m", "0.45m", "3m"])
def test_parameters_are_those_of_the_model(model: str) -> None:
    size = shape(model, 1024)
    llama = Llama(model_config(size, 1024, 64))
    assert num_parameters(size, 1024) == llama.num_parameters
    assert num_parameters(size, 1024, embeddings=False) == llama.num_parameters - llama.embed_tokens.weight.numel()


def test_named_sizes_are_those_of_pretrain_and_others_lie_near_what_was_asked() -> None:
    assert shape("135m", 49_152) == SIZES["135m"]
    for millions in (0.1, 0.2, 0.4, 0.8, 2, 8, 100, 700):
        size = shape(f"{millions}m", 1024)
        assert num_parameters(size, 1024) == pytest.approx(1e6 * millions, rel=0.25)
        assert 16 <= size.hidden_size / size.num_layers <= 64


def test_a_vocabulary_that_fills_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no model of 0.1m parameters with a vocabulary of 49,152: the nearest has"):
        shape("0.1m", 49_152)


def test_the_rate_is_half_the_ladders_at_its_batch_and_falls_with_size_and_smaller_batches() -> None:
    assert peak_rate(108e6, LADDER_BATCH) == pytest.approx(0.00235)
    assert peak_rate(108e6, LADDER_BATCH // 4) == pytest.approx(0.00235 / 2)
    # OLMo's at 4 M parameters: 0.0047 (4 / 108)^(-1/3) = 0.0141 for batches of 36,406 tokens
    assert peak_rate(4e6, 36_406) == pytest.approx(0.0141 / 2, rel=0.01)
    assert warmup_steps(1e6, 8192) == 122


def test_the_best_shape_spends_its_budget_and_no_other_is_better() -> None:
    law = Law(E=1.8, A=400.0, B=2000.0, alpha=0.34, beta=0.36)
    best = best_shape(law, 1e17, vocab_size=4096, seq_len=512)
    per_token = flops_per_token(model_config(best.size, 4096), 512)
    assert best.num_tokens * per_token == pytest.approx(1e17)
    assert best.loss > law.optimum(1e17).loss  # attention is paid for as well
    for model in ("2m", "5m", "10m", "20m", "40m"):
        size = shape(model, 4096)
        tokens = 1e17 / flops_per_token(model_config(size, 4096), 512)
        assert law(num_parameters(size, 4096), tokens) >= best.loss
