"""`doctor`: what this installation and machine offer, and what is wrong with them."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import typer

from core.cli import options, targets
from core.cli.output import print_json, print_table
from core.errors import BadInput, MergescopeError

PACKAGES = (
    "mergescope",
    "torch",
    "torchvision",
    "open_clip_torch",
    "safetensors",
    "pydantic",
    "SQLAlchemy",
    "gradio",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BUNDLED = "demo"


@dataclass(frozen=True)
class Finding:
    """One fact; `ok` is False where something has to be mended before everything works."""

    name: str
    value: str
    ok: bool = True


def doctor(as_json: options.Json = False) -> None:
    """Check versions, devices, memory, folders and the bundled suite. Status 1 if something is wrong."""
    findings = [*_versions(), *_machine(), _folder(), *_suite(), _browser()]
    healthy = all(finding.ok for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [[finding.name, finding.value, "" if finding.ok else "PROBLEM"] for finding in findings]
        print_table("Mergescope on this machine", ["what", "found", ""], rows)
    if not healthy:
        raise typer.Exit(1)


def _versions() -> Iterator[Finding]:
    yield Finding("Python", platform.python_version())
    for package in PACKAGES:
        try:
            yield Finding(package, version(package))
        except PackageNotFoundError:
            yield Finding(package, "not installed; run `pip install -e .`", ok=False)


def _machine() -> Iterator[Finding]:
    import torch

    from core.encoders.precision import choose_device

    yield Finding("system", f"{platform.system()} {platform.machine()}")
    yield Finding("processors", str(os.cpu_count()))
    yield Finding("threads of torch", str(torch.get_num_threads()))
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Finding("memory", f"{pages / 2**30:.1f} GiB")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    accelerators = [*names, *(["Apple GPU"] if torch.backends.mps.is_available() else [])]
    yield Finding("accelerators", ", ".join(accelerators) or "none")
    yield Finding("device chosen by auto", str(choose_device("auto")))


def _folder() -> Finding:
    from core.paths import home

    folder = home()
    try:
        targets.check_folder(folder, "MERGESCOPE_HOME")
    except BadInput as error:
        return Finding("home folder", str(error), ok=False)
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(nearest).free / 2**30
    return Finding("home folder", f"{folder} (writable, {free:.1f} GiB free)")


def _suite() -> Iterator[Finding]:
    from core.problem.loading import load
    from core.suite.find import find
    from core.tasks import SPLITS

    try:
        problem = load(find(BUNDLED))
        images = sum(len(problem.images(task, split)) for task in problem.tasks for split in SPLITS)
    except (MergescopeError, OSError) as error:
        yield Finding("bundled suite", f"{error}", ok=False)
        return
    yield Finding("bundled suite", f"intact: {len(problem.tasks)} experts, {images} images")
    yield Finding("precision chosen by auto", f"{problem.precision} for the bundled suite: {problem.precision_reason}")


def _browser() -> Finding:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return Finding("browser for the browser tests", found or "none; only the tests need one (Debian: chromium)")
