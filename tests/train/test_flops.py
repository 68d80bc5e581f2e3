import pytest
import torch

from curate.train.flops import flops_per_token, peak_flops
from curate.train.model import Llama, model_config


@pytest.mark.parametrize("size", ["1m", "135m", "phi-1"])
def test_operations_are_six_a_parameter_and_attention_over_the_row(size):
    config = model_config(size, 49_152, 2048)
    with torch.device("meta"):
        parameters = Llama(config).num_parameters
    attention = 12 * config.num_layers * config.num_heads * config.head_dim * 2048  # PaLM, appendix B: 12 L H Q T
    assert flops_per_token(config, 2048) == 6 * parameters + attention


def test_smollm_135m_at_its_published_context():
    # 6 * 134,515,008 + 12 * 30 * 576 * 2048
    assert flops_per_token(model_config("135m", 49_152), 2048) == 807_090_048 + 424_673_280


def test_a_cpu_is_held_against_what_a_product_reaches():
    peak = peak_flops(torch.device("cpu"), torch.float32)
    assert 1e8 < peak < 1e14
    assert peak_flops(torch.device("cpu"), torch.float32) == peak  # measured once
