"""`methods`, `suites` and `tasks`: what there is to choose from."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import options
from core.cli.output import print_json, print_table, tell
from core.errors import BadInput, UnknownName
from core.files import sha256

if TYPE_CHECKING:
    from core.problem.method import Method
    from core.tasks.task import Task


def methods(
    name: Annotated[str | None, typer.Argument(metavar="[METHOD]", help="Show this method's settings.")] = None,
    guide: Annotated[bool, typer.Option("--guide", help="Print the method guide as Markdown.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the merging methods, or one method's settings with their defaults and sources."""
    if guide:
        from core.studies.guide import bundled, markdown

        tell(markdown(bundled()).rstrip("\n"))
        return
    found = _described()
    if name:
        if name not in found:
            raise UnknownName("method", name, tuple(found))
        found = {name: found[name]}
    if as_json:
        print_json({"methods": list(found.values())})
    elif name:
        _print_settings(found[name])
    else:
        rows = [[one[fact] for fact in ("name", "title", "needs", "result", "summary")] for one in found.values()]
        print_table("Methods", ["name", "title", "needs", "result", "what it does"], rows)


def _described() -> dict[str, dict[str, Any]]:
    """Every method by its name; remembered as long as no file of the engine changes, since most import PyTorch."""
    from core import paths, remembered

    def described() -> dict[str, dict[str, Any]]:
        from core import methods as registry

        return {name: describe_method(registry.get(name)) for name in registry.names()}

    engine = Path(paths.__file__).parent
    made_from = [[str(file.relative_to(engine)), sha256(file)] for file in sorted(engine.rglob("*.py"))]
    key = remembered.key([made_from, version("pydantic")])
    found: dict[str, dict[str, Any]] = remembered.value(paths.cache() / "methods.json", key, described)
    return found


def describe_method(method: Method) -> dict[str, Any]:
    """Everything a person or a page wants to know about a method, as plain data."""
    return {
        **{name: getattr(method, name) for name in ("name", "title", "paper", "summary", "cost", "trains")},
        "needs": method.needs.value,
        "result": method.form.value,
        "settings": _describe_settings(method),
    }


def _describe_settings(method: Method) -> list[dict[str, Any]]:
    schema = method.Settings.model_json_schema()["properties"]
    defaults = method.Settings().model_dump(mode="json")
    return [
        {
            "name": name,
            "default": defaults[name],
            "description": described.pop("description", ""),
            "source": described.pop("source", ""),
            "schema": {key: value for key, value in described.items() if key not in ("title", "default", "again")},
        }
        for name, described in schema.items()
    ]


def _print_settings(method: dict[str, Any]) -> None:
    tell(f"{method['title']}: {method['summary']}\n{method['paper']}\nNeeds: {method['needs']}. Cost: {method['cost']}")
    rows = [[str(item[fact]) for fact in ("name", "default", "description", "source")] for item in method["settings"]]
    print_table(f"Settings of {method['name']} (--set name=value)", ["name", "default", "meaning", "source"], rows)


def suites(as_json: options.Json = False) -> None:
    """List the bundled suites and those in the suites folder below MERGESCOPE_HOME."""
    from core.suite.find import available

    rows = [_describe_suite(name, path) for name, path in sorted(available().items())]
    if as_json:
        print_json({"suites": rows})
        return
    print_table(
        "Suites",
        ["name", "title", ">tasks", "file"],
        [[row["name"], row["error"] or row["title"], str(len(row["tasks"])), row["path"]] for row in rows],
    )


def _describe_suite(name: str, path: Path) -> dict[str, Any]:
    from core.suite.find import find

    found: dict[str, Any] = {
        "name": name,
        "title": "",
        "description": "",
        "tasks": [],
        "path": str(path),
        "error": None,
    }
    try:
        suite = find(name)
    except BadInput as error:
        # One unusable file of the person's own must not hide the other suites.
        return found | {"error": str(error)}
    tasks = [task.name for task in suite.tasks]
    return found | {"title": suite.title, "description": suite.entry.description, "tasks": tasks}


def tasks(suite: options.SuiteName, as_json: options.Json = False) -> None:
    """List the tasks of SUITE: classes, templates, and whether there is an expert."""
    from core.suite.find import find

    file = find(suite)
    rows: list[dict[str, Any]] = [
        {
            "name": task.name,
            "title": task.title,
            "classes": list(task.classes),
            "templates": list(task.templates),
            "expert": task.expert.weights if task.expert else None,
            "data": task.data.model_dump(mode="json"),
            **_images(task),
        }
        for task in file.tasks
    ]
    if as_json:
        print_json({"suite": file.name, "tasks": rows})
        return
    print_table(
        f"Tasks of {file.name}",
        ["name", "title", ">classes", "expert", "images", "class names"],
        [
            [
                row["name"],
                row["title"],
                str(len(row["classes"])),
                row["expert"] or "none",
                ", ".join(f"{split} {count:,}" for split, count in row["images"].items())
                + ("" if row["labelled"] else " (no labels)"),
                ", ".join(row["classes"]),
            ]
            for row in rows
        ],
    )


def _images(task: Task) -> dict[str, Any]:
    """How many images a task has; nothing is known of those that would have to be fetched first."""
    from core.tasks.describe import describe

    nothing = {"images": {}, "labelled": True, "held_out": "", "problems": []}
    if getattr(task.data, "download", False):
        return nothing
    found = describe(task.source())
    return nothing | {
        "images": dict(found.images),
        "labelled": found.labelled.get("test", True),
        "held_out": found.held_out,
        "problems": list(found.problems),
    }
