"""A folder that can be pushed to a Hugging Face Space: it replays one run and computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import yaml

from core.errors import BadInput
from core.export.card import model_card
from core.export.render import for_markdown
from core.export.titles import run_title
from core.files import write_text
from core.store import Store
from dashboard.static_export.facts import summary, verdict
from dashboard.static_export.replay import html

FILES = ("README.md", "requirements.txt", "app.py", "replay.html", "MODEL_CARD.md")

APP = '''"""Replays one Mergescope run; the page in replay.html holds everything and asks nobody."""

import os
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

PAGE = (Path(__file__).parent / "replay.html").read_text("utf-8")
app = FastAPI()


@app.get("/replay", response_class=HTMLResponse)
def replay() -> str:
    """The page itself."""
    return PAGE


with gr.Blocks(title="Mergescope", fill_width=True, fill_height=True) as demo:
    gr.HTML('<iframe src="replay" title="Replay of a run" style="width:100%;height:92vh;border:0"></iframe>')

app = gr.mount_gradio_app(app, demo, path="/")

if __name__ == "__main__":
    uvicorn.run(app, host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), port=int(os.environ.get("PORT", "7860")))
'''


def write_space(
    store: Store,
    run_id: str,
    folder: Path,
    titles: Mapping[str, str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Write the Space's files into `folder`, which is made; returns them.

    Raises `BadInput` where the folder holds other files, so that nothing of somebody's is overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if others := sorted(path.name for path in folder.iterdir() if path.name not in (*FILES, ".git", ".gitattributes")):
        raise BadInput(f"`{folder}` should be empty or an earlier export. Found `{others[0]}`. Choose another folder.")
    record = store.run(run_id)
    title = run_title(record)
    front = {
        "title": title,
        "sdk": "gradio",
        "sdk_version": version("gradio"),
        "app_file": "app.py",
        "pinned": False,
        "tags": ["model-merging", "mergescope"],
    }
    readme = f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n# {for_markdown(title)}\n\n"
    readme += f"A replay of one run of Mergescope: {for_markdown(summary(record))}. Nothing is computed here.\n"
    if told := verdict(record):
        readme += f"\n{for_markdown(told)}\n"
    content = {
        "README.md": readme,
        "requirements.txt": f"gradio=={version('gradio')}\n",
        "app.py": APP,
        "replay.html": html(store, record, titles, tick),
        "MODEL_CARD.md": model_card(record, titles, name=record.name),
    }
    for file, text in content.items():
        write_text(folder / file, text)
    return [folder / file for file in content]
