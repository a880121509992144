"""A hub of models on this machine: the part of its protocol that its own client needs for a download."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

COMMIT = "c" * 40


@dataclass
class Faults:
    """What the hub does wrong: how many bytes of the weights it sends before it ends a connection, once for each item
    of `cuts`; whether it knows no ranges; whether it changes the first byte; which status it answers for files.
    """

    cuts: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    damages: bool = False
    status: int = 200


class Hub(BaseHTTPRequestHandler):
    """Serves the files of `directory` as the model `repo_id`; `asked` are the paths that were asked for."""

    protocol_version = "HTTP/1.1"
    repo_id: str
    directory: Path
    asked: list[str]
    faults: Faults

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nobody reads it."""

    def _answer(self, *, with_body: bool) -> None:
        path, query = urlsplit(self.path)[2:4]
        first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.asked.append(f"{path}{first[0] if first else ''}")
        api, files = f"/api/models/{self.repo_id}", f"/{self.repo_id}/resolve/{COMMIT}/"
        if path in (api, f"{api}/revision/main"):
            siblings = [{"rfilename": file.name} | (_facts(file) if "blobs" in query else {}) for file in self._files]
            self._send(200, json.dumps({"id": self.repo_id, "sha": COMMIT, "siblings": siblings}).encode(), with_body)
        elif path == f"{api}/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _blob(file)}
                for file in self._files
            ]
            self._send(200, json.dumps(tree).encode(), with_body)
        elif path.startswith(files) and (file := self.directory / path.removeprefix(files)) in self._files:
            self._send_file(file, int(first[1]) if first and self.faults.knows_ranges else 0, with_body)
        else:
            self._send(404, b"{}", with_body, ("X-Error-Code", "RepoNotFound"))

    def _send_file(self, file: Path, begin: int, with_body: bool) -> None:
        body = file.read_bytes()
        if self.faults.damages:
            body = bytes([body[0] ^ 1]) + body[1:]
        if self.faults.status != 200:
            self._send(self.faults.status, b"", with_body)
            return
        headers = (("ETag", f'"{_blob(file)}"'), ("X-Repo-Commit", COMMIT))
        cut = self.faults.cuts.pop(0) if is_large(file) and self.faults.cuts else None
        self._send(206 if begin else 200, body[begin:], with_body, *headers, cut=cut)

    @property
    def _files(self) -> list[Path]:
        return sorted(self.directory.iterdir())

    def _send(
        self, status: int, body: bytes, with_body: bool, *headers: tuple[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), ("Content-Type", "application/json"), *headers):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body[:cut])
        self.close_connection = cut is not None


def is_large(file: Path) -> bool:
    """Whether the hub keeps a file by its SHA-256, as it does weights."""
    return file.suffix in {".bin", ".onnx"}


def _facts(file: Path) -> dict[str, object]:
    size = file.stat().st_size
    large = {"lfs": {"size": size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "pointerSize": 134}}
    return {"size": size, "blobId": _git_id(file)} | (large if is_large(file) else {})


def _blob(file: Path) -> str:
    return hashlib.sha1(file.name.encode()).hexdigest()  # noqa: S324 - any name will do


def _git_id(file: Path) -> str:
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - it is Git's


@contextmanager
def running_hub(repo_id: str, directory: Path, faults: Faults | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve one model; its URL and what was asked come back."""
    asked: list[str] = []
    values = {"repo_id": repo_id, "directory": directory, "asked": asked, "faults": faults or Faults()}
    handler = type("OneModel", (Hub,), values)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
