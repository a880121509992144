"""Connections to one server: spread, renewed, given up; on the virtual clock unless gRPC itself is what is tested."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from riva.client.proto import riva_asr_pb2 as pb

from stream.riva import RivaOptions, TlsOptions
from stream.riva.servers.channels import MOST_CHANNELS, MOST_STREAMS, ChannelPool, PooledChannel
from tests.stream.riva.scripted_riva import ScriptedRiva, bridge, client_tls, listening, server_credentials, serving
from tests.support.memory_grpc import open_here
from tests.support.processes import STUCK_SECONDS

QUESTION = pb.RivaSpeechRecognitionConfigRequest()


@asynccontextmanager
async def pooling(address: str, tls: TlsOptions | None = None, **options: float) -> AsyncIterator[ChannelPool]:
    pool = ChannelPool(address, RivaOptions(uris=(address,), tls=tls, **options), open_here)  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.close()


async def ask(channel: PooledChannel) -> None:
    await channel.asr.GetRivaSpeechRecognitionConfig(QUESTION, timeout=STUCK_SECONDS)


async def open_stream(channel: PooledChannel) -> object:
    """Open a stream and wait until the server has answered."""
    call = channel.asr.StreamingRecognize()
    await call.write(pb.StreamingRecognizeRequest(streaming_config=pb.StreamingRecognitionConfig()))
    async with asyncio.timeout(STUCK_SECONDS):
        await call.read()
    return call


@pytest.mark.virtual_time
async def test_two_hundred_streams_fit_on_three_connections_of_ninety() -> None:
    riva = ScriptedRiva()
    async with serving(riva, most_streams=90) as server, pooling(server.address) as pool:
        calls = [await open_stream(pool.lease()) for _ in range(200)]
        streams = sorted(riva.peers.count(peer) for peer in set(riva.peers))
        assert streams == [20, 90, 90]
        assert (len(calls), pool.streams) == (200, 200)


@pytest.mark.virtual_time
async def test_past_the_last_connection_the_least_loaded_one_is_taken() -> None:
    async with pooling("127.0.0.1:1") as pool:
        channels = [pool.lease() for _ in range(MOST_STREAMS * MOST_CHANNELS)]
        channels[-1].release()
        channels[-1].release()
        assert [pool.lease(), pool.lease()] == [channels[-1]] * 2
        more = [pool.lease() for _ in range(MOST_CHANNELS)]
        assert len(set(more)) == MOST_CHANNELS
        assert set(more) == set(channels)


@pytest.mark.virtual_time
async def test_an_extra_connection_is_closed_when_nothing_used_it_for_a_whole_round() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server, pooling(server.address) as pool:
        channels = [pool.lease() for _ in range(MOST_STREAMS + 1)]
        extra = channels[-1]
        extra.release()
        await pool.tidy()
        await ask(extra)
        assert pool.lease() is extra
        extra.release()
        await pool.tidy()
        await ask(extra)
        await pool.tidy()
        with pytest.raises(grpc.aio.UsageError):
            await ask(extra)
        await ask(pool.first)
        assert pool.lease() is not extra


@pytest.mark.virtual_time
async def test_the_first_connection_stays() -> None:
    async with serving(ScriptedRiva()) as server, pooling(server.address) as pool:
        for _ in range(3):
            await pool.tidy()
        await ask(pool.first)


@pytest.mark.virtual_time
async def test_renewed_connections_leave_open_streams_alone() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server, pooling(server.address) as pool:
        old = pool.lease()
        await open_stream(old)
        pool.renew()
        assert pool.first is not old
        await pool.tidy()
        await open_stream(old)
        old.release()
        await pool.tidy()
        with pytest.raises(grpc.aio.UsageError):
            await ask(old)
        await ask(pool.first)


@pytest.mark.virtual_time
async def test_a_retired_connection_takes_no_further_stream() -> None:
    async with serving(ScriptedRiva()) as server, pooling(server.address) as pool:
        channels = [pool.lease() for _ in range(MOST_STREAMS + 1)]
        pool.retire(channels[0])
        assert pool.lease() is pool.first is channels[-1]
        pool.retire(channels[0])
        pool.retire(channels[-1])
        fresh = pool.lease()
        assert fresh not in channels
        assert pool.streams == MOST_STREAMS + 3
        for channel in channels:
            channel.release()
        await pool.tidy()
        with pytest.raises(grpc.aio.UsageError):
            await ask(channels[0])
        await ask(fresh)


async def test_closing_ends_every_stream() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server:
        async with pooling(server.address) as pool:
            channels = [pool.lease()]
            await open_stream(channels[0])
            pool.renew()
            channels.append(pool.lease())
            await open_stream(channels[1])
        async with asyncio.timeout(STUCK_SECONDS):
            await riva.ended.wait()
        for channel in channels:
            with pytest.raises(grpc.aio.UsageError):
                await ask(channel)


async def test_many_machines_take_turns_and_the_ill_and_the_dead_are_left_out() -> None:
    rivas = [ScriptedRiva() for _ in range(4)]
    async with (
        serving(rivas[0]) as healthy,
        serving(rivas[1], has_health_service=False) as silent,
        serving(rivas[2]) as ill,
        serving(rivas[3]) as dead,
    ):
        await ill.say(is_serving=False)
        await dead.stop()
        machines = ",".join(server.address for server in (healthy, silent, ill, dead))
        async with pooling(f"ipv4:{machines}") as pool:
            async with asyncio.timeout(STUCK_SECONDS):
                while not (rivas[0].discoveries and rivas[1].discoveries):
                    await ask(pool.first)
            before = [riva.discoveries for riva in rivas]
            for _ in range(20):
                await ask(pool.first)
            asked = [riva.discoveries - old for riva, old in zip(rivas, before, strict=True)]
            # gRPC starts its round anew, anywhere, whenever it tried to reach the dead one again.
            assert sum(asked) == 20
            assert min(asked[:2]) > 0
            assert asked[2:] == [0, 0]
            await ill.say(is_serving=True)
            async with asyncio.timeout(STUCK_SECONDS):
                while not rivas[2].discoveries:
                    await ask(pool.first)


async def test_a_name_is_resolved_to_its_machines() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server, pooling(f"dns:///localhost:{server.port}") as pool:
        await ask(pool.first)
    assert riva.discoveries == 1


async def test_where_metadata_is_wanted_grpc_does_not_check_health_without_it() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server:
        await server.say(is_serving=False)
        target = f"ipv4:{server.address}"
        pool = ChannelPool(target, RivaOptions(uris=(target,), metadata=(("function-id", "f"),)))
        await ask(pool.first)
        await pool.close()
        async with pooling(target) as checked:
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(checked.first)


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "riva.sock"
    async with serving(ScriptedRiva(), path=str(path)), pooling(f"unix:{path}") as pool:
        await ask(pool.first)


async def test_connecting_may_take_its_time() -> None:
    """Over a long line TLS takes more than the shortest pause between two tries to connect."""
    ca = trustme.CA()
    async with serving(ScriptedRiva(), credentials=server_credentials(ca)) as server:

        async def slow_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.2)
            await bridge(reader, writer, server.port)

        async with listening(slow_line) as port, pooling(f"localhost:{port}", client_tls(ca)) as pool:
            await ask(pool.first)


async def test_a_client_certificate_is_shown_to_a_server_that_wants_one() -> None:
    ca, client_ca = trustme.CA(), trustme.CA()
    client = client_ca.issue_cert("gateway.example")
    credentials = server_credentials(ca, client_ca=client_ca)
    async with serving(ScriptedRiva(), credentials=credentials) as server:
        address = f"localhost:{server.port}"
        async with pooling(address, client_tls(ca, client)) as pool:
            await ask(pool.first)
        async with pooling(address, client_tls(ca)) as pool:
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await ask(pool.first)


async def test_the_certificate_may_be_for_another_name_if_that_is_said() -> None:
    ca = trustme.CA()
    async with serving(ScriptedRiva(), credentials=server_credentials(ca, "riva.example")) as server:
        address = f"localhost:{server.port}"
        async with pooling(address, client_tls(ca, server_name="riva.example")) as pool:
            await ask(pool.first)
        async with pooling(address, client_tls(ca)) as pool:
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await ask(pool.first)


@pytest.mark.parametrize(("seconds", "pings"), [(0.0, {}), (20.0, {"grpc.keepalive_time_ms": 20_000})])
async def test_only_a_server_that_permits_it_is_pinged(
    seconds: float, pings: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    real = grpc.aio.insecure_channel

    def remember(target: str, options: list[tuple[str, object]]) -> grpc.aio.Channel:
        given.update(options)
        return real(target, options=options)

    monkeypatch.setattr(grpc.aio, "insecure_channel", remember)
    async with pooling("127.0.0.1:1", keepalive_seconds=seconds):
        assert {name: value for name, value in given.items() if name == "grpc.keepalive_time_ms"} == pings


def test_secrets_are_not_shown() -> None:
    tls = TlsOptions(ca=b"authority", certificate=b"mine", key=b"canary")
    shown = repr(RivaOptions(uris=("a:1",), tls=tls, metadata=(("authorization", "Bearer canary"),)))
    assert "canary" not in shown
    assert "a:1" in shown
