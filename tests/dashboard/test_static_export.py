"""Files that leave the workspace: complete, self-contained, inert whatever the names in them are."""

from __future__ import annotations

import ast
import json
import re
import runpy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.encoders.family import architecture
from core.errors import BadInput, UnknownName
from core.export.card import loading_of, model_card
from core.export.render import for_markdown
from core.store import Store
from dashboard import settings
from dashboard.charts.columns import arrange
from dashboard.static_export.export import export
from tests.dashboard import synthetic
from tests.dashboard.loops import inside_loop

NASTY = "</script><script>window.__x=1</script><img src=x onerror=window.__x=1>"


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "runs") as opened:
        yield opened


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.slow
def test_the_file_holds_every_step_and_asks_for_nothing(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=4, blocks=3, steps=450, name="my run")
    export("page", store, run_id, tmp_path / "out" / "run.html")
    text = (tmp_path / "out" / "run.html").read_text("utf-8")
    whole = data_of(text)
    numbers = [number for answer in whole["history"] for number in answer["numbers"]]
    assert numbers == list(range(451))
    assert len(whole["history"]) == 3
    assert not whole["history"][-1]["more"]
    assert not re.search(
        r"<(script|img|iframe)[^>]+src=|<link|@import|url\(\s*['\"]?https?:", text.split("<script>")[0]
    )
    assert "default-src 'none'" in text
    assert "my run" in whole["describe"]["name"]


def test_coefficients_in_the_file_are_those_of_the_store(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=3, blocks=2, steps=8)
    export("page", store, run_id, tmp_path / "run.html")
    answer = data_of((tmp_path / "run.html").read_text("utf-8"))["history"][0]
    rows = store.steps(run_id)
    columns = arrange(store.run(run_id).groups)
    found = synthetic.decode(answer["coefficients"], rows[0].coefficients, columns)
    assert abs(found[-1] - rows[-1].coefficients).max() < 1e-3


@pytest.mark.slow
def test_five_hundred_steps_of_eight_tasks_fit_into_a_few_megabytes(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=8, blocks=12, steps=500)
    export("page", store, run_id, tmp_path / "run.html")
    assert (tmp_path / "run.html").stat().st_size < 4_500_000


@pytest.mark.slow
def test_names_can_neither_end_the_script_nor_become_markup(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=2, blocks=1, steps=2, name=NASTY[:100])
    titles = {"digits": NASTY}
    export("page", store, run_id, tmp_path / "run.html", titles=titles)
    export("figures", store, run_id, tmp_path / "figures.html", titles=titles)
    for file in ("run.html", "figures.html"):
        text = (tmp_path / file).read_text("utf-8")
        assert "<script>window.__x" not in text
        assert "<img src=x" not in text
    assert data_of((tmp_path / "run.html").read_text("utf-8"))["describe"]["name"] == NASTY


def test_a_run_that_goes_on_is_exported_as_it_stands(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.create(store, tasks=2, steps=10)
    store.set_status(run_id, "running")
    with pytest.raises(BadInput, match="no step yet"):
        export("page", store, run_id, tmp_path / "run.html")
    assert not (tmp_path / "run.html").exists()
    for step in list(synthetic.made_up(2, 10, synthetic.tensor_names(1)))[:4]:
        store.record(run_id, step)
    export("page", store, run_id, tmp_path / "run.html")
    whole = data_of((tmp_path / "run.html").read_text("utf-8"))
    assert whole["describe"]["status"] == whole["history"][-1]["status"] == "interrupted"


def test_unknown_runs_are_refused_and_leave_an_earlier_file_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "run.html").write_text("earlier")
    with pytest.raises(UnknownName):
        export("page", store, "0" * 12, tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["run.html"]


@pytest.mark.slow
def test_a_space_has_its_front_matter_and_an_app_that_is_python(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=2, blocks=1, steps=3, name="Merged: digits & more")
    written = export("space", store, run_id, tmp_path / "space")
    assert {path.name for path in written.iterdir()} == {
        "README.md",
        "requirements.txt",
        "app.py",
        "replay.html",
        "MODEL_CARD.md",
    }
    front = yaml.safe_load((tmp_path / "space" / "README.md").read_text("utf-8").split("---")[1])
    assert front["title"] == "Merged: digits & more"
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == version("gradio")
    assert front["app_file"] == "app.py"
    assert "gradio==" in (tmp_path / "space" / "requirements.txt").read_text()
    ast.parse((tmp_path / "space" / "app.py").read_text("utf-8"))
    export("space", store, run_id, tmp_path / "space")  # again over its own files


def test_a_space_never_overwrites_somebody_elses_folder(store: Store, tmp_path: Path) -> None:
    run_id = synthetic.finished(store, tasks=2, blocks=1, steps=3)
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match=r"thesis\.tex"):
        export("space", store, run_id, tmp_path / "space")
    assert [path.name for path in (tmp_path / "space").iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_the_space_serves_the_replay(store: Store, tmp_path: Path) -> None:
    settings.prepare()
    from starlette.testclient import TestClient

    run_id = synthetic.finished(store, tasks=2, blocks=1, steps=3, name="replayed")
    export("space", store, run_id, tmp_path / "space")
    space = inside_loop(lambda: runpy.run_path(str(tmp_path / "space" / "app.py"), run_name="space"))
    client = TestClient(space["app"])
    assert "replayed" in client.get("/replay").text
    assert 'src=\\"replay\\"' in client.get("/config").text


def test_the_model_card_tells_results_settings_and_how_to_load(store: Store) -> None:
    run_id = synthetic.finished(store, tasks=3, blocks=1, steps=5)
    card = model_card(store.run(run_id), {"digits": "Digits | 0–9"}, loading=loading_of(architecture("ViT-B-32")))
    front = yaml.safe_load(card.split("---")[1])
    assert "model-merging" in front["tags"]
    assert r"| Digits \| 0–9 |" in card
    assert re.search(r"\| Average \| 80\.0 % \|", card)
    assert "| objective | entropy |" in card
    assert "| lr | 0.001 |" in card
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert code
    assert "'ViT-B-32'" in code[1]
    ast.parse(code[1])


def test_markdown_signs_in_names_are_escaped() -> None:
    assert for_markdown("a|b *c* [d](x) <e>") == r"a\|b \*c\* \[d\](x) &lt;e&gt;"
