"""The artefacts that are published: what is in them, and that they work where nothing else of the project is."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS, url_in
from tests.support.tiers import IS_LONG

PACKAGES = ("bench/__init__.py", "bench/load", "vad", "stream", "web")
LEADING = ("docs", *PACKAGES)
SINGLE = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def sources(*directories: str) -> set[str]:
    """Return the files of the project in some directories, those of the working tree that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *directories]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in listed if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a wheel and an sdist, built without a network."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=STUCK_SECONDS, check=True)
    return directory


def wheel_in(directory: Path) -> Path:
    (wheel,) = directory.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(built: Path) -> None:
    names = {name for name in names_in(wheel_in(built)) if ".dist-info/" not in name}
    assert names == sources(*PACKAGES)
    assert {"web/py.typed", "web/static/client/live.js", "web/migrations/env.py", "stream/lists/cities.tsv"} <= names


def test_the_sdist_has_the_sources_and_documents_and_nothing_else(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert names == sources(*LEADING) | SINGLE


def test_the_sdist_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=source, capture_output=True, timeout=STUCK_SECONDS, check=True)
    assert names_in(wheel_in(tmp_path)) == names_in(wheel_in(built))


@pytest.fixture(scope="module")
def commands(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the commands of an environment with the wheel; it borrows only the dependencies."""
    directory = tmp_path_factory.mktemp("installed")
    venv.create(directory, symlinks=True)
    python = directory / "bin" / "python"
    wheel = str(wheel_in(built))
    # No index and no dependencies: the network is not needed.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, wheel], timeout=STUCK_SECONDS, check=True)
    variables = {"base": str(directory), "platbase": str(directory)}
    # A path file adds the directory, but not the path files in it: the checkout is not on the path.
    (Path(sysconfig.get_path("purelib", vars=variables)) / "dependencies.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )
    return python.parent


def environment(directory: Path) -> dict[str, str]:
    """Return variables that lead to no checkout, and to no data of the user."""
    return {"HOME": str(directory), "NIYOSHA_DATABASE_URL": f"sqlite:///{directory / 'niyosha.db'}"}


def output_of(directory: Path, *command: str | Path) -> str:
    run = subprocess.run(
        command, cwd=directory, env=environment(directory), stdout=subprocess.PIPE, text=True, check=True
    )
    return run.stdout.strip()


@contextmanager
def serving(command: Path, directory: Path) -> Iterator[str]:
    arguments = [str(command), "serve", "--port", "0", "--quiet", "--riva-uri", "127.0.0.1:1"]
    with subprocess.Popen(
        arguments, cwd=directory, env=environment(directory), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield url_in(process.stdout.readline())
        finally:
            process.terminate()


@pytest.mark.skipif(not IS_LONG, reason="an environment of its own takes seconds")
def test_an_installed_wheel_serves_without_the_checkout(built: Path, commands: Path, tmp_path: Path) -> None:
    place = output_of(tmp_path, commands / "python", "-c", "import web; print(web.__file__)")
    assert Path(place).is_relative_to(commands.parent)
    version = wheel_in(built).name.split("-")[1]
    assert output_of(tmp_path, commands / "niyosha", "--version") == f"niyosha {version}"
    with serving(commands / "niyosha", tmp_path) as url, httpx.Client(base_url=url) as client:
        answers = {path: client.get(path).status_code for path in ("/livez", "/", "/static/client/live.js", "/docs")}
    assert answers == dict.fromkeys(answers, 200)
