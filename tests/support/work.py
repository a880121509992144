"""Count the work of code in a way that is the same on every machine."""

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

# So many bytes count as one line, although they take less time, so that growing copies show.
_BYTES_A_LINE = 16


def work_of(action: Callable[[], object]) -> int:
    """Return the number of Python lines that an action executes, plus its allocations in units of a line.

    Work in C that allocates nothing, such as a search, is not counted.
    """
    lines = allocated = 0

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines, allocated
        held, peak = tracemalloc.get_traced_memory()
        # What was allocated since the previous line, even if it was freed again.
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
