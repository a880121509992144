"""Children by a script, for supervisors on the virtual clock."""

import asyncio

from web.supervision.parent_process import READY

KILLED = -9


class ScriptedChild:
    """Is ready after `loads` seconds, beats until `silent_after`, and works then or does not; dies by itself or not."""

    def __init__(
        self,
        *,
        loads: float = 1.0,
        silent_after: float = 1e9,
        beats_while_loading: bool = True,
        works: bool = False,
        dies: tuple[float, int] | None = None,
        drains: float | None = None,
    ) -> None:
        self.pid = 4711
        self.signals = 0
        self._drains = drains
        self.began = self.ended_at = -1.0
        self.was_killed = self.was_stopped = False
        self._loads, self._silent_after, self._works, self._dies = loads, silent_after, works, dies
        self._beats_while_loading = beats_while_loading
        self._is_ready = False
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        if self._dies is not None:
            loop.call_later(self._dies[0], self._end, self._dies[1])

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    async def read(self) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            age = loop.time() - self.began
            if self._code.done():
                return b""
            if age > self._silent_after or (age < self._loads and not self._beats_while_loading):
                continue
            if age >= self._loads and not self._is_ready:
                self._is_ready = True
                return f".{READY} unix:x\n".encode()
            return b"."

    def is_working(self) -> bool:
        return self._works

    def kill(self) -> None:
        self.was_killed = True
        self._end(KILLED)

    def terminate(self) -> None:
        """End within `drains` seconds, or not at all; at the second signal at once, with 1."""
        self.signals += 1
        if self.signals > 1:
            self._end(1)
        elif self._drains is not None:
            asyncio.get_running_loop().call_later(self._drains, self._end, 0)

    async def stop(self) -> None:
        self.was_stopped = True
        self._end(0)

    def _end(self, code: int) -> None:
        if not self._code.done():
            self.ended_at = asyncio.get_running_loop().time()
            self._code.set_result(code)
