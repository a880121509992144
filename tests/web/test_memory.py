"""What was freed is given back to the system."""

import asyncio
import ctypes

import pytest

from web import memory


@pytest.mark.virtual_time
async def test_a_process_that_has_grown_gives_back_what_it_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    resident, trimmed = [100 << 20], list[int]()

    class Library:
        def malloc_trim(self, pad: int) -> None:
            trimmed.append(pad)
            resident[0] = 101 << 20

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    monkeypatch.setattr(memory, "resident_bytes", lambda: resident[0])
    giving_back = asyncio.create_task(memory.giving_back())
    await asyncio.sleep(60)
    assert trimmed == []
    resident[0] = 150 << 20
    await asyncio.sleep(60)
    assert trimmed == [0]
    giving_back.cancel()


@pytest.mark.virtual_time
async def test_nothing_is_done_where_the_library_has_no_such_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    await memory.giving_back()


def test_the_resident_memory_is_known() -> None:
    assert 10 << 20 < memory.resident_bytes() < 100 << 30
