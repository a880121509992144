"""The cores that a process may use: its affinity, and the share of its container."""

import os
from pathlib import Path

import pytest

from web.settings.cores import usable_cores

V1, V2 = Path("sys/fs/cgroup/cpu"), Path("sys/fs/cgroup")


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("9900000 100000", 8),
        ("", 8),
    ],
)
def test_the_share_of_a_container_bounds_the_cores(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / V2).mkdir(parents=True)
    (tmp_path / V2 / "cpu.max").write_text(limit)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_the_first_version_of_control_groups_is_known_too(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / V1).mkdir(parents=True)
    (tmp_path / V1 / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / V1 / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path) == cores


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 8
