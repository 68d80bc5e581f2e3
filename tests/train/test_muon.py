import pytest
import torch
from torch import nn

from curate.train.model import Llama, ModelConfig
from curate.train.muon import COEFFICIENTS, ITERATIONS, Orthogonalised, orthogonalise
from curate.train.optim import Muon, settings_of

CONFIG = ModelConfig(vocab_size=32, hidden_size=16, num_layers=2, num_heads=2, num_kv_heads=1, ffn_size=24)


def matrices(rows: int, columns: int, number: int = 3) -> torch.Tensor:
    return torch.randn(number, rows, columns, generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (1, 5)])
def test_the_products_apply_the_polynomial_to_exact_singular_values(shape):
    """The slow way: take the singular values out with an SVD in float64, iterate on each number, put them back."""
    a, b, c = COEFFICIENTS
    given = matrices(*shape).double()
    u, s, vt = torch.linalg.svd(given, full_matrices=False)
    s = s / given.norm(dim=(1, 2))[:, None]
    for _ in range(ITERATIONS):
        s = a * s + b * s**3 + c * s**5
    expected = (u * s[:, None, :]) @ vt
    torch.testing.assert_close(orthogonalise(given.float()), expected.float(), atol=1e-4, rtol=1e-4)


def test_the_result_is_near_the_nearest_orthogonal_matrix():
    given = matrices(12, 30)
    u, _, vt = torch.linalg.svd(given, full_matrices=False)
    found = orthogonalise(given)
    assert ((torch.linalg.svdvals(found) > 0.6) & (torch.linalg.svdvals(found) < 1.3)).all()
    cosine = (found * (u @ vt)).sum(dim=(1, 2)) / found.norm(dim=(1, 2)) / (u @ vt).norm(dim=(1, 2))
    assert (cosine > 0.98).all()


def test_steps_are_those_of_torchs_muon():
    starts = [*matrices(8, 12), *matrices(12, 8), *matrices(8, 8)]
    ours, theirs = ([nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    mine = Orthogonalised(ours, lr=0.01, momentum=0.95, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=0.01, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        for parameter, twin in zip(ours, theirs, strict=True):
            parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(step))
            twin.grad = parameter.grad.clone()
        mine.step()
        other.step()
    for parameter, twin, start in zip(ours, theirs, starts, strict=True):
        moved = (twin - start).norm()
        assert (parameter - twin).norm() < 0.03 * moved  # theirs computes in bfloat16


def test_matrices_inside_go_to_muon_and_embeddings_and_norms_to_adamw():
    model = Llama(CONFIG)
    muon, adamw = Muon().optimizers(model)
    names = {parameter: name for name, parameter in model.named_parameters()}
    inside = [names[parameter] for group in muon.param_groups for parameter in group["params"]]
    rest = {group["weight_decay"]: [names[p] for p in group["params"]] for group in adamw.param_groups}
    assert len(inside) == 2 * 7
    assert all(name.endswith("proj.weight") for name in inside)
    assert rest[Muon().weight_decay] == ["embed_tokens.weight"]
    assert all("norm" in name for name in rest[0.0])
    assert sorted([*inside, *rest[0.0], *rest[Muon().weight_decay]]) == sorted(names.values())


def test_a_step_has_the_size_of_an_adamw_step():
    weight = nn.Parameter(torch.zeros(64, 256))
    weight.grad = matrices(64, 256, 1)[0]
    Orthogonalised([weight], lr=1.0, momentum=0.0, weight_decay=0.0).step()
    assert 0.15 < weight.detach().square().mean().sqrt() < 0.25  # RMS 0.2, as Moonlight measured of AdamW


def test_settings_come_back_from_a_checkpoint():
    assert settings_of({**vars(Muon(lr=0.5)), "betas": [0.9, 0.95]}) == Muon(lr=0.5)
