"""Suites by name or path: one base, its experts and their tasks, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadSuite, UnknownName
from core.files import inside
from core.models import Architecture, architecture
from core.paths import ASSETS, home
from core.roots import roots
from core.suite_file import SuiteEntry, TaskEntry, parse_suite

__all__ = ["SuiteFile", "TaskEntry", "available", "find"]


@dataclass(frozen=True)
class SuiteFile:
    """A parsed suite file and the folder its paths start from."""

    path: Path
    root: Path
    entry: SuiteEntry

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.entry.name

    @property
    def title(self) -> str:
        """The suite's title for people."""
        return self.entry.title or self.entry.name

    @property
    def description(self) -> str:
        """A sentence or two on the suite."""
        return self.entry.description

    @property
    def tasks(self) -> tuple[TaskEntry, ...]:
        """All tasks, also those without an expert."""
        return self.entry.tasks

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """Method -> settings that suit this suite."""
        return self.entry.defaults

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the tasks that have an expert."""
        return tuple(task.name for task in self.tasks if task.expert)

    def task(self, name: str) -> TaskEntry:
        """The task of that name; raises `UnknownName`."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise UnknownName(f"task of suite {self.name}", name, [task.name for task in self.tasks])

    def resolve(self, named: str) -> Path:
        """The file that a path of the suite file names: in the suite's folder or else in a checkpoint folder.

        Raises `BadSuite` for one that leads out of these.
        """
        own = self.root / named
        places = (self.root, *roots())
        try:
            path = next((root / named for root in places if (root / named).exists()), own)
            allowed = inside(path, *places)
        except (OSError, ValueError, RuntimeError) as error:  # Too long, a zero byte, a loop of links.
            raise BadSuite(f"`{self.path.name}`: {named[:80]!r} is no usable path: {str(error)[:80]}.") from None
        if not allowed:
            raise BadSuite(
                f"`{self.path.name}`: `{named}` leads outside the suite's folder and the checkpoint folders, where "
                "nothing is opened."
            )
        return path

    def arch(self) -> Architecture:
        """The base's architecture."""
        name = self.entry.base.arch
        return architecture(name, self.resolve(name) if name.endswith(".json") else None)

    def missing(self) -> list[str]:
        """One line for each file that the suite names and that is not there."""
        named = [("base", self.entry.base.weights)]
        for task in self.tasks:
            if task.expert:
                named.append((f"expert of {task.name}", task.expert.weights))
            if task.head:
                named.append((f"head of {task.name}", task.head))
            named.append((f"images of {task.name}", task.data.path))
        # A checkpoint may be a folder, as the Hugging Face hub has them.
        return [f"{what}: `{path}` is not there" for what, path in named if not self.resolve(path).exists()]


def available() -> dict[str, Path]:
    """Name -> file of the bundled suites and of those in the person's own suites folder (which win)."""
    files = [*sorted((ASSETS / "suites").glob("*.yaml")), *sorted((home() / "suites").glob("*.yaml"))]
    return {file.stem: file for file in files}


def find(name: str) -> SuiteFile:
    """The suite called `name`, or in the YAML file `name`; raises `UnknownName`, `BadSuite`."""
    path = Path(name)
    known = available()
    if path.suffix not in (".yaml", ".yml"):
        if name not in known:
            raise UnknownName("suite", name, [*sorted(known), "or a path to a .yaml file"])
        path = known[name]
    try:
        found = path.is_file()
    except OSError:  # The name is too long for a file.
        found = False
    if not found:
        raise BadSuite(f"Suite `{name[:200]}` should be a YAML file. Found no file of that name.")
    bundled = path.resolve().parent == (ASSETS / "suites").resolve()
    return SuiteFile(path, ASSETS if bundled else path.resolve().parent, parse_suite(path))
