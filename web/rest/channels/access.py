"""Which channels the caller of a request may read, or operate."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from starlette.requests import Request

from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.channels.hub import ChannelHub, UnknownChannelError
from web.channels.live_channel import LiveChannel
from web.store.channels import Channel, Channels

READERS = "Anybody may read a public channel, else a token of its owner with the scope `watch`."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableChannels:
    """The channels that a caller may read."""

    auth: Authenticator
    hub: ChannelHub

    @asynccontextmanager
    async def holding(self, request: Request) -> AsyncIterator[LiveChannel]:
        """Hold the channel of a request while the context lasts; raises ClientError if the caller may not read it."""
        name = channel_name(request)
        async with AsyncExitStack() as stack:
            live = None
            with suppress(UnknownChannelError):
                live = await stack.enter_async_context(self.hub.holding(name))
            # Without a token nobody learns whether there is a private channel of this name.
            if live is None or not live.channel.is_public:
                caller = await self.auth.caller(request, Scope.WATCH)
                if live is None or caller.owner != live.channel.owner:
                    raise UnknownChannelError(name)
            yield live


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChannels:
    """The channels that a caller may operate."""

    auth: Authenticator
    channels: Channels

    async def owner(self, request: Request) -> str:
        """Return the owner whose channels the caller may operate; raises ClientError."""
        return (await self.auth.caller(request, Scope.CHANNELS)).owner

    async def get(self, request: Request) -> Channel:
        """Return the channel of a request; raises ClientError unless it is the caller's."""
        owner, name = await self.owner(request), channel_name(request)
        channel = await self.channels.get(name)
        if channel is None or channel.owner != owner:
            raise UnknownChannelError(name)
        return channel


def channel_name(request: Request) -> str:
    """Return the name of the channel in the path of a request."""
    return str(request.path_params["name"])
