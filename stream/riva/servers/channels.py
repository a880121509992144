"""Open channels to a server, and spread its streams over several."""

import json
from collections.abc import Callable

import grpc
from riva.client.proto import riva_asr_pb2_grpc

from stream.riva.options import RivaOptions

# The first and the longest delay between reconnects; gRPC's own default goes up to two minutes.
_FIRST_RECONNECT_MS = 50
_LAST_RECONNECT_MS = 2_000
# How long connecting may take, TLS included; gRPC calls it the minimum backoff.
_CONNECT_MS = 5_000
# Servers and proxies commonly allow 100 streams for each connection, and further ones wait without an error.
MOST_STREAMS = 90
# 1,080 streams, twice the load of one gateway process; further streams are spread evenly.
MOST_CHANNELS = 12
# Schemes of targets with many machines.
_MANY_MACHINES = ("dns:", "ipv4:", "ipv6:")
_SPREAD: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
_CHECK_HEALTH: dict[str, object] = {"healthCheckConfig": {"serviceName": ""}}

OpenChannel = Callable[[str, RivaOptions], grpc.aio.Channel]


def open_channel(uri: str, options: RivaOptions) -> grpc.aio.Channel:
    """Open a channel to one address, which connects when it is used."""
    arguments: list[tuple[str, int | str]] = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _LAST_RECONNECT_MS),
        # By default channels to the same address share one connection, and its limit of streams.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if uri.startswith(_MANY_MACHINES):
        # gRPC's own health check sends no metadata: behind a proxy that requires some, it would fail everywhere.
        spread = _SPREAD if options.metadata else _SPREAD | _CHECK_HEALTH
        arguments.append(("grpc.service_config", json.dumps(spread)))
    if options.keepalive_seconds:
        arguments += [
            ("grpc.keepalive_time_ms", int(options.keepalive_seconds * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
    if options.tls is None:
        return grpc.aio.insecure_channel(uri, options=arguments)
    if options.tls.server_name is not None:
        arguments.append(("grpc.ssl_target_name_override", options.tls.server_name))
    credentials = grpc.ssl_channel_credentials(options.tls.ca, options.tls.key, options.tls.certificate)
    return grpc.aio.secure_channel(uri, credentials, options=arguments)


class PooledChannel:
    """One connection and its number of streams; `is_spare` if it had none at the last `tidy`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.asr = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        self.streams = 0
        self.is_spare = False

    def release(self) -> None:
        """Free the place of one stream."""
        self.streams -= 1


class ChannelPool:
    """The connections to one address; construct it inside the event loop that uses it."""

    def __init__(self, uri: str, options: RivaOptions, open_channel: OpenChannel = open_channel) -> None:
        self._uri = uri
        self._options = options
        self._open_channel = open_channel
        self._channels = [self._open()]
        self._retired: list[PooledChannel] = []

    @property
    def first(self) -> PooledChannel:
        """The connection that is never closed for being spare."""
        return self._channels[0]

    @property
    def streams(self) -> int:
        return sum(channel.streams for channel in self._channels + self._retired)

    def lease(self) -> PooledChannel:
        """Take a place for a stream on the first connection with room, or on a new one."""
        chosen = next((channel for channel in self._channels if channel.streams < MOST_STREAMS), None)
        if chosen is None and len(self._channels) < MOST_CHANNELS:
            chosen = self._open()
            self._channels.append(chosen)
        elif chosen is None:
            chosen = min(self._channels, key=lambda channel: channel.streams)
        chosen.streams += 1
        chosen.is_spare = False
        return chosen

    def renew(self) -> None:
        """Use new connections for further streams; open streams keep theirs."""
        self._retired += self._channels
        self._channels = [self._open()]

    def retire(self, channel: PooledChannel) -> None:
        """Open no more streams on this connection, which may be broken."""
        if channel in self._channels:
            self._channels.remove(channel)
            self._retired.append(channel)
            self._channels = self._channels or [self._open()]

    def is_over(self, channel: PooledChannel) -> bool:
        """Whether this connection is retired and without streams."""
        return channel in self._retired and not channel.streams

    async def tidy(self) -> None:
        """Close the additional connections that had no streams since the last call."""
        spare = [channel for channel in self._channels[1:] if not channel.streams]
        over = [channel for channel in spare if channel.is_spare]
        over += [channel for channel in self._retired if not channel.streams]
        self._channels = [channel for channel in self._channels if channel not in over]
        self._retired = [channel for channel in self._retired if channel not in over]
        for channel in spare:
            channel.is_spare = True
        for channel in over:
            await channel.channel.close()

    async def close(self) -> None:
        """Close all connections, and with them all streams."""
        for channel in self._channels + self._retired:
            await channel.channel.close()

    def _open(self) -> PooledChannel:
        return PooledChannel(self._open_channel(self._uri, self._options))
