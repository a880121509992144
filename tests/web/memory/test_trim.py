"""Freed memory is returned to the system."""

import asyncio
import ctypes

import pytest

from web.memory import trim


@pytest.mark.virtual_time
async def test_what_was_freed_is_given_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    free, trimmed = [100 << 20], list[int]()

    class Library:
        def malloc_trim(self, pad: int) -> None:
            trimmed.append(pad)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    monkeypatch.setattr(trim, "_free_bytes_of", lambda _: lambda: free[0])
    giving_back = asyncio.create_task(trim.keep_trimming())
    for now_free, times in ((100 << 20, 0), (50 << 20, 0), (70 << 20, 1), (75 << 20, 1), (60 << 20, 1), (72 << 20, 2)):
        free[0] = now_free
        await asyncio.sleep(60)
        assert len(trimmed) == times
    giving_back.cancel()


@pytest.mark.virtual_time
async def test_nothing_is_done_where_the_library_has_no_such_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    await trim.keep_trimming()


def test_the_free_bytes_of_the_heap_are_known() -> None:
    library = ctypes.CDLL(None)
    free_bytes = trim._free_bytes_of(library)
    if free_bytes is None:
        pytest.skip("another C library")
    held = [bytes(100_000) for _ in range(200)]
    before = free_bytes()
    del held[::2]
    assert free_bytes() - before > 9_000_000
    assert library.malloc_trim(0) in (0, 1)
