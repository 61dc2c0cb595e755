"""Rebuilds the bundled suite `demo-heads` from the files of the demo suite: `python assets/demo/build_heads.py`.

It takes a few minutes. Classes come from assets/suites/demo.yaml.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipe.classifiers import make

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE.parent / "demo-heads", help="folder to write to")
    make(HERE, parser.parse_args().out)


if __name__ == "__main__":
    main()
