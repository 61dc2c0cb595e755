"""Packed self-attention is PyTorch's own attention, in value and gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.encoders import attention
from core.encoders.attention import PackedSelfAttention, pack


def attend(module: nn.Module, x: Tensor, mask: Tensor | None = None) -> list[Tensor]:
    """Output and the gradients of input and parameters."""
    y = module(x, x, x, need_weights=False, attn_mask=mask)[0]
    return [y.detach(), *torch.autograd.grad((y**2).sum(), [x, *module.parameters()])]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("fused", [True, False])
def test_packed_attention_is_pytorchs_own(
    batch_first: bool, masked: bool, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fused:
        monkeypatch.setattr(attention, "SHORT", 0)
    torch.manual_seed(0)
    own = nn.MultiheadAttention(32, 4, batch_first=batch_first, dtype=torch.float64)
    x = torch.randn(3, 5, 32, dtype=torch.float64, requires_grad=True)
    tokens = 5 if batch_first else 3
    mask = torch.full((tokens, tokens), -1e9, dtype=torch.float64).triu(1) if masked else None
    expected = attend(own, x, mask)
    pack(own)
    assert type(own) is PackedSelfAttention
    torch.testing.assert_close(attend(own, x, mask), expected, rtol=1e-12, atol=1e-12)


def test_in_bfloat16_it_is_as_near_to_float32_as_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(64, 4, batch_first=True)
    pack(module)
    x = torch.randn(8, 50, 64, requires_grad=True)
    exact = attend(module, x)
    errors = []
    for longest in (attention.MEDIUM, 0):
        monkeypatch.setattr(attention, "MEDIUM", longest)
        with torch.autocast("cpu", torch.bfloat16):
            found = attend(module, x)
        errors.append([float((a.float() - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True)])
    assert all(error < 0.03 and error < 1.5 * fused for error, fused in zip(*errors, strict=True)), errors


def test_cross_attention_is_left_to_pytorch() -> None:
    torch.manual_seed(0)
    own = nn.MultiheadAttention(16, 2, batch_first=True)
    x, y = torch.randn(2, 3, 16), torch.randn(2, 4, 16)
    expected = own(x, y, y)
    pack(own)
    torch.testing.assert_close(own(x, y, y), expected)
