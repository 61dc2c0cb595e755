"""What every method made of the tiny suite when it was last checked by hand: a change of any number has to be meant.

‖θ − θ₀‖ of the first task's weights in float64, and its projection on a fixed direction; quick settings.
"""

from __future__ import annotations

import pytest
import torch

from core import methods
from core.learning.watch import WatchedSettings
from core.problem.problem import Problem
from tests.core.properties import CONDITION, merged, rounding

GOLDEN: dict[str, tuple[float, float]] = {
    "adamerging": (2.1467738320566156, 2.0163047922436896),
    "adamerging_pp": (1.9128255134780106, 1.9831790706414942),
    "adarank": (1.7874906448371224, 1.2586042279545162),
    "average": (2.078149951038245, 2.4707812003786307),
    "best": (2.04480788507183, 0.014281195815141534),
    "breadcrumbs": (1.306952136993477, 2.0363654279272545),
    "cart": (3.901483787724562, 2.011823239223444),
    "consensus": (1.544604637176734, 1.5337926676888063),
    "dare": (6.035026060369393, 6.231884842508971),
    "dc_merge": (1.631632865975633, 1.0117411205760845),
    "distillation": (13.316814851735375, -5.167458924515248),
    "esm": (9.212453468891265, 5.92687412142445),
    "featcal": (3.674601934214908, 2.8877421178859506),
    "fisher": (2.4679996304559317, 2.5958143413843486),
    "fw_hard": (1.8995863393375392, 2.5346993211230044),
    "fw_soft": (2.1002415107546746, 1.5994080594044662),
    "grouped": (4.157027134801176, 0.5079787620795724),
    "individual": (3.6094032857548086, 1.2453107477159082),
    "iso_c": (5.365207604924822, 8.0040056813055),
    "iso_cts": (5.428003595890985, 4.9270862078399995),
    "lines": (3.6590029003395137, 3.4794896989904736),
    "model_stock": (0.09194593852282361, 0.05383406142536075),
    "multi_task": (15.098679413154343, 32.483618668990566),
    "pcb": (3.620138303379269, 1.761360638508773),
    "pretrained": (0.0, 0.0),
    "regmean": (3.2512129172450805, 3.7141261697471553),
    "regmean_pp": (3.3805887072483554, 3.3060415038293964),
    "samerging": (0.3725245862389273, 0.08368079736844491),
    "soup": (2.078149951038245, 2.4707812003786307),
    "surgery": (1.870334955934419, 2.2237030803407647),
    "svc": (3.684978004484014, 4.253731404041732),
    "tall_masks": (4.762208753532693, 5.897243367121629),
    "task_arithmetic": (1.870334955934419, 2.2237030803407647),
    "ties": (1.5956889447128417, 1.8336265785801136),
    "tsv_m": (4.157027134801176, 0.5079787620795724),
    "wemoe": (1.870334955934419, 2.2237030803407647),
    "wudi": (5.433441398167106, 5.685996249218768),
}


def measured(method: str, problem: Problem) -> tuple[float, float]:
    """Length and projection of what the method added to the base; the direction's entries are at most 1."""
    vectors = problem.task_vectors
    last = {"keep_step": "last"} if issubclass(methods.get(method).Settings, WatchedSettings) else {}
    added = vectors.flat(merged(method, problem, "task0", **last)) - vectors.origin
    direction = torch.linspace(-1, 1, len(added), dtype=torch.float64).mul(97).cos()
    return added.norm().item(), (added @ direction).item()


@pytest.mark.parametrize("method", methods.names())
def test_golden_values(method: str, problem64: Problem) -> None:
    found = measured(method, problem64)
    row = f'"{method}": ({found[0]!r}, {found[1]!r}),'
    assert method in GOLDEN, f"no row yet; check the method by other means, then add {row}"
    # Both are sums over all parameters, after up to four steps of learning. A projection may be small because its terms
    # cancel, so its error is measured by the length.
    tolerance = rounding(torch.float64, terms=len(problem64.task_vectors.origin), steps=4, condition=CONDITION)
    assert found == pytest.approx(GOLDEN[method], rel=0, abs=tolerance * max(found[0], 1)), (
        f"was this change meant? then {row}"
    )
