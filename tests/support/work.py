"""The work that something does, counted so that every machine counts the same."""

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

# So many bytes count as a line, of which they take less time: copying should show where it grows.
_BYTES_A_LINE = 16


def work_of(action: Callable[[], object]) -> int:
    """How many lines of Python an action executes, and how many bytes it allocates, in units of a line.

    Work within C that allocates nothing, such as a search, is not seen.
    """
    lines = allocated = 0

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines, allocated
        held, peak = tracemalloc.get_traced_memory()
        # What was allocated since the line before, even if it is free again.
        allocated += max(0, peak - before[0])
        before[0] = held
        tracemalloc.reset_peak()
        lines += event == "line"
        return trace

    before = [0]
    tracer = sys.gettrace()
    tracemalloc.start()
    try:
        before[0] = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        sys.settrace(trace)
        action()
    finally:
        sys.settrace(tracer)
        tracemalloc.stop()
    return lines + allocated // _BYTES_A_LINE
