"""Set the version of a release everywhere, and date its part of the changelog.

python -m deploy.release VERSION [DIRECTORY]
"""

import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Where the version is written, and what is around it; each must be there.
PLACES = {
    "pyproject.toml": r'(?m)^(version = ")[^"]+(")',
    "Containerfile": r"(--tag niyosha-\w+:)\S+()",
    "deploy/compose.yaml": r"(image: niyosha-\w+:)\S+()",
    "deploy/compose.riva.yaml": r"(image: niyosha-\w+:)\S+()",
    "deploy/kubernetes/base/kustomization.yaml": r"(newTag: )[^\s}]+()",
    "deploy/kubernetes/embedded/kustomization.yaml": r"(newTag: )[^\s}]+()",
    "docs/deployment.md": r"(niyosha-engine:)[\w.]+()",
}
_NUMBERS = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_UNRELEASED = "## Unreleased\n"


class ReleaseError(Exception):
    """The release cannot be prepared; `str()` says why."""


def prepare(root: Path, version: str, today: date) -> None:
    """Write the version into the files of a checkout; raises ReleaseError, and then changes nothing."""
    texts = {name: (root / name).read_text() for name in [*PLACES, "CHANGELOG.md"]}
    found = re.search(PLACES["pyproject.toml"].replace('[^"]+', '([^"]+)'), texts["pyproject.toml"])
    current = found[2] if found else ""
    if not _NUMBERS.fullmatch(version) or _numbers(version) <= _numbers(current):
        raise ReleaseError(f"the version is {version!r}; it must be three numbers such as 0.2.0, after {current}")
    for name, pattern in PLACES.items():
        texts[name], replaced = re.subn(pattern, rf"\g<1>{version}\g<2>", texts[name])
        if not replaced:
            raise ReleaseError(f"{name} names no version")
    before, heading, changes = texts["CHANGELOG.md"].partition(_UNRELEASED)
    if not heading or not re.search(r"^- ", changes.partition("\n## ")[0], re.MULTILINE):
        raise ReleaseError("the changelog has nothing under Unreleased")
    texts["CHANGELOG.md"] = f"{before}{_UNRELEASED}\n## {version} ({today.isoformat()})\n{changes}"
    for name, text in texts.items():
        (root / name).write_text(text)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def main(arguments: list[str]) -> None:
    """Prepare a release in the checkout, or in another directory."""
    match arguments:
        case [version]:
            root = ROOT
        case [version, directory]:
            root = Path(directory)
        case _:
            raise SystemExit("give the version, as in: make release VERSION=0.2.0")
    try:
        prepare(root, version, datetime.now(UTC).date())
    except ReleaseError as error:
        raise SystemExit(f"release: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
