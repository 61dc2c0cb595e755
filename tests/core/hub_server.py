"""A server on this machine that speaks the endpoints of the hub that are used.

Models lie in folders `owner/name`, data sets in `datasets/owner/name`.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """What the server has, how it misbehaves, and what it was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = ""
        self.requests: list[tuple[str, str | None]] = []
        """Path and `Range` of every request for a file."""
        self.break_after: list[int] = []
        """Bytes after which the next answers break off."""
        self.spoil = False
        """Answer with other bytes than announced."""

    def add(self, repo: str, files: dict[str, bytes]) -> None:
        """Put files into a repository."""
        for name, data in files.items():
            path = self.root / repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """The running server."""
    hub = Hub(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Be quiet."""

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if asked := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/(revision|tree)/(.+)", path):
                self._list(("datasets/" if asked[1] == "datasets" else "") + asked[2], asked[3], asked[4])
            elif file := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self._file(hub.root / file[1] / file[3])
            else:
                self._refuse(404, "EntryNotFound")

        do_HEAD = do_GET

        def _list(self, repo: str, what: str, revision: str) -> None:
            if repo == "gated/model":
                return self._refuse(403, "GatedRepo")
            if not (hub.root / repo).is_dir():
                return self._refuse(401, "RepoNotFound")
            if revision not in ("main", COMMIT, "refs/convert/parquet"):
                return self._refuse(404, "RevisionNotFound")
            files = []
            for path in sorted(file for file in (hub.root / repo).rglob("*") if file.is_file()):
                data, name = path.read_bytes(), path.relative_to(hub.root / repo).as_posix()
                entry = {"rfilename": name, "path": name, "type": "file", "size": len(data), "oid": "0" * 40}
                if path.suffix != ".json":
                    sha = hashlib.sha256(data).hexdigest()
                    entry["lfs"] = {"sha256": sha, "oid": sha, "size": len(data), "pointerSize": 134}
                files.append(entry)
            listing = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": files}
            return self._answer(200, json.dumps(files if what == "tree" else listing).encode())

        def _file(self, path: Path) -> None:
            wanted = self.headers.get("Range")
            if self.command == "GET":
                hub.requests.append((path.name, wanted))
            data = path.read_bytes()
            if hub.spoil:
                data = bytes(len(data))
            begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            part = data[begin:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.break_after and path.suffix == ".safetensors":
                self.wfile.write(part[: hub.break_after.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(part)

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, status: int, code: str) -> None:
            self._answer(status, b"{}", X_Error_Code=code, X_Error_Message=code)

    return Handler
