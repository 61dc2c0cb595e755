"""What a study is planned and read with: suite, what a person may choose, and how cells are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

from pydantic import field_validator

from core import methods
from core.errors import BadInput, UnknownName
from core.problem.method import Method
from core.settings import MethodSettings, Settings, parse, setting
from core.step import Need
from core.studies.engine.cells import Cell
from core.studies.engine.done import Done, note_of, on_task, over_seeds
from core.studies.engine.result import Column, Row, Table
from core.suite.find import SuiteFile

MAX_SEEDS = 50
T = TypeVar("T")
QUICK_STEPS = 40
"""Steps of a learning method in a quick study."""


class StudyOptions(Settings):
    """Options that every study has; None means the study's own choice."""

    tasks: tuple[str, ...] | None = setting(None, "Only these tasks.", source="all tasks of the suite")
    methods: tuple[str, ...] | None = setting(None, "Only these methods.", source="the study's own choice")
    seeds: tuple[int, ...] | None = setting(None, "Seeds for random choices.", source="the study's own choice")
    quick: bool = setting(False, "Fewer steps, seeds and values, for a first look.", source="Mergescope")
    settings: dict[str, Any] = setting({}, "Settings of the methods that have them.", source="suite and method")
    device: str = setting("auto", "Where to run everything.", source="Mergescope")
    precision: str = setting("auto", "Number format for the forward and backward pass.", source="Mergescope")

    @field_validator("seeds")
    @classmethod
    def _few_different_seeds(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not 0 < len(value) <= MAX_SEEDS or len(set(value)) < len(value) or min(value) < 0):
            raise ValueError(f"1 to {MAX_SEEDS} different numbers from 0")
        return value

    @field_validator("tasks", "methods")
    @classmethod
    def _different_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("at least one name, each once")
        return value


@dataclass(frozen=True)
class Scope:
    """One suite and the options of one study."""

    suite: SuiteFile
    options: StudyOptions
    own_seeds: tuple[int, ...] = (0, 1, 2)
    """The study's seeds where the person chose none."""

    def __post_init__(self) -> None:
        for name in self.options.tasks or ():
            self.suite.task(name)
        for name in self.options.methods or ():
            methods.get(name)
        if not self.tasks:
            raise BadInput("`tasks` should hold at least one task with an expert. Found none.")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks with an expert that take part, in the suite's order."""
        chosen = self.options.tasks
        return tuple(name for name in self.suite.experts if chosen is None or name in chosen)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of what is random; one in a quick study unless the person says otherwise."""
        chosen = self.options.seeds or self.own_seeds
        return chosen[:1] if self.options.quick and self.options.seeds is None else chosen

    @property
    def titles(self) -> dict[str, str]:
        """Task -> its title for people."""
        return {task.name: task.title or task.name.replace("_", " ") for task in self.suite.tasks}

    def methods(self, own: Iterable[str]) -> list[str]:
        """The chosen methods; else those of `own` that this installation has."""
        return list(self.options.methods or [name for name in own if name in methods.names()])

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """All seeds for a method that draws; one for a formula, which gives the same each time."""
        return self.seeds if methods.get(name).random else self.seeds[:1]

    def settings(self, name: str, **own: Any) -> MethodSettings:
        """Complete settings: the method's, the suite's, the person's, the study's `own`; those it lacks are ignored.

        Studies measure what was published: the last step counts, unless the person asks for the best.
        """
        method: Method = methods.get(name)
        known = method.Settings.model_fields
        values = {**_among({"keep_step": "last"}, known), **self.suite.defaults.get(name, {})}
        values |= _among(self.options.settings, known)
        settings = parse(method.Settings, values, name)
        if self.options.quick and "steps" in known:
            values["steps"] = min(QUICK_STEPS, settings.model_dump()["steps"])
        return parse(method.Settings, {**values, **_among(own, known)}, name)

    def steps(self, name: str) -> int:
        """How many steps this method makes here; 0 for a formula."""
        return methods.get(name).total_steps(self.settings(name))

    def cell(
        self,
        method: str,
        where: Mapping[str, Any],
        *,
        seed: int = 0,
        tasks: Sequence[str] | None = None,
        unseen: Sequence[str] = (),
        images: Mapping[str, Any] | None = None,
        images_from: Sequence[str] = (),
        measures: Sequence[Mapping[str, Any]] = (),
        **own: Any,
    ) -> Cell:
        """One run of `method`, at `where` in the study.

        `images_from` does not count where it is the merged tasks or the method looks at no image.
        """
        settings = self.settings(method, **own, seed=seed).model_dump(mode="json")
        merged = tuple(tasks) if tasks is not None else self.tasks
        looks = methods.get(method).needs is not Need.NOTHING and set(images_from) != set(merged)
        learned = tuple(images_from) if looks else ()
        place = {"method": method, **where}
        return Cell(method, settings, merged, tuple(unseen), images, learned, tuple(measures), place)

    def sweep(
        self, own: Iterable[str], measures: Sequence[Mapping[str, Any]] = (), **values: Iterable[Any]
    ) -> list[Cell]:
        """A cell for each of the methods that have these settings, each choice of their `values`, and each seed."""
        chosen = [dict(zip(values, choice, strict=True)) for choice in product(*values.values())]
        return [
            self.cell(name, where, seed=seed, measures=measures, **where)
            for name in self.methods(own)
            if values.keys() <= methods.get(name).Settings.model_fields.keys()
            for where in chosen
            for seed in self.seeds_of(name)
        ]

    def thinned(self, values: Sequence[T]) -> list[T]:
        """All values, or in a quick study the first, the middle and the last."""
        if not self.options.quick or len(values) <= 3:
            return list(values)
        return [values[0], values[len(values) // 2], values[-1]]

    def require_known_settings(self, cells: Iterable[Cell]) -> None:
        """Raise `UnknownName` for a setting of the person's that no method of the study has."""
        known = {name for cell in cells for name in cell.settings}
        for name in self.options.settings:
            if name not in known:
                raise UnknownName("setting of this study's methods", str(name), sorted(known))

    def accuracy_table(self, title: str, head: str, rows: Iterable[tuple[str, Sequence[Done]]]) -> Table:
        """The table that most studies have: accuracy by task and on average, mean and interval over seeds; rows without
        a finished cell are left out."""
        lines = []
        for label, cells in rows:
            if cells:
                values = [over_seeds(cells, on_task(task)) for task in self.tasks]
                lines.append(Row(label, (*values, over_seeds(cells)), note_of(cells), cells[0].contest))
        columns = (*(Column(self.titles[task]) for task in self.tasks), Column("Average"))
        return Table(title, head, columns, tuple(lines))


def _among(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in known}
