import torch

from curate.train.model import Llama, ModelConfig
from curate.train.optim import AdamW

CONFIG = ModelConfig(vocab_size=32, hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, ffn_size=24)


def test_only_matrices_are_decayed():
    model = Llama(CONFIG)
    optimizer = AdamW(lr=0.5, weight_decay=0.1).optimizers(model)[0]
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        kept = 1 - 0.5 * 0.1 if parameter.ndim == 2 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * kept)


def test_every_parameter_is_trained_once():
    model = Llama(CONFIG)
    groups = AdamW().optimizers(model)[0].param_groups
    assert sum(p.numel() for group in groups for p in group["params"]) == model.num_parameters
