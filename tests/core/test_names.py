"""A name means one thing: settings of one method, and the files of a registry. What clashes is refused by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core import objectives
from core.learning.coefficients import LearningSettings
from core.problem.method import Method
from core.problem.problem import Problem
from core.registry import Registry
from core.settings import MethodSettings, other_default, parse, setting
from core.techniques.depth import DepthSettings
from core.techniques.tensorwise import Merge, Tensorwise

TAKEN = r"`temperature` in `{}` \(tests\.core\.test_names\).*`{}` \(core\.objectives\.expert_kl\); rename one"


def test_a_method_s_setting_called_like_an_objective_s_is_refused() -> None:
    with pytest.raises(TypeError, match=TAKEN.format("Oven", "ExpertKLSettings")):

        class Oven(LearningSettings):
            temperature: float = setting(1.0, "Of the oven.", source="test")


def test_an_objective_s_setting_called_like_a_method_s_is_refused() -> None:
    class Oven(MethodSettings):
        objective: objectives.Name = setting("entropy", "What is minimised.", source="test")
        temperature: float = setting(1.0, "Of the oven.", source="test")

    with pytest.raises(TypeError, match=r"`temperature` in `ExpertKLSettings` \(core.*`Oven` \(tests.*; rename one"):
        objectives.tunable(Oven)


def test_two_base_classes_with_one_name_are_refused() -> None:
    class Fridge(MethodSettings):
        lines: int = setting(3, "Of the shopping list.", source="test")

    with pytest.raises(TypeError, match=r"`lines` in `Fridge`.*and in `DepthSettings`"):

        class Both(Fridge, DepthSettings):
            pass


def test_another_scale_than_that_of_the_whole_task_vector_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"`scale` in `Part`.*and in `DepthSettings`.*; rename one, or use `other_default`"
    ):

        class Part(DepthSettings):
            scale: float = setting(2.0, "Of a part.", source="test")


def test_another_default_keeps_limits_and_words() -> None:
    class Long(DepthSettings):
        scale: float = other_default(DepthSettings, "scale", 3.0, source="test")

    one, base = Long.model_fields["scale"], DepthSettings.model_fields["scale"]
    assert (one.default, one.description, one.metadata) == (3.0, base.description, base.metadata)
    assert parse(Long, {"scale": "-2"}, "test").scale == -2  # Text is read as everywhere.


def test_a_scale_of_its_own_does_not_scale_the_whole(problem64: Problem) -> None:
    class PartSettings(MethodSettings):
        scale: float = setting(2.0, "Of a part.", source="test")

    class Part(Tensorwise[PartSettings]):
        Settings = PartSettings

        def merging(self, problem: Problem, settings: PartSettings) -> Merge:
            return lambda _name, delta: delta[0] + settings.scale * delta[1]

    vectors = problem64.task_vectors
    found = vectors.flat(Part().outcome(problem64, PartSettings()).weights_for("task0")) - vectors.origin
    assert (found - vectors.deltas[0] - 2 * vectors.deltas[1]).abs().max() < 1e-12


METHOD = """
from core.problem.method import Formula


class Copied(Formula):
    name = "{name}"
    {body}
"""


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("average", "made = None", r"`Copied` in pantry\.copied should have its file's name.*'average'.*'copied'"),
        ("copied", "title = ''", r"`Copied` in pantry\.copied should have all methods\. Add made"),
    ],
)
def test_a_file_that_is_half_a_copy_is_refused(
    name: str, body: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pantry").mkdir()
    (tmp_path / "pantry" / "__init__.py").touch()
    (tmp_path / "pantry" / "copied.py").write_text(METHOD.format(name=name, body=body))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TypeError, match=told):
        Registry("pantry", Method, "method").names()
    for module in ("pantry", "pantry.copied"):
        sys.modules.pop(module)
