"""Where decodes of tests run: on the clock of the loop, without threads, each for as long as the test says."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

Work = Callable[[], Any]


class TimedPool(Executor):
    """Does all work at once, and gives what came of it after `seconds` of the loop's clock."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.running = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.running += 1
        promised, done = Future[Any](), Future[Any]()
        promised.set_running_or_notify_cancel()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        asyncio.get_running_loop().call_later(self.seconds, self._give, promised, done)
        return promised

    def _give(self, promised: "Future[Any]", done: "Future[Any]") -> None:
        self.running -= 1
        if error := done.exception():
            promised.set_exception(error)
        else:
            promised.set_result(done.result())
