"""Adapters made by PEFT, with random numbers, and what PEFT makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.checkpoints import load_expert

Tensors = dict[str, Tensor]


def saved(folder: Path, model: nn.Module, seed: int = 5, **config: Any) -> nn.Module:
    """Save an adapter of the model with random numbers; return PEFT's own merge, which changes the model."""
    import peft

    wrapped = peft.get_peft_model(model, peft.LoraConfig(**{"r": 4, "lora_alpha": 6} | config))
    filled(wrapped, seed).save_pretrained(folder)
    return wrapped.merge_and_unload()


def filled(wrapped: Any, seed: int = 5) -> Any:
    """Random numbers wherever PEFT would train some."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in wrapped.named_parameters():
        if "lora_magnitude" in name:
            parameter.data *= 1 + 0.1 * torch.randn(parameter.shape, generator=generator)
        elif "lora_" in name or "modules_to_save" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return wrapped


def copied(model: nn.Module, prefix: str = "") -> Tensors:
    """Its tensors whose names begin with the prefix, without it."""
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def same(found: Tensors, expected: Tensors) -> None:
    """To one millionth, under the same names."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name].to(tensor), tensor, rtol=1e-6, atol=1e-6, msg=f"{name} differs")


def merges(folder: Path, base: Tensors, expected: Tensors) -> None:
    """Whether our merge of the adapter is the expected one, and changes the base, but not the tensors given."""
    before = {name: tensor.clone() for name, tensor in base.items()}
    same(load_expert(folder, base).tensors, expected)
    assert any(not torch.equal(expected[name], base[name]) for name in base)
    assert all(torch.equal(base[name], before[name]) for name in base)
