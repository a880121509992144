"""Run a command's coroutine to its end, and the process within its limit."""

import asyncio
import sys
from collections.abc import Callable, Coroutine

from web.process.stopping import within_limit

_loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
try:
    from uvloop import new_event_loop
except ImportError:
    pass
else:
    _loop_factory = new_event_loop


def run(main: Coroutine[None, None, None]) -> None:
    """Run on uvloop where there is one; Ctrl-C ends quietly."""
    runner, code = asyncio.Runner(loop_factory=_loop_factory), 1
    try:
        runner.run(main)
        code = 0
    except KeyboardInterrupt:
        code = 130
        sys.exit(code)
    finally:
        with within_limit(code):
            runner.close()
