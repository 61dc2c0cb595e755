"""Base and experts in different number formats: nothing of what is between them is rounded on the way to τ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import find
from tests.core.properties import run
from tests.tiny import make_suite

FORMATS = [(torch.bfloat16, torch.float32), (torch.float32, torch.float64), (torch.float64, torch.float64)]


@pytest.mark.slow
@pytest.mark.parametrize(("base_format", "expert_format"), FORMATS, ids=str)
def test_formats_of_base_and_expert_round_nothing_of_what_is_between_them(
    base_format: torch.dtype, expert_format: torch.dtype, tmp_path: Path
) -> None:
    suite = make_suite(tmp_path, tasks=1)
    base = {name: tensor.to(base_format) for name, tensor in load_file(suite.parent / "base.safetensors").items()}
    save_file(base, suite.parent / "base.safetensors")
    generator = torch.Generator().manual_seed(3)
    # Less than the base's format tells apart, for every number.
    expert = {
        name: (x.double() + 1e-5 * x.double() * torch.randn(x.shape, generator=generator).sign()).to(expert_format)
        for name, x in base.items()
        if name.startswith("visual.")
    }
    save_file(expert, suite.parent / "task0.safetensors")
    description = yaml.safe_load(suite.read_text())
    description["tasks"][0]["expert"]["cast"] = True
    suite.write_text(yaml.safe_dump(description))
    found = load(find(str(suite)), device="cpu", precision="float32").task_vectors
    for name in found.names:
        expected = expert[f"visual.{name}"].double() - base[f"visual.{name}"].double()
        tau = found.delta(name)[0].double()
        assert (tau - expected).norm() <= 1e-7 * expected.norm(), name  # Half of float32's last bit is 6e-8.


class Narrow(TorchDispatchMode):
    """Operations that made several numbers in less than float64, with the shape of these."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[int, ...]]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(one, Tensor) and one.is_floating_point() and one.dtype != torch.float64 and one.numel() > 1:
                self.found.add((str(func), tuple(one.shape)))
        return made


@pytest.mark.slow
@pytest.mark.parametrize("method", ["adamerging", "fisher", "regmean", "multi_task"])
def test_float64_is_float64_from_the_pixels_on(method: str, problem64: Problem) -> None:
    with Narrow() as narrow:
        last = run(method, problem64)[-1]
    # λ is shown in float32, whatever it is computed in.
    shown = set() if last.coefficients is None else {("aten._to_copy.default", tuple(last.coefficients.values.shape))}
    assert narrow.found == shown
