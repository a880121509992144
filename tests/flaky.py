"""Run the suite again and again on a busy machine, and print each test that did not pass every time.

    python -m tests.flaky --runs 10 --workers 4 --busy 1 [-- PYTEST ARGUMENTS]

Exits with 1 if there was such a test.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

# A suite that hangs is a failure like any other.
_LONGEST_RUN_SECONDS = 3600


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep so many cores busy meanwhile."""
    processes = [subprocess.Popen(["yes"], stdout=subprocess.DEVNULL) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def failures(report: Path) -> dict[str, str]:
    """Each test that failed or could not run, with the last line of what it said; raises OSError, ParseError."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  our own pytest wrote it
        for problem in (*case.iter("failure"), *case.iter("error")):
            text = (problem.get("message") or problem.text or "").strip()
            found[f"{case.get('classname')}::{case.get('name')}"] = text.splitlines()[0][:300] if text else ""
    return found


def run(workers: int, report: Path, arguments: list[str]) -> dict[str, str]:
    """Run the suite once; a run that ends without a report has failed as a whole."""
    spread = (f"--numprocesses={workers}", "--dist=loadfile", "--no-loadscope-reorder")
    command = [sys.executable, "-m", "pytest", "-q", *spread]
    try:
        ended = subprocess.run(
            [*command, f"--junitxml={report}", *arguments],
            stdout=subprocess.DEVNULL,
            timeout=_LONGEST_RUN_SECONDS,
            check=False,
        )
        found = failures(report)
    except (OSError, subprocess.TimeoutExpired, ElementTree.ParseError) as error:
        return {"the whole run": str(error)}
    return found or ({} if ended.returncode == 0 else {"the whole run": f"pytest exited with {ended.returncode}"})


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.flaky", description=__doc__)
    options.add_argument("--runs", type=int, default=10)
    options.add_argument("--workers", type=int, default=4)
    options.add_argument("--busy", type=int, default=0, metavar="LOOPS", help="loops that keep a core busy meanwhile")
    options.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    chosen = options.parse_args()
    times: Counter[str] = Counter()
    reasons: defaultdict[str, set[str]] = defaultdict(set)
    with tempfile.TemporaryDirectory(prefix="flaky-") as folder, busy(chosen.busy):
        for number in range(1, chosen.runs + 1):
            began = time.monotonic()
            found = run(chosen.workers, Path(folder) / f"{number}.xml", chosen.pytest)
            minutes = (time.monotonic() - began) / 60
            print(f"run {number} of {chosen.runs}: {len(found)} failed, {minutes:.1f} min", flush=True)
            for name, reason in found.items():
                print(f"  {name}: {reason}", flush=True)
                times[name] += 1
                reasons[name].add(reason)
    for name, count in times.most_common():
        print(f"{name} failed {count} of {chosen.runs} times: {'; '.join(sorted(reasons[name]))}")
    if not times:
        print(f"every test passed {chosen.runs} of {chosen.runs} times")
    return 1 if times else 0


if __name__ == "__main__":
    sys.exit(main())
