"""Studies: sets of runs that each answer one question, most of them a table or figure of a paper; one file each.

Beside them stand what they share (the published numbers, the cases of `trust`) and the method guide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from core.export.titles import title_of
from core.registry import Registry, named_by_file
from core.studies.engine.cells import Cell
from core.studies.engine.done import Done
from core.studies.engine.result import Result
from core.studies.engine.scope import Scope, StudyOptions
from core.suite.find import SuiteFile

__all__ = ["LEARNED", "Cell", "Scope", "Study", "get", "names", "title_of"]
LEARNED = ("adamerging", "adamerging_pp")
"""The paper's own methods, which most of its tables are about."""


class Study(ABC):
    """Adding a file with one concrete subclass to `core/studies` adds a study."""

    name: ClassVar[str] = named_by_file()
    """Stable: scripts and stored studies use it."""
    title: ClassVar[str]
    question: ClassVar[str]
    """What is asked, in plain words."""
    paper: ClassVar[str] = ""
    """The table or figure that it repeats; empty where there is none."""
    seeds: ClassVar[tuple[int, ...]] = (0, 1, 2)
    """Three by default: an interval needs more than one, and time is what most people lack."""

    def scope(self, suite: SuiteFile, options: StudyOptions) -> Scope:
        """Suite and options, checked; raises `BadInput`."""
        return Scope(suite, options, self.seeds)

    @abstractmethod
    def plan(self, scope: Scope) -> list[Cell]:
        """The runs that are needed, in the order in which they are worth having."""

    @abstractmethod
    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """At least a table and a chart, and findings; a pure function that copes with missing cells."""


_registry = Registry(__name__, Study, "study")
names, get = _registry.names, _registry.get
