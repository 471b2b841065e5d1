"""A stand-in for the Hugging Face hub on loopback: what `guard models pull` asks of the real one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40
TOKEN = "hf_of_somebody_who_accepted"


@dataclass
class Hub:
    """Repositories by name, each with its files. `requests` are methods and paths, with the range that was asked for.

    Args:
        gated: repositories that want the token.
        cuts: how many transfers break after half of what is left.
        arriving: what is sent in place of a file's content.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    cuts: int = 0
    arriving: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which a process asks this hub."""
        return {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_TOKEN": "",
            "HF_TOKEN_PATH": "/dev/null",
            "no_proxy": "127.0.0.1,localhost",
        }

    def downloads(self) -> list[tuple[str, str]]:
        """The files that were sent, each with the range that was asked for."""
        return [(path.removeprefix("/cdn/"), span) for method, path, span in self.requests if path.startswith("/cdn/")]


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, *_values: object) -> None:
            pass

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("Range", "")))
            if path.startswith("/cdn/"):
                self._send_file(path.removeprefix("/cdn/"))
                return
            owner, name, *rest = path.removeprefix("/api/models").lstrip("/").split("/")
            repository, files = f"{owner}/{name}", hub.repositories.get(f"{owner}/{name}")
            revision = rest[1] if len(rest) > 1 else "main"
            if files is None:
                self._refuse(404, "RepoNotFound")
            elif repository in hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._refuse(403, "GatedRepo")
            elif revision not in ("main", COMMIT):
                self._refuse(404, "RevisionNotFound")
            elif path.startswith("/api/models/"):
                self._send_listing(repository, files)
            elif "/".join(rest[2:]) not in files:
                self._refuse(404, "EntryNotFound")
            else:
                self._redirect(repository, "/".join(rest[2:]))

        def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def _refuse(self, status: int, code: str) -> None:
            self._send(status, headers={"X-Error-Code": code, "X-Error-Message": "no"})

        def _send_listing(self, repository: str, files: dict[str, bytes]) -> None:
            siblings = [
                {
                    "rfilename": file,
                    "size": len(content),
                    "blobId": "0" * 40,
                    "lfs": {"size": len(content), "sha256": _digest(content), "pointerSize": 134},
                }
                for file, content in files.items()
            ]
            listing = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
            self._send(200, json.dumps(listing).encode(), {"Content-Type": "application/json"})

        def _redirect(self, repository: str, file: str) -> None:
            content = hub.repositories[repository][file]
            headers = {
                # The real hub has its files on another host, too.
                "Location": f"http://localhost:{hub.port}/cdn/{repository}/{file}",
                "ETag": f'"{_digest(content)}"',
                "X-Linked-Etag": f'"{_digest(content)}"',
                "X-Linked-Size": str(len(content)),
                "X-Repo-Commit": COMMIT,
            }
            self._send(302, headers=headers)

        def _send_file(self, place: str) -> None:
            owner, name, file = place.split("/", 2)
            content = hub.arriving.get(file, hub.repositories[f"{owner}/{name}"][file])
            span = self.headers.get("Range", "")
            start = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
            headers = {"Content-Length": str(len(content) - start)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            cut = self.command == "GET" and hub.cuts > 0
            hub.cuts -= cut
            end = start + (len(content) - start) // 2 if cut else len(content)
            self._send(206 if start else 200, content[start:end], headers)
            if cut:
                self.wfile.flush()
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="hub", daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
