"""Environment and launch arguments of the dashboard. `prepare()` runs before Gradio is imported."""

from __future__ import annotations

import os
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent / "assets" / "web"
UPLOAD_BYTES = 5 * 1024 * 1024
"""Cap of one upload by the owner: an image for the playground or a settings file."""
IMAGES_BYTES = 4 * 1024**3
"""Cap of one .zip file with a task's images; larger sets lie in a folder already."""
UPLOADS = {"/gradio_api/upload": UPLOAD_BYTES, "/images-upload": IMAGES_BYTES}
"""Where bodies may be larger than a form's."""
POLL_SECONDS = 0.7
"""Pause between two polls of a page on this machine; measured as smooth on two shared cores."""
POLL_SECONDS_SHARED = 3.0
"""The same on the public view, where strangers share the line."""
QUEUE = 40
"""Runs that wait at most: room for every method at once, and an end to a stuck mouse button."""
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]", "::1")

MOUNT = {
    "allowed_paths": [],
    "blocked_paths": [],
    "enable_monitoring": False,
    "footer_links": [],
    "max_file_size": "5mb",
    "mcp_server": False,
    "pwa": False,
    "run_history": False,
    "show_error": False,
    "ssr_mode": False,
    "app_kwargs": {"docs_url": None, "redoc_url": None, "openapi_url": None},
}
"""What every mounted Gradio app gets, whatever its page."""


def prepare() -> None:
    """Set the environment that Gradio reads while it is imported: no look-ups outside this machine."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("GRADIO_MCP_SERVER", "False")
