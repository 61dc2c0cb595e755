"""The public link of `--share`: Gradio's tunnel to the read-only door, or a clear word on why there is none."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

OTHER_WAYS = (
    "Other ways: the page Share makes a self-contained HTML file of a run, a Space folder for Hugging Face, or view "
    "links that work where this server can be reached (`--host 0.0.0.0`)."
)


@dataclass
class Tunnel:
    """State of the public link; shown on the page Share."""

    wanted: bool = False
    port: int = 0
    """The read-only door on this machine that the tunnel leads to."""
    link: str = ""
    """Id of the view link that was made for it."""
    url: str = ""
    """Address without a path; empty while there is none."""
    problem: str = ""
    """Why there is none, in a sentence."""

    def open(self) -> None:
        """Ask for a tunnel to `port` of this machine. Failing is an expected state, not an error."""
        import httpx
        from gradio import networking
        from gradio.exceptions import ChecksumMismatchError

        try:
            self.url = networking.setup_tunnel("127.0.0.1", self.port, secrets.token_urlsafe(32), None, None)
        except (OSError, RuntimeError, ValueError, ChecksumMismatchError, httpx.HTTPError) as error:
            self.problem = (
                f"No public link could be opened ({type(error).__name__}): this machine does not seem to reach "
                f"Gradio's tunnel server. Everything else works. {OTHER_WAYS}"
            )
