"""Suites by name or path: one base, its experts and their tasks, checked before anything is loaded."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from core.encoders.family import BY_FOLDER, CONFIGURATION, architecture
from core.encoders.models import Architecture
from core.errors import BadSuite, UnknownName
from core.files import inside
from core.hub.listing import HubReference, is_hub
from core.paths import ASSETS, home
from core.suite.parsing import parse_suite
from core.suite.roots import roots
from core.suite.schema import HeadEntry, SuiteEntry, TaskEntry
from core.suite.words import PromptsEntry, TemplatesFile
from core.tasks.classes import Classes, class_names
from core.tasks.prompts import prompt_set
from core.tasks.sources import Place, open_source
from core.tasks.task import IN_EXPERT, OWN_HEAD, TRAINED_HEAD, Task
from core.tasks.templates import Templates, per_class, template_file

__all__ = ["SuiteFile", "Task", "available", "find"]


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
    def origin(self) -> str:
        """What `find` takes to find it again from any working folder: its name where that does, else its file."""
        return self.name if available().get(self.name) == self.path else str(self.path.resolve())

    @property
    def title(self) -> str:
        """The suite's title for people."""
        return self.entry.title or self.entry.name

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, also those without an expert; raises `BadSuite` where class names and images do not fit."""
        return tuple(self._settled(entry) for entry in self.entry.tasks)

    @property
    def defaults(self) -> dict[str, dict[str, Any]]:
        """Method -> settings that suit this suite."""
        return self.entry.defaults

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the tasks that have an expert."""
        return tuple(task.name for task in self.tasks if task.expert)

    def task(self, name: str) -> Task:
        """The task of that name; raises `UnknownName`."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise UnknownName(f"task of suite {self.name}", name, [task.name for task in self.tasks])

    def resolve(self, named: str) -> Path:
        """The file that a path of the suite file names: in the suite's folder or else in a checkpoint folder.

        A model of the hub is the folder it was fetched to. Raises `BadSuite` for a path that leads out of these.
        """
        if is_hub(named):
            from core.hub.listing import location

            return location(HubReference.parse(named))
        named = _portable(named, self.path.name)
        own = self.root / named
        places = (self.root, *roots())
        try:
            path = next((root / named for root in places if (root / named).exists()), own)
            allowed = inside(path, *places)
        except (OSError, ValueError, RuntimeError) as error:  # Too long, a zero byte, a loop of links.
            raise BadSuite(f"`{self.path.name}`: {named[:80]!r} is not a usable path: {str(error)[:80]}.") from None
        if not allowed:
            raise BadSuite(
                f"`{self.path.name}`: `{named}` leads outside the suite's folder and the checkpoint folders, and "
                "nothing there is opened. Move it inside, or add its folder with `folders add`."
            )
        return path

    def allows(self, path: Path) -> bool:
        """Whether a file found below a resolved folder, links followed, may be opened."""
        try:
            return inside(path, self.root, *roots())
        except (OSError, RuntimeError):  # A loop of links.
            return False

    def arch(self) -> Architecture:
        """The base's architecture."""
        name, changes = self.entry.base.arch, self.entry.base.preprocess.model_dump(exclude_none=True)
        if self.entry.base.tokenizer is not None:
            changes["tokenizer"] = self.resolve(self.entry.base.tokenizer)
        return replace(architecture(name, self._described(name)), **changes)

    def _described(self, name: str) -> Path | None:
        """The JSON file that describes the architecture called `name`; None where the name is enough."""
        if name.endswith(".json"):
            return self.resolve(name)
        if name not in BY_FOLDER:
            return None
        weights = self.resolve(self.entry.base.weights)
        file = (weights if weights.is_dir() else weights.parent) / CONFIGURATION
        if not file.is_file():
            remedy = "put it there" + (", or name one as `timm:NAME`" if name == "timm" else "")
            if is_hub(self.entry.base.weights):
                remedy = f"`fetch {self.name}` gets it"
            raise BadSuite(
                f"`{self.path.name}`: `arch: {name}` is described by {CONFIGURATION} beside the base's weights. Found "
                f"none in `{file.parent.name}`; {remedy}."
            )
        return file

    def missing(self) -> list[str]:
        """One line for each file that the suite names and that is not there."""
        # A checkpoint may be a folder, as the Hugging Face hub has them.
        found = [
            f"{what}: `{name}` is missing{f' (`fetch {self.name}` gets it)' if is_hub(name) else ''}"
            for what, name in self._named()
            if not self.resolve(name).exists()
        ]
        for task in self.tasks:
            if gone := task.source().missing():
                found.append(f"images of {task.name}: {gone}")
        return found

    def files(self) -> tuple[Path, ...]:
        """Every file and folder that something is read from, the suite file first."""
        named = [name for _, name in self._named()]
        images = [file for task in self.tasks for file in task.source().files]
        return (self.path, *(self.resolve(name) for name in named), *images)

    def _settled(self, entry: TaskEntry) -> Task:
        place = Place(self.resolve, self.allows)
        head = _head_file(entry)
        prompts = prompt_set(entry.templates.set) if isinstance(entry.templates, PromptsEntry) else None
        wanted = entry.classes or (prompts.classes if prompts else None)
        if entry.classes_file is not None:
            wanted = class_names(self.resolve(entry.classes_file))
        source = open_source(entry.name, entry.data, place)
        if source.missing() is None:
            classes = source.settle(wanted)
            if len(classes.names) < 2:
                raise BadSuite(
                    f"`{self.path.name}`: task `{entry.name}` should have at least two classes. Found "
                    f"{len(classes.names)} in its images; give `classes`."
                )
        else:
            classes = Classes(tuple(wanted.values() if isinstance(wanted, dict) else wanted or ()), ())
        return Task(
            name=entry.name,
            title=entry.title,
            data=entry.data,
            place=place,
            classes=classes.names,
            templates=self._templates(entry, classes),
            ids=classes.ids,
            expert=entry.expert,
            head=TRAINED_HEAD if entry.templates is None and head in (None, OWN_HEAD) else head,
            head_key=entry.head.key if isinstance(entry.head, HeadEntry) else None,
        )

    def _templates(self, entry: TaskEntry, classes: Classes) -> Templates:
        given = entry.templates
        if given is None:
            return ()
        if isinstance(given, PromptsEntry):
            return prompt_set(given.set).templates
        found = template_file(self.resolve(given.file)) if isinstance(given, TemplatesFile) else given
        if isinstance(found, tuple):
            return found
        return per_class(entry.name, found, classes) if classes.names else ()

    def _named(self) -> list[tuple[str, str]]:
        """What the suite file names beside images: (its role, its path)."""
        found = [("base", self.entry.base.weights)]
        if self.entry.base.tokenizer is not None:
            found.append(("tokenizer", self.entry.base.tokenizer))
        for task in self.entry.tasks:
            roles = {
                "expert": task.expert.weights if task.expert else None,
                "head": None if task.head in IN_EXPERT else _head_file(task),
                "class names": task.classes_file,
                "templates": task.templates.file if isinstance(task.templates, TemplatesFile) else None,
            }
            found += [(f"{role} of {task.name}", name) for role, name in roles.items() if name is not None]
        return found


def _head_file(entry: TaskEntry) -> str | None:
    return entry.head.weights if isinstance(entry.head, HeadEntry) else entry.head


def _portable(named: str, file: str) -> str:
    """A path as this system writes it; raises `BadSuite` for one of a drive of Windows where there is none."""
    if os.name == "nt":
        return named
    if re.match(r"[A-Za-z]:[\\/]|\\\\", named):
        raise BadSuite(
            f"`{file}`: `{named[:200]}` is a path of Windows, and this machine has no such drives. Copy the file "
            "here, and give a path from the suite file's folder, or one in a folder that was added with `folders add`."
        )
    return named.replace("\\", "/")


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
    suite = SuiteFile(path, ASSETS if bundled else path.resolve().parent, parse_suite(path))
    _ = suite.tasks  # What does not fit is told now, not when somebody asks.
    return suite
