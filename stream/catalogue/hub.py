"""Download a model of the catalogue from the hub: listed, resumed, and compared with its digests."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from errno import ENOSPC
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from filelock import FileLock, Timeout

from stream.catalogue.models import CatalogueModel
from stream.catalogue.places import directory_of, partial_directory
from stream.lazy_import import lazy_import

if TYPE_CHECKING:
    import huggingface_hub
    import huggingface_hub.errors as hub_errors
    import huggingface_hub.hf_api as hub_api
    from huggingface_hub import constants
else:
    constants = lazy_import("huggingface_hub.constants")
    huggingface_hub = lazy_import("huggingface_hub")
    hub_errors = lazy_import("huggingface_hub.errors")

# The hub's own client waits six minutes for a hub that does not answer.
ANSWER_SECONDS = 5.0
_SILENCE_SECONDS = 30.0  # a download without a byte for so long is broken off
_RETRIES_WITHOUT_PROGRESS = 2
_MB = 1e6


class DownloadError(Exception):
    """A model cannot be downloaded; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file on the hub; its `digest`, in hexadecimal, is its SHA-256, or Git's SHA-1 for a small file (`is_git`)."""

    name: str
    size_bytes: int
    digest: str
    is_git: bool = False


Progress = Callable[[int, int], None]
"""Receives how many bytes of a download are there, and how many all files have."""


def download(model: CatalogueModel, show: Progress) -> Path:
    """Download a model into its directory, which is returned; what is there already is not loaded again.

    A download that was broken off goes on where it ended. Each file is compared with its digest: that of the catalogue
    or else the hub's. Raises DownloadError. Blocks until done.
    """
    directory = directory_of(model)
    if directory.is_dir():
        return directory
    commit, files = _listing(model)
    partial = partial_directory(model, commit)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with FileLock(partial.with_suffix(".lock"), blocking=False):
            if directory.is_dir():
                return directory
            _check_space(partial, files)
            _load_all(model, commit, files, partial, show)
            partial.rename(directory)
        shutil.rmtree(partial.parent, ignore_errors=True)
    except Timeout as error:
        raise DownloadError(f"another process is downloading {model.name}; wait for it") from error
    except OSError as error:
        if error.errno == ENOSPC:
            raise _too_little_space(partial, files) from error
        raise DownloadError(f"{model.name} cannot be stored in {directory.parent}: {error.strerror}") from error
    return directory


def _listing(model: CatalogueModel) -> tuple[str, list[HubFile]]:
    """Return the newest commit of a model and the files that the engine loads."""
    try:
        info = huggingface_hub.HfApi(endpoint=constants.ENDPOINT).model_info(
            model.repo_id, timeout=ANSWER_SECONDS, files_metadata=True
        )
    except (hub_errors.GatedRepoError, hub_errors.RepositoryNotFoundError) as error:
        raise DownloadError(
            f"the hub gives {model.repo_id} to nobody without permission, or no longer has it; look at its page, "
            "and set HF_TOKEN where it asks for one"
        ) from error
    except Exception as error:  # the client passes on exceptions of several libraries
        raise _unreachable(error) from error
    siblings = [one for one in info.siblings or () if "/" not in one.rfilename]
    files = [
        _file(one, model.sha256)
        for one in siblings
        if any(fnmatchcase(one.rfilename, pattern) for pattern in model.files)
    ]
    for pattern in model.files:
        if not any(fnmatchcase(file.name, pattern) for file in files):
            names = ", ".join(one.rfilename for one in siblings[:20]) or "none"
            raise DownloadError(
                f"{model.repo_id} on the hub has no {pattern}, which the engine needs; its files: {names}"
            )
    return str(info.sha), files


def _file(sibling: "hub_api.RepoSibling", known: Mapping[str, str]) -> HubFile:
    name, size_bytes = sibling.rfilename, sibling.size or 0
    if name in known:
        return HubFile(name=name, size_bytes=size_bytes, digest=known[name])
    if sibling.lfs is not None:
        return HubFile(name=name, size_bytes=sibling.lfs.size, digest=sibling.lfs.sha256)
    return HubFile(name=name, size_bytes=size_bytes, digest=sibling.blob_id or "", is_git=True)


def _load_all(model: CatalogueModel, commit: str, files: Sequence[HubFile], directory: Path, show: Progress) -> None:
    total_bytes = sum(file.size_bytes for file in files)
    done_bytes = 0
    timeout = httpx.Timeout(_SILENCE_SECONDS, connect=ANSWER_SECONDS)
    with httpx.Client(headers=_headers(), timeout=timeout, follow_redirects=True) as client:
        for file in files:
            before_bytes = done_bytes
            url = huggingface_hub.hf_hub_url(model.repo_id, file.name, revision=commit, endpoint=constants.ENDPOINT)
            for size_bytes in _load(client, url, file, directory / file.name):
                show(before_bytes + size_bytes, total_bytes)
            _compare(file, directory / file.name)
            done_bytes += file.size_bytes


def _headers() -> dict[str, str]:
    token = huggingface_hub.get_token()
    # Compressed answers could not be resumed by their position.
    return {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})


def _load(client: httpx.Client, url: str, file: HubFile, path: Path) -> Iterator[int]:
    """Load what is missing of a file, and yield its size in bytes as it grows; raises DownloadError."""
    failures = 0
    while (begin := _size(path)) < file.size_bytes or not path.exists():
        yield begin
        reason = "the answer ended early"
        try:
            yield from _append(client, url, path, begin)
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise DownloadError(f"the hub refuses {file.name} with status {status}; try again later") from error
        except httpx.HTTPError as error:
            reason = _first_line(error)
        failures = 0 if _size(path) > begin else failures + 1
        if failures > _RETRIES_WITHOUT_PROGRESS:
            there, total = _size(path) / _MB, file.size_bytes / _MB
            raise DownloadError(
                f"the download of {file.name} broke off after {there:.1f} of {total:.1f} MB: {reason}; "
                "the same command goes on from there"
            )
    yield file.size_bytes


def _append(client: httpx.Client, url: str, path: Path, begin: int) -> Iterator[int]:
    """Append what the hub sends from a position in bytes on, and yield the size after each piece."""
    with client.stream("GET", url, headers={"Range": f"bytes={begin}-"} if begin else {}) as response:
        response.raise_for_status()
        # A server that knows no ranges sends the whole file.
        is_rest = response.status_code == HTTPStatus.PARTIAL_CONTENT
        with path.open("ab" if is_rest else "wb") as destination:
            for piece in response.iter_bytes():
                destination.write(piece)
                yield destination.tell()


def _compare(file: HubFile, path: Path) -> None:
    """Compare a file with its digest, and delete it if it is another one; raises DownloadError."""
    with path.open("rb") as content:
        if file.is_git:
            data = content.read()
            digest = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        else:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    if file.digest and digest != file.digest:
        path.unlink()
        kind = "Git id" if file.is_git else "sha256"
        raise DownloadError(
            f"{file.name} is damaged, and was deleted: its {kind} is {digest} instead of {file.digest}; "
            "the same command loads it again"
        )


def _check_space(directory: Path, files: Sequence[HubFile]) -> None:
    if shutil.disk_usage(directory).free < _missing_bytes(directory, files):
        raise _too_little_space(directory, files)


def _too_little_space(directory: Path, files: Sequence[HubFile]) -> DownloadError:
    free, missing = shutil.disk_usage(directory).free / _MB, _missing_bytes(directory, files) / _MB
    return DownloadError(
        f"there is too little space in {directory.parents[1]}: {missing:.1f} MB are missing, {free:.1f} MB are free; "
        "make room, or set HF_HOME to a directory with more"
    )


def _missing_bytes(directory: Path, files: Sequence[HubFile]) -> int:
    return sum(max(file.size_bytes - _size(directory / file.name), 0) for file in files)


def _unreachable(error: Exception) -> DownloadError:
    return DownloadError(
        f"the hub at {constants.ENDPOINT} cannot be reached: {_first_line(error)}; check the connection "
        "(HF_ENDPOINT, HTTPS_PROXY), or load the files elsewhere and name their directory in NIYOSHA_MODEL"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
