"""The number of cores that this process may use."""

import math
import os
from pathlib import Path

_ROOT = Path("/")
_PERIOD_V1, _QUOTA_V1 = "sys/fs/cgroup/cpu/cpu.cfs_period_us", "sys/fs/cgroup/cpu/cpu.cfs_quota_us"
_MAX_V2 = "sys/fs/cgroup/cpu.max"


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may run on, at least one.

    A container's share of the processors, which the kernel keeps below `root`, counts as cores, rounded up.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _share(root))))


def _share(root: Path) -> float:
    """Return the share as a number of cores, infinite for none (Linux: cgroup-v2.rst, sched-bwc.rst)."""
    try:
        if (root / _MAX_V2).exists():
            quota, period = (root / _MAX_V2).read_text().split()
        else:
            quota, period = (root / _QUOTA_V1).read_text(), (root / _PERIOD_V1).read_text()
        share = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such files, or `max` for no limit
        return math.inf
    return share if share > 0 else math.inf
