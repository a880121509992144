import asyncio

import grpc
import pytest

from stream.riva import RivaOptions
from stream.riva.errors import RivaError
from stream.riva.servers.channels import ChannelPool
from stream.riva.servers.discovery import Model, NotServingError, Served, discover
from tests.stream.riva.scripted_riva import ScriptedRiva, row, serving
from tests.support.memory_grpc import open_here

pytestmark = pytest.mark.virtual_time
METADATA = (("function-id", "f-1"), ("authorization", "Bearer key"))


async def discovered(address: str) -> Served:
    pool = ChannelPool(address, RivaOptions(uris=(address,)), open_here)
    try:
        return await discover(pool.first, METADATA)
    finally:
        await pool.close()


async def test_models_their_modes_and_their_languages_are_found() -> None:
    rows = [
        row("en-US", name="parakeet", closed_vocabulary="true"),
        row("de-DE, en-US", name="multi"),
        row("fa-IR,en-US", mode="offline", name="whisper"),
    ]
    async with serving(ScriptedRiva(rows=rows)) as server:
        served = await discovered(server.address)
    assert served == Served(
        models=(
            Model("parakeet", "online", ("en-US",)),
            Model("multi", "online", ("de-DE", "en-US")),
            Model("whisper", "offline", ("fa-IR", "en-US")),
        ),
        languages=("en-US", "de-DE"),
        has_health_service=True,
        knows_closed_vocabularies=True,
        promises_stable_words=False,
    )
    assert served.offline_languages == ("fa-IR",)


async def test_every_question_carries_the_metadata() -> None:
    riva = ScriptedRiva()
    async with serving(riva) as server:
        await discovered(server.address)
        questions = riva.metadata + server.health.metadata
    assert [set(METADATA) <= set(metadata.items()) for metadata in questions] == [True, True]


async def test_a_server_without_a_health_service_is_not_ill() -> None:
    async with serving(ScriptedRiva(), has_health_service=False) as server:
        served = await discovered(server.address)
    assert (served.has_health_service, served.languages) == (False, ("en-US",))


async def test_a_proxy_that_passes_no_questions_for_health_makes_nobody_ill() -> None:
    async with serving(ScriptedRiva()) as server:
        server.health.fault = grpc.StatusCode.PERMISSION_DENIED
        served = await discovered(server.address)
    assert (served.has_health_service, served.languages) == (False, ("en-US",))


async def test_a_server_that_is_not_serving_is_down_whatever_models_it_has() -> None:
    async with serving(ScriptedRiva()) as server:
        await server.say(is_serving=False)
        with pytest.raises(NotServingError) as caught:
            await discovered(server.address)
    assert str(caught.value) == "NOT_SERVING: the server says that it is not ready"
    assert caught.value.retryable


async def test_a_server_of_something_else_is_told() -> None:
    async with serving(None) as server:
        with pytest.raises(RivaError, match=r"^UNIMPLEMENTED: ") as caught:
            await discovered(server.address)
    assert not caught.value.retryable


async def test_nobody_there_is_told_at_once() -> None:
    began = now()
    with pytest.raises(RivaError, match=r"^UNAVAILABLE: "):
        await discovered("127.0.0.1:1")
    assert now() == began


async def test_a_fault_of_the_server_is_told() -> None:
    async with serving(ScriptedRiva(config_fault=grpc.StatusCode.PERMISSION_DENIED)) as server:
        with pytest.raises(RivaError, match=r"^PERMISSION_DENIED: as the script says$"):
            await discovered(server.address)


async def test_a_server_that_does_not_answer_is_given_up_after_three_seconds() -> None:
    riva = ScriptedRiva()
    riva.answers.clear()
    async with serving(riva) as server:
        began = now()
        with pytest.raises(RivaError, match=r"^DEADLINE_EXCEEDED: "):
            await discovered(server.address)
        assert now() - began == 3


async def test_a_health_service_that_does_not_answer_makes_nobody_ill() -> None:
    async with serving(ScriptedRiva()) as server:
        server.health.answers.clear()
        began = now()
        served = await discovered(server.address)
        assert now() - began == 3
    assert (served.has_health_service, served.languages) == (False, ("en-US",))


def now() -> float:
    return asyncio.get_running_loop().time()
