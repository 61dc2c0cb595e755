"""Self-attention with one packed projection, computed the way that is fastest on the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHORT = 32
"""Tokens up to which two matrix products and a softmax beat PyTorch's fused attention on the CPU, in any precision."""
MEDIUM = 300
"""Tokens up to which they do in bfloat16 (3 to 5 times, measured with AVX-512); beyond, the scores take much memory."""


class PackedSelfAttention(nn.MultiheadAttention):
    """`nn.MultiheadAttention`'s function of its own weights, for a query that is key and value too.

    PyTorch's backward pass fills a buffer of zeros three times as large as needed for each of q, k and v and adds
    them up; unbinding a view needs one copy. Everything beyond plain self-attention is left to PyTorch.
    """

    def forward(  # type: ignore[override]  # `**more` holds the others
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = True, attn_mask: Tensor | None = None,
        **more: Any,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """As `nn.MultiheadAttention`: `[N, L, E]` with batch_first, else `[L, N, E]`."""
        plain = query is key and key is value and query.dim() == 3 and self.bias_k is None and not self.add_zero_attn
        if not plain or need_weights or more or self.in_proj_weight is None or (self.training and self.dropout):
            return super().forward(query, key, value, need_weights=need_weights, attn_mask=attn_mask, **more)
        first, second, width = query.shape
        packed = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        packed = packed.view(first, second, 3, self.num_heads, self.head_dim)
        # -> three of [N, heads, L, head_dim]
        q, k, v = packed.permute(2, 0, 3, 1, 4) if self.batch_first else packed.permute(2, 1, 3, 0, 4)
        mixed = _attention(q, k, v) if attn_mask is None else F.scaled_dot_product_attention(q, k, v, attn_mask)
        mixed = mixed.permute(0, 2, 1, 3) if self.batch_first else mixed.permute(2, 0, 1, 3)
        return self.out_proj(mixed.reshape(first, second, width)), None


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √head_dim) v for `[N, heads, L, head_dim]`."""
    batch, heads, tokens, width = q.shape
    if q.device.type != "cpu" or tokens > (MEDIUM if q.dtype == torch.bfloat16 else SHORT):
        return F.scaled_dot_product_attention(q, k, v)
    q, k, v = (x.reshape(batch * heads, tokens, width) for x in (q, k, v))
    shares = torch.bmm(q * width**-0.5, k.transpose(1, 2)).softmax(-1)
    return torch.bmm(shares, v).view(batch, heads, tokens, width)


def pack(model: nn.Module) -> None:
    """Let the plain attention modules of `model` compute so; their parameters stay as they are."""
    for module in model.modules():
        if type(module) is nn.MultiheadAttention:
            module.__class__ = PackedSelfAttention
