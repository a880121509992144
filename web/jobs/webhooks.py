"""Post settled lines and ended recordings to the addresses that their owners registered."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import msgspec
import structlog

from stream.channels.writing import LineBody
from vad import SAMPLE_RATE
from web.clock import Clock
from web.fetch.download import FetchOptions
from web.fetch.posting import POST_SECONDS, PostError, posted
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.webhooks import Event, Found, Webhook, Webhooks

SIGNATURE_HEADER = "Niyosha-Signature"
_POLL_SECONDS = 2.0
# How often webhooks of other processes are looked for where there were none, and old deliveries are deleted.
_IDLE_SECONDS = 60.0
_MOST_AT_ONCE = 16
# Another process posts to a webhook whose process died after so long.
_CLAIM_SECONDS = POST_SECONDS + 20.0
_log = structlog.get_logger()


class LineEvent(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True, tag="line"):
    """A line of a channel was settled, corrected or hidden; it replaces the one with its number."""

    id: str
    channel: str
    line: LineBody
    change_id: int


class RecordingEvent(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True, tag="recording"
):
    """A long recording was recognized, or failed."""

    id: str
    transcription_id: str
    status: str
    duration: float
    error: str | None = None


class WebhookSender:
    """Posts what waits in the tables, in order for each webhook, to several at once. `clock` tells the time of day."""

    def __init__(self, webhooks: Webhooks, options: FetchOptions, *, clock: Clock) -> None:
        self._webhooks = webhooks
        self._options = options
        self._clock = clock
        self._posting: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Collect and post until cancelled."""
        loop = asyncio.get_running_loop()
        swept_at = -_IDLE_SECONDS
        async with self._ended_tasks():
            while True:
                has_webhooks = False
                try:
                    has_webhooks = await self._webhooks.collect(body_of)
                    if has_webhooks:
                        await self._begin()
                    if loop.time() - swept_at >= _IDLE_SECONDS:
                        swept_at = loop.time()
                        await self._webhooks.sweep()
                except DatabaseUnavailableError:  # the next time tries again
                    pass
                except Exception:
                    _log.exception("webhooks_not_posted")
                if has_webhooks:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    await self._webhooks.made.wait(_IDLE_SECONDS)

    async def _begin(self) -> None:
        """Begin to post to the webhooks that are due, as many as there is room for."""
        for webhook in await self._webhooks.due(2 * _MOST_AT_ONCE):
            if len(self._posting) >= _MOST_AT_ONCE:
                return
            if webhook.id not in self._posting and await self._webhooks.claim(webhook.id, _CLAIM_SECONDS):
                task = asyncio.create_task(self._post_all(webhook))
                self._posting[webhook.id] = task
                task.add_done_callback(partial(self._ended, webhook.id))

    def _ended(self, webhook_id: str, _: asyncio.Task[None]) -> None:
        del self._posting[webhook_id]

    @asynccontextmanager
    async def _ended_tasks(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            tasks = list(self._posting.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _post_all(self, webhook: Webhook) -> None:
        """Post what waits for a webhook, until nothing does or a post fails."""
        try:
            while (delivery := await self._webhooks.next(webhook.id, _CLAIM_SECONDS)) is not None:
                body = delivery.body or b""
                headers = {
                    "Content-Type": "application/json",
                    "Niyosha-Delivery": delivery.id,
                    SIGNATURE_HEADER: signature(webhook.secret, body, int(self._clock())),
                }
                try:
                    status = await posted(webhook.url, body, headers, self._options)
                except PostError as error:
                    await self._webhooks.failed(webhook, delivery, str(error), error.status)
                    _log.info("webhook_failed", webhook=webhook.id, delivery=delivery.id, reason=str(error))
                    return
                await self._webhooks.delivered(webhook.id, delivery, status)
                webhook = replace(webhook, failures=0)
        except (
            DatabaseUnavailableError
        ):  # posted again when the claim has ended; receivers know deliveries by their ids
            return
        except Exception:
            _log.exception("webhook_broke", webhook=webhook.id)


def signature(secret: str, body: bytes, at: int) -> str:
    """Sign a body that is posted at a time of day, with HMAC-SHA256 over `TIME.BODY`."""
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
    return f"t={at},v1={signed}"


def body_of(delivery_id: str, found: Found) -> bytes:
    """Write the body of a delivery."""
    row = found.row
    match found.event:
        case Event.LINE:
            line = LineBody(
                line=row.number,
                start_ms=row.start_ms,
                end_ms=row.end_ms,
                text="" if row.is_hidden else row.text,
                speaker=row.speaker,
                hidden=row.is_hidden,
            )
            return msgspec.json.encode(
                LineEvent(id=delivery_id, channel=row.channel, line=line, change_id=row.change_id)
            )
        case Event.RECORDING:
            return msgspec.json.encode(
                RecordingEvent(
                    id=delivery_id,
                    transcription_id=row.id,
                    status=row.status,
                    duration=round(row.received_samples / SAMPLE_RATE, 3),
                    error=row.error_type,
                )
            )
