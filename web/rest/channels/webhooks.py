"""`/v1/webhooks`: addresses to which settled lines and the end of recordings are posted."""

import secrets
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem, quoted, shown
from stream.runtime.fairness import FairShare
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.clock import Clock
from web.fetch.download import FetchOptions
from web.fetch.posting import check_target
from web.live.publishing import NAME_PATTERN, NAME_RULE
from web.rest.request.body import read_object
from web.rest.request.structs import MISSING, converted
from web.rest.response.fields import ID_SCHEMA, Timestamp, timestamp
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, Tag, json_content, route
from web.routes.schemas import in_path
from web.store.transcriptions import new_id
from web.store.webhooks import Delivery as StoredDelivery
from web.store.webhooks import Event, State, Webhooks
from web.store.webhooks import Webhook as StoredWebhook

WEBHOOKS = Tag("webhooks", "events that are posted to an address of the caller")
PATH = "/v1/webhooks"
WEBHOOKS_PER_OWNER = 20
_MOST_BYTES = 1 << 16
_MOST_LISTED = 100
_LONGEST_URL = 2048
_EVENTS = {"enum": list(Event)}

EventName = Annotated[
    str,
    Meta(pattern=f"^(?:{'|'.join(Event)})(?!\\n)$", extra_json_schema=_EVENTS, extra={"allowed": " or ".join(Event)}),
]


class WebhookRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where to post what."""

    url: Annotated[
        str,
        Meta(
            max_length=_LONGEST_URL,
            description="a public http or https address, which answers 200 to 299 within 10 s",
            extra={"allowed": f"an address of at most {_LONGEST_URL} characters"},
        ),
    ]
    events: Annotated[
        list[EventName],
        Meta(
            min_length=1,
            max_length=len(Event),
            description="`line`: a line of a channel was settled, corrected or hidden; `recording`: one has ended",
            extra={"allowed": f"a list of {' and '.join(Event)}"},
        ),
    ]
    channel: Annotated[
        Annotated[str, Meta(pattern=NAME_PATTERN, extra={"allowed": NAME_RULE})] | None,
        Meta(description="the caption channel whose lines are posted; without one those of all channels of the caller"),
    ] = None


class WebhookBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A webhook, and how its last post went."""

    id: Annotated[str, Meta(description="names it in addresses", extra_json_schema=ID_SCHEMA)]
    url: Annotated[str, Meta(description="where events are posted")]
    events: Annotated[list[EventName], Meta(description="what is posted")]
    channel: Annotated[str | None, Meta(description="the channel whose lines are posted, null for all")]
    created_at: Timestamp
    failures: Annotated[int, Meta(description="how many posts have failed since the last one that did not")]
    last_status: Annotated[int | None, Meta(description="what the last post was answered, null for no answer")]
    last_error: Annotated[str | None, Meta(description="why the last post failed, null if it did not")]
    last_attempt_at: Annotated[Timestamp | None, Meta(description="when the last post was, null before the first")]


class NewWebhook(WebhookBody, frozen=True, kw_only=True):
    """A webhook that was made, with its secret, which is never shown again."""

    secret: Annotated[str, Meta(description="the key of the signatures; keep it, it is not shown again")]


class DeliveryBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What was, or is to be, posted."""

    id: Annotated[str, Meta(description="`Niyosha-Delivery` of the post", extra_json_schema=ID_SCHEMA)]
    event: Annotated[EventName, Meta(description="what happened")]
    created_at: Timestamp
    state: Annotated[str, Meta(description="its progress", extra_json_schema={"enum": list(State)})]
    attempts: Annotated[int, Meta(description="how often it was posted")]
    last_status: Annotated[int | None, Meta(description="what the last attempt was answered, null for no answer")]
    last_error: Annotated[str | None, Meta(description="why the last attempt failed, null if it did not")]


_ID = in_path("webhook_id", "the id of a webhook", {"type": "string", **ID_SCHEMA})
_WEBHOOK = {
    "id": "4f5c2f1e-6f0e-4a3b-9a0f-0d9b8a1c2e3f",
    "url": "https://example.org/captions",
    "events": ["line"],
    "channel": "main-stage",
    "createdAt": "2026-11-22T06:45:23.294Z",
    "failures": 0,
    "lastStatus": 204,
    "lastError": None,
    "lastAttemptAt": "2026-11-22T07:00:02.118Z",
}
_DELIVERY = {
    "id": "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d",
    "event": "line",
    "createdAt": "2026-11-22T07:00:01.950Z",
    "state": "delivered",
    "attempts": 1,
    "lastStatus": 204,
    "lastError": None,
}
_NEW = _WEBHOOK | {"secret": "whsec_..."}
_REQUEST = {
    "summary": "the lines of a channel",
    "value": {"url": "https://example.org/captions", "events": ["line"], "channel": "main-stage"},
}
INDEX = Operation(
    method="GET",
    path=PATH,
    id="listWebhooks",
    tag=WEBHOOKS,
    summary="List the caller's webhooks, newest first",
    answers={200: Answer(description="all of them", content=json_content(list[WebhookBody], [_WEBHOOK]))},
)
CREATE = Operation(
    method="POST",
    path=PATH,
    id="createWebhook",
    tag=WEBHOOKS,
    summary="Register an address to which events are posted",
    description="Each post has `Niyosha-Signature: t=TIME,v1=HEX`, the HMAC-SHA256 of `TIME.BODY` under the secret. It "
    "is repeated with growing pauses until it is answered 200 to 299, 15 times and for a day at most.",
    body={JSON_TYPE: Media(WebhookRequest, examples={"lines": _REQUEST})},
    answers={201: Answer(description="it is registered", content=json_content(NewWebhook, _NEW))},
    problems=(
        *(Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.FORBIDDEN, Problem.NOT_FOUND, Problem.TOO_LARGE),
        *(Problem.UNSUPPORTED_MEDIA, Problem.RATE_LIMITED),
    ),
)
SHOW = Operation(
    method="GET",
    path=f"{PATH}/{{webhook_id}}",
    id="getWebhook",
    tag=WEBHOOKS,
    summary="Get a webhook, and how its last post went",
    parameters=(_ID,),
    answers={200: Answer(description="the webhook", content=json_content(WebhookBody, _WEBHOOK))},
    problems=(Problem.NOT_FOUND,),
)
REMOVE = Operation(
    method="DELETE",
    path=SHOW.path,
    id="deleteWebhook",
    tag=WEBHOOKS,
    summary="Delete a webhook with what waits for it",
    parameters=(_ID,),
    answers={204: Answer(description="it is gone")},
    problems=(Problem.NOT_FOUND,),
)
DELIVERIES = Operation(
    method="GET",
    path=f"{SHOW.path}/deliveries",
    id="listDeliveries",
    tag=WEBHOOKS,
    summary=f"List the newest {_MOST_LISTED} posts of the last day",
    parameters=(_ID,),
    answers={200: Answer(description="newest first", content=json_content(list[DeliveryBody], [_DELIVERY]))},
    problems=(Problem.NOT_FOUND,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRoutes:
    """The webhooks of a caller."""

    auth: Authenticator
    webhooks: Webhooks
    fetch: FetchOptions
    fair_share: FairShare
    clock: Clock

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer 200 with the caller's webhooks."""
        owner = await self._owner(request)
        return _response([_body(webhook) for webhook in await self.webhooks.all(owner)])

    @route(CREATE)
    async def create(self, request: Request) -> Response:
        """Answer 201 with a new webhook and its secret."""
        owner = await self._owner(request)
        wanted = converted(await read_object(request, self.fair_share, _MOST_BYTES), WebhookRequest, _shown)
        check_target(wanted.url, self.fetch)
        webhook = StoredWebhook(
            id=new_id(),
            owner=owner,
            url=wanted.url,
            secret=f"whsec_{secrets.token_urlsafe(32)}",
            events=tuple(Event(one) for one in dict.fromkeys(wanted.events)),
            channel=wanted.channel,
            created_at=self.clock(),
        )
        await self.webhooks.create(webhook, most=WEBHOOKS_PER_OWNER)
        made = NewWebhook(**msgspec.structs.asdict(_body(webhook)), secret=webhook.secret)
        response = _response(made, 201)
        response.headers["Location"] = f"{PATH}/{webhook.id}"
        return response

    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer 200 with a webhook of the caller's."""
        return _response(_body(await self._own(request)))

    @route(REMOVE)
    async def remove(self, request: Request) -> Response:
        """Delete a webhook of the caller's and answer 204."""
        owner, webhook_id = await self._owner(request), str(request.path_params["webhook_id"])
        if not await self.webhooks.delete(webhook_id, owner):
            raise _unknown(webhook_id)
        return Response(status_code=204)

    @route(DELIVERIES)
    async def deliveries(self, request: Request) -> Response:
        """Answer 200 with the newest posts of a webhook of the caller's."""
        webhook = await self._own(request)
        return _response([_delivery(one) for one in await self.webhooks.deliveries(webhook.id, _MOST_LISTED)])

    async def _owner(self, request: Request) -> str:
        return (await self.auth.caller(request, Scope.WEBHOOKS)).owner

    async def _own(self, request: Request) -> StoredWebhook:
        owner, webhook_id = await self._owner(request), str(request.path_params["webhook_id"])
        webhook = await self.webhooks.get(webhook_id, owner)
        if webhook is None:
            raise _unknown(webhook_id)
        return webhook


def _unknown(webhook_id: str) -> ClientError:
    return ClientError(Problem.NOT_FOUND, f"there is no webhook {quoted(webhook_id)}")


def _shown(value: object) -> str:
    return "missing" if value is MISSING else shown(value)


def _body(webhook: StoredWebhook) -> WebhookBody:
    return WebhookBody(
        id=webhook.id,
        url=webhook.url,
        events=list(webhook.events),
        channel=webhook.channel,
        created_at=timestamp(webhook.created_at),
        failures=webhook.failures,
        last_status=webhook.last_status,
        last_error=webhook.last_error,
        last_attempt_at=None if webhook.last_attempt_at is None else timestamp(webhook.last_attempt_at),
    )


def _delivery(delivery: StoredDelivery) -> DeliveryBody:
    return DeliveryBody(
        id=delivery.id,
        event=delivery.event,
        created_at=timestamp(delivery.created_at),
        state=delivery.state,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )


def _response(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON_TYPE)
