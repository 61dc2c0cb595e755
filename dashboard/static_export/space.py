"""A folder that can be pushed to a Hugging Face Space: it replays one run and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import yaml

from core.export.card import model_card
from core.export.render import for_markdown
from core.export.titles import run_title
from core.store import RunRecord
from dashboard.static_export.facts import summary, verdict
from dashboard.static_export.replay import Whole, page

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


def space(record: RunRecord, whole: Whole, titles: Mapping[str, str]) -> dict[str, str]:
    """The Space's files by name."""
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
    return {
        "README.md": readme,
        "requirements.txt": f"gradio=={version('gradio')}\n",
        "app.py": APP,
        "replay.html": page(record, whole, titles),
        "MODEL_CARD.md": model_card(record, titles, name=record.name),
    }
