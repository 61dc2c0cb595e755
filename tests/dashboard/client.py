"""Asks a dashboard as its scripts do."""

from __future__ import annotations

from typing import Any, Self

import httpx


class Dashboard:
    """One of the two apps behind an httpx client (Starlette's TestClient is one); `prefix` is empty or `/view`."""

    def __init__(self, http: httpx.Client, prefix: str = "") -> None:
        self.http, self.prefix = http, prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def config(self) -> dict[str, Any]:
        """What Gradio tells its page."""
        return dict(self.http.get(f"{self.prefix}/config").json())

    def post(self, name: str, args: Any) -> httpx.Response:
        """Ask a question and return the raw answer."""
        return self.http.post(f"{self.prefix}/ask/{name}", json=args)

    def call(self, question: str, /, **args: Any) -> Any:
        """Ask a question and return what is answered."""
        answer = self.post(question, args)
        assert answer.status_code == 200, (question, answer.status_code, answer.text[:300])
        return answer.json()
