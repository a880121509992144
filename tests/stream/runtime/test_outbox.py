import asyncio
from dataclasses import replace

import pytest

from stream.runtime.outbox import MOST_WAITING, Outbox
from stream.session.events import (
    Alternative,
    ClientEvent,
    EndCause,
    Finished,
    Hypothesis,
    Reason,
    Settled,
    Totals,
    Unsettled,
    Word,
)

pytestmark = pytest.mark.virtual_time

END = Finished((), Totals(), 0, 0.0, EndCause.CLOSE)


def hypothesis(text: str) -> Hypothesis:
    return Hypothesis((Alternative(tuple(Word(word) for word in text.split())),))


def unsettled(utterance_id: int, text: str) -> Unsettled:
    return Unsettled(utterance_id, hypothesis(text), 0, 0.0)


def settled(utterance_id: int, text: str) -> Settled:
    return Settled(utterance_id, hypothesis(text), Reason.ENDPOINT, 0, 0.0, was_shown=True)


async def drained(outbox: Outbox) -> list[object]:
    outbox.put(END)
    events: list[object] = []
    while not events or events[-1] is not END:
        events.append(await outbox.get())
    return events[:-1]


async def test_events_leave_in_order() -> None:
    outbox = Outbox()
    events: list[ClientEvent] = [unsettled(1, "a"), settled(2, "b"), unsettled(3, "c")]
    for event in events:
        outbox.put(event)
    assert await drained(outbox) == list(events)


async def test_a_newer_unsettled_text_replaces_a_waiting_one_of_its_utterance() -> None:
    outbox = Outbox()
    for event in (unsettled(1, "a"), unsettled(1, "a b"), unsettled(2, "c")):
        outbox.put(event)
    assert await drained(outbox) == [unsettled(1, "a b"), unsettled(2, "c")]


@pytest.mark.fault(7)
async def test_settled_text_replaces_waiting_unsettled_text_and_is_never_replaced() -> None:
    outbox = Outbox()
    for event in (unsettled(1, "a"), settled(1, "a."), unsettled(2, "b"), settled(2, "b."), settled(2, "b again.")):
        outbox.put(event)
    assert await drained(outbox) == [settled(1, "a."), settled(2, "b."), settled(2, "b again.")]


async def test_getting_waits_for_an_event_and_makes_room() -> None:
    outbox = Outbox()
    getting = asyncio.create_task(outbox.get())
    await asyncio.sleep(1)
    for number in range(MOST_WAITING + 1):
        outbox.put(settled(number, "a"))
    assert await getting == settled(0, "a")
    assert outbox.is_full
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(1)
    assert not waiting.done()
    await outbox.get()
    await waiting
    assert not outbox.is_full


async def test_new_text_that_waits_stays_new_when_only_its_turn_changes() -> None:
    outbox = Outbox()
    outbox.put(replace(unsettled(1, "a"), is_next=False))
    outbox.put(replace(unsettled(1, "a"), is_repeated=True))
    event = await outbox.get()
    assert isinstance(event, Unsettled)
    assert (event.is_next, event.is_repeated) == (True, False)
