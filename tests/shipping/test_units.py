"""The units of systemd."""

import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from shutil import which

import pytest

from tests.shipping.commands import check_command
from tests.support.places import ROOT
from web.process.serve import stop_seconds
from web.settings.settings import Settings

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_and_waits_for_its_stop(unit: Path) -> None:
    text = unit.read_text()
    parser = ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    service = parser["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == "/opt/niyosha/bin/niyosha"
    check_command(words)
    assert int(service["TimeoutStopSec"]) > stop_seconds(Settings())
    assert service["EnvironmentFile"] == f"-/etc/niyosha/{unit.stem}.env"
    assert service["StateDirectory"] == unit.stem
    assert (service["DynamicUser"], service["NoNewPrivileges"]) == ("yes", "yes")


@pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/niyosha/bin/niyosha", sys.executable))
    verified = subprocess.run(
        ["systemd-analyze", "verify", here], capture_output=True, text=True, timeout=30, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
