"""What was measured on several suites: what the guide recommends by it, and how it says where `best` is behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import methods
from core.studies import everywhere
from core.studies.guide import bundled, decisions, entries, markdown


def row(method: str, first: list[float], second: list[float], *, own: bool = True) -> dict[str, object]:
    return {"method": method, "own": own, "accuracy": {"demo 512": first, "weak 512": second}}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = {
        "Iso-CTS": row("iso_cts", [0.80, 0, 1], [0.80, 0, 1]),
        "TSV-Merge": row("tsv_m", [0.86, 0, 1], [0.70, 0, 1]),
        "Weight averaging": row("average", [0.60, 0, 1], [0.50, 0, 1]),
        "Best combination": row("best", [0.90, 0.003, 5], [0.75, 0.003, 5]),
        "best without masks": row("best", [0.902, 0.003, 5], [0.76, 0.003, 5], own=False),
    }
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"planned": 9, "done": 4, "notes": ["A note"], "rows": rows}))
    monkeypatch.setattr(everywhere, "FILE", file)


@pytest.mark.usefixtures("measured")
def test_what_does_well_on_all_suites_is_recommended_before_what_does_best_on_one() -> None:
    titles = [methods.get(name).title for name in ("iso_cts", "tsv_m")]
    assert list(decisions(entries(bundled()))[0].use[:2]) == titles
    # What was measured on one suite only is not put behind what several suites show to be poor.
    assert methods.get("average").title not in decisions(entries(bundled()))[0].use
    own = bundled() | {"suite": "of one's own"}
    assert decisions(entries(own))[0].use[0] == methods.get("tsv_m").title


@pytest.mark.usefixtures("measured")
def test_the_guide_says_where_best_is_behind_by_more_than_a_standard_error() -> None:
    found = markdown(bundled()).splitlines()
    assert "| Best combination | 2.6 | 90.0 ± 0.3 | 75.0 ± 0.3 |" in found
    begin = found.index("- On `weak` with 512 images, `best` is behind “Iso-CTS” by 5.0, “best without masks” by 1.0")
    assert (found[begin - 1], found[begin + 1]) == ("", "- A note")
    assert any("Of 9 planned cells, 4 have been measured" in line for line in found)
