"""A hub of models on this machine: the part of its protocol that its own client needs for a download."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    """Serves the files of `directory` as the model `repo_id`; `asked` are the paths that were asked for."""

    protocol_version = "HTTP/1.1"
    repo_id: str
    directory: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nobody reads it."""

    def _answer(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        self.asked.append(path)
        api, files = f"/api/models/{self.repo_id}", f"/{self.repo_id}/resolve/{COMMIT}/"
        if path in (api, f"{api}/revision/main"):
            siblings = [{"rfilename": file.name} for file in self._files]
            self._send(200, json.dumps({"id": self.repo_id, "sha": COMMIT, "siblings": siblings}).encode(), with_body)
        elif path == f"{api}/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _blob(file)}
                for file in self._files
            ]
            self._send(200, json.dumps(tree).encode(), with_body)
        elif path.startswith(files) and (file := self.directory / path.removeprefix(files)) in self._files:
            self._send(200, file.read_bytes(), with_body, ("ETag", f'"{_blob(file)}"'), ("X-Repo-Commit", COMMIT))
        else:
            self._send(404, b"{}", with_body, ("X-Error-Code", "RepoNotFound"))

    @property
    def _files(self) -> list[Path]:
        return sorted(self.directory.iterdir())

    def _send(self, status: int, body: bytes, with_body: bool, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), ("Content-Type", "application/json"), *headers):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _blob(file: Path) -> str:
    return hashlib.sha1(file.name.encode()).hexdigest()  # noqa: S324 - any name will do


@contextmanager
def running_hub(repo_id: str, directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve one model; its URL and what was asked come back."""
    asked: list[str] = []
    handler = type("OneModel", (Hub,), {"repo_id": repo_id, "directory": directory, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
