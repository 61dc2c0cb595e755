"""A new objective with a setting of its own is one file: nothing else has to know of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OBJECTIVE = '''
"""The two most likely classes, `apart_by` apart."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from core.objectives import Objective, ObjectiveSettings
from core.settings import setting


class MarginSettings(ObjectiveSettings):
    """Settings of the margin."""

    apart_by: float = setting(1.0, "How far apart they should be.", source="test", gt=0, le=10)


class Margin(Objective[MarginSettings]):
    """softplus(apart_by − (z₁ − z₂)) of the two largest logits."""

    name, title = "distance", "Distance of the two likeliest"
    paper, summary = "test", "Keeps the two likeliest classes apart."
    Settings = MarginSettings

    def per_sample(self, logits: Tensor, target: Tensor | None) -> Tensor:
        """Loss of each sample."""
        if logits.shape[-1] < 2:
            return 0 * logits.sum(-1)
        first, second = logits.topk(2).values.unbind(-1)
        return F.softplus(self.settings.apart_by - (first - second))
'''
USE = """
import json, sys
import own_objective
import launch
from core import methods
from dashboard.pages.setup.catalogue import describe

suite = sys.argv[1]
found = {"forms": {name: {field["name"]: field for field in describe(methods.get(name))["fields"]}
                   for name in ("adamerging", "best", "wemoe")}}
for apart_by in ("0.5", "3", "-1"):
    own = ["--set", "objective=distance", "--set", f"apart_by={apart_by}", "--set", "steps=2", "--set", "lr=0.05"]
    own += ["--set", "keep_step=last"]
    found[apart_by] = launch.run(["merge", suite, *own, "--report", f"{sys.argv[2]}/{apart_by}.json"])
json.dump(found, open(f"{sys.argv[2]}/found.json", "w"))

import pytest  # In the same process, since a second one would load everything again.

names = "(finite_differences and adamerging or describes_itself or entropies_are) and distance"
options = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-k", names]
options += ["-m", "nightly or not nightly"]
pytest.main([*options, "tests/core/test_gradient.py", "tests/core/test_objectives.py"])
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A process that has the objective and a plug-in by which both Python and pytest find it."""
    folder = tmp_path / "objectives"
    folder.mkdir()
    (folder / "distance.py").write_text(OBJECTIVE, "utf-8")
    plugin = f"import core.objectives\n\ncore.objectives.__path__.append({str(folder)!r})\n"
    (tmp_path / "own_objective.py").write_text(plugin, "utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}


@pytest.mark.slow
def test_it_is_in_the_command_line_in_the_forms_and_in_the_property_tests_of_the_gradient(
    environment: dict[str, str], tiny_suite: Path, tmp_path: Path
) -> None:
    call = [sys.executable, "-c", USE, str(tiny_suite), str(tmp_path)]
    done = subprocess.run(call, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    for fields in found["forms"].values():
        assert {"value": "distance", "title": "Distance of the two likeliest"} in fields["objective"]["choices"]
        apart_by = {"kind": "float", "default": 1.0, "above": 0, "max": 10, "help": "How far apart they should be."}
        assert apart_by.items() <= fields["apart_by"].items()
    assert (found["0.5"], found["3"], found["-1"]) == (0, 0, 2)
    assert "`apart_by` of adamerging should be greater than 0" in done.stderr
    near, far = (json.loads((tmp_path / f"{apart_by}.json").read_text()) for apart_by in ("0.5", "3"))
    assert (near["settings"]["objective"], near["settings"]["apart_by"]) == ("distance", 0.5)
    assert near["coefficients"] != far["coefficients"]
