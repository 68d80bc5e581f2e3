import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from curate.train.loss import IGNORED, linear_cross_entropy

TARGETS = torch.tensor([3, 0, IGNORED, 10, 10, 7, 1])


def leaves() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden, table = torch.randn(7, 5, generator=generator), torch.randn(11, 5, generator=generator)
    return hidden.requires_grad_(), table.requires_grad_()


def plain(hidden, table, targets, z_loss):
    """What is meant, with all logits at once."""
    logits = F.linear(hidden, table)
    z = logits.logsumexp(-1)[targets != IGNORED].square().sum()
    return F.cross_entropy(logits, targets, reduction="sum"), z


@pytest.mark.parametrize("z_loss", [0.0, 0.3])
@pytest.mark.parametrize("rows", [1, 3, None])
def test_sums_and_gradients_are_those_of_plain_cross_entropy(z_loss, rows):
    ours, theirs = leaves(), leaves()
    nll, z = linear_cross_entropy(*ours, TARGETS, z_loss, scale=0.25, rows=rows)
    expected_nll, expected_z = plain(*theirs, TARGETS, z_loss)
    torch.testing.assert_close(nll, expected_nll / 4)
    torch.testing.assert_close(z, expected_z / 4)
    (2 * nll).backward()
    ((expected_nll + z_loss * expected_z) / 2).backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-5)


def test_a_loss_in_float32_from_bfloat16_products():
    hidden, table = leaves()
    with torch.autocast("cpu", torch.bfloat16):
        nll, _ = linear_cross_entropy(hidden, table, TARGETS)
        nll.backward()
    exact, _ = plain(*leaves(), TARGETS, 0.0)
    assert nll.dtype == torch.float32
    assert nll.item() == pytest.approx(exact.item(), rel=0.02)
    assert hidden.grad.dtype == table.grad.dtype == torch.float32


def test_without_gradients_nothing_is_kept():
    with torch.no_grad():
        nll, _ = linear_cross_entropy(*leaves(), TARGETS)
    assert not nll.requires_grad


def test_a_look_without_gradients_costs_the_forward_products_alone():
    hidden, table = leaves()
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        nll, _ = linear_cross_entropy(hidden, table, TARGETS)
    assert counted.get_total_flops() == 2 * hidden.numel() * len(table)
    assert nll == linear_cross_entropy(hidden, table, TARGETS)[0]
