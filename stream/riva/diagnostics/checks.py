"""Check one server step by step, from its name to its models."""

from contextlib import aclosing

import grpc

from stream.recognition.check_results import CheckResult, CheckResults, Verdict, failed, listed, passed
from stream.riva.diagnostics.connectivity import check_connectivity
from stream.riva.errors import RivaError
from stream.riva.options import RivaOptions
from stream.riva.servers.addresses import parse_address
from stream.riva.servers.channels import ChannelPool
from stream.riva.servers.discovery import NotServingError, Served, discover

_MOST_LANGUAGES = 8

_CALL_ADVICE = {
    grpc.StatusCode.UNIMPLEMENTED: "check the address: this is a gRPC server, but not one for speech recognition",
    grpc.StatusCode.NOT_FOUND: "check NIYOSHA_RIVA_FUNCTION_ID",
    grpc.StatusCode.UNAUTHENTICATED: "check NIYOSHA_RIVA_API_KEY",
    grpc.StatusCode.PERMISSION_DENIED: "check NIYOSHA_RIVA_API_KEY and whether it may use NIYOSHA_RIVA_FUNCTION_ID",
    grpc.StatusCode.DEADLINE_EXCEEDED: "probe whether the server is overloaded or still loads its models",
}
_LIVE_ADVICE = "deploy a streaming model on the server, or leave NIYOSHA_RIVA_URI out to use the embedded engine"
_NO_HEALTH = "the server tells nothing of its health, which is fine"


async def check_server(options: RivaOptions, uri: str, now: float) -> CheckResults:
    """Check a server at `now`, in seconds since 1970; nothing is yielded after the first fault."""
    for step in (check_connectivity(options, parse_address(uri), now), _check_service(options, uri)):
        is_fault = False
        async with aclosing(step):
            async for result in step:
                yield result
                is_fault = result.verdict is Verdict.FAULT
        if is_fault:
            return


async def _check_service(options: RivaOptions, uri: str) -> CheckResults:
    pool = ChannelPool(uri, options)
    try:
        served = await discover(pool.first, options.metadata)
    except NotServingError:
        advice = "wait until it has loaded its models, and look into its log if that takes long"
        yield failed("health", "the server says that it is not ready", advice)
        return
    except RivaError as error:
        advice = _CALL_ADVICE.get(error.code, "look into the server's log")
        yield failed("health", f"the server cannot be asked: {error}", advice)
        return
    finally:
        await pool.close()
    yield passed("health", "the server says that it is ready" if served.has_health_service else _NO_HEALTH)
    yield _models(served)


def _models(served: Served) -> CheckResult:
    languages: dict[str, tuple[str, ...]] = {}
    for model in served.models:
        parts = [model.name or "without a name", model.mode, *([model.license] if model.license else [])]
        name = ", ".join(parts)
        languages[name] = languages.get(name, ()) + model.languages
    models = "; ".join(f"{name}: {listed(tags, _MOST_LANGUAGES) or 'no language'}" for name, tags in languages.items())
    if served.languages:
        return passed("models", models)
    if served.models:
        return failed("models", f"none recognizes while people talk: {models}", _LIVE_ADVICE)
    return failed("models", "none", _LIVE_ADVICE)
