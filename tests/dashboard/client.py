"""Calls a dashboard as its scripts do: reads /config, calls server functions by name and events by index."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import httpx

POLLED = ("history", "runs_list")
"""What has a route of its own (`dashboard.polls`)."""


class Dashboard:
    """One mounted Gradio app behind an httpx client (Starlette's TestClient is one); `prefix` is empty or `/view`."""

    def __init__(self, http: httpx.Client, prefix: str = "", config: dict[str, Any] | None = None) -> None:
        """`config` spares a caller that may not read it."""
        self.http, self.prefix = http, prefix
        if config is not None:
            self.config = config

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @cached_property
    def config(self) -> dict[str, Any]:
        """What Gradio tells its page, read when it is first needed."""
        return dict(self.http.get(f"{self.prefix}/config").json())

    @property
    def functions(self) -> dict[str, int]:
        """Server function -> id of the component that has it."""
        return {
            name: component["id"]
            for component in self.config["components"]
            for name in component["props"].get("server_fns", [])
        }

    def post(self, name: str, args: Any) -> httpx.Response:
        """Call a server function, or what pages poll, and return the raw answer."""
        if name in POLLED:
            return self.http.post(f"{self.prefix}/poll/{name}", json=args)
        body = {"data": args, "component_id": self.functions[name], "fn_name": name, "session_hash": "test"}
        return self.http.post(f"{self.prefix}/gradio_api/component_server", json=body)

    def call(self, function: str, /, **args: Any) -> Any:
        """Call a server function and return its value."""
        answer = self.post(function, args)
        assert answer.status_code == 200, (function, answer.status_code, answer.text[:300])
        return answer.json()
