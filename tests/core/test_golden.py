"""What every method made of the tiny suite when it was last checked by hand: a change of any number has to be meant.

‖θ − θ₀‖ of the first task's weights in float64, and its projection on a fixed direction; quick settings.
"""

from __future__ import annotations

import pytest
import torch

from core import methods
from core.problem import Problem
from tests.core.properties import merged

GOLDEN: dict[str, tuple[float, float]] = {
    "adamerging": (1.7311091321819094, -1.4494781300480193),
    "adamerging_pp": (1.5666399808037454, -0.7292459360279302),
    "adarank": (1.403867965187999, -1.185679304383057),
    "average": (2.0787566863204034, -2.4497187266573053),
    "best": (3.043940767066084, 0.09314698239719998),
    "breadcrumbs": (1.3103254885847595, -0.2427556176440566),
    "consensus": (1.5536037392900686, -2.017253386841419),
    "dare": (5.9429090786512715, -3.9641144525853713),
    "individual": (3.612240528407957, -1.3312025497618012),
    "iso_c": (5.354751594229231, -5.594494852104512),
    "iso_cts": (5.4179084656184395, -4.251747895638375),
    "lines": (3.6401546563477583, -5.170341557849177),
    "model_stock": (0.08665111534364514, 0.014717469170694403),
    "multi_task": (16.396203494250866, 26.487015860023288),
    "pcb": (3.6113047993885683, -0.6144509984729067),
    "pretrained": (0.0, 0.0),
    "samerging": (0.6094462821699751, -0.5367729492680783),
    "surgery": (1.870881017688359, -2.20474685399157),
    "tall_masks": (4.778526428713488, -3.874834246852907),
    "task_arithmetic": (1.870881017688359, -2.20474685399157),
    "ties": (1.5943052084471192, -0.5946159003731557),
    "tsv_m": (4.1487253473686225, -0.01952498996842622),
    "wemoe": (1.870881017688359, -2.20474685399157),
    "wudi": (5.415195612231014, -6.08485983512995),
    "featcal": (3.738322730924592, -2.537749033529598),
    "fisher": (2.4548140452091785, -3.2815645779068365),
    "grouped": (4.1487253473686225, -0.01952498996842622),
    "regmean": (3.2968050571494154, -0.7517888155783881),
    "regmean_pp": (3.411469617177816, -2.096825282470707),
    "fw_hard": (1.9004711754797108, -2.139322672960205),
    "fw_soft": (2.029507393855249, -1.8494024768045656),
}


def measured(method: str, problem: Problem) -> tuple[float, float]:
    """Length and projection of what the method added to the base."""
    vectors = problem.task_vectors
    added = vectors.flat(merged(method, problem, "task0")) - vectors.origin
    direction = torch.linspace(-1, 1, len(added), dtype=torch.float64).mul(97).cos()
    return added.norm().item(), (added @ direction).item()


@pytest.mark.parametrize("method", methods.names())
def test_golden_values(method: str, problem64: Problem) -> None:
    found = measured(method, problem64)
    row = f'"{method}": ({found[0]!r}, {found[1]!r}),'
    assert method in GOLDEN, f"no row yet; check the method by other means, then add {row}"
    assert found == pytest.approx(GOLDEN[method], rel=1e-6, abs=1e-8), f"was this change meant? then {row}"
