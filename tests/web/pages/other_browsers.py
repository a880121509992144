"""Firefox and WebKitGTK for tests, by the protocols that they serve themselves: WebDriver BiDi and WebDriver.

Playwright drives only builds of its own of these two. Firefox hears a virtual source of PulseAudio, without which its
audio does not run; WebKitGTK draws on Xvfb, and its microphone is played inside the page.
"""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.ports import unused_port
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, wav

MINI_BROWSERS = tuple(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
# How often a clip is heard: a busy machine may lose the beginning of it.
_TIMES = 5
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_PREFERENCES = """
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("remote.active-protocols", 1);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
"""
# Replaces the microphone by a clip that is played once the page begins to listen.
_MICROPHONE = """
(() => {
  const bytes = Uint8Array.from(atob("PCM"), (letter) => letter.charCodeAt(0));
  const samples = new Int16Array(bytes.buffer);
  // On the prototype: WebKit may forget what is set on an object that nothing holds.
  MediaDevices.prototype.getUserMedia = async () => {
    const context = new AudioContext();
    const buffer = context.createBuffer(1, samples.length, 16000);
    buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 32768));
    const source = new AudioBufferSourceNode(context, { buffer });
    const microphone = context.createMediaStreamDestination();
    source.connect(microphone);
    await context.resume();
    source.start(context.currentTime + 0.5);
    return microphone.stream;
  };
  return true;
})()
"""


class Tab(Protocol):
    """A tab of a browser."""

    async def go(self, url: str) -> None:
        """Open a page and wait until it is loaded."""

    async def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives, as JSON has it."""

    async def click(self, selector: str) -> None:
        """Click an element as a user does."""

    async def hear(self, clip: str) -> None:
        """Let the microphone of the page that is open hear a clip once it listens, and again from time to time."""


async def expect_true(tab: Tab, expression: str) -> None:
    """Wait until an expression is true."""
    async with asyncio.timeout(STUCK_SECONDS):
        while not await tab.evaluate(expression):
            await asyncio.sleep(0.1)


async def expect_text(tab: Tab, selector: str, text: str) -> None:
    """Wait until an element has a text in it, in whatever case."""
    shown = f"(document.querySelector({json.dumps(selector)})?.textContent ?? '').toLowerCase()"
    await expect_true(tab, f"{shown}.includes({json.dumps(text.lower())})")


# --- Firefox ---


class FirefoxTab:
    """A tab of Firefox, by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/)."""

    def __init__(self, socket: ClientConnection, sound: "VirtualSource") -> None:
        self._socket = socket
        self._sound = sound
        self._numbers = itertools.count(1)
        self._context = ""

    async def begin(self) -> None:
        await self._call("session.new", capabilities={})
        tree = await self._call("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def go(self, url: str) -> None:
        await self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        found = await self._value(f"Promise.resolve({expression}).then((value) => JSON.stringify(value) ?? 'null')")
        return json.loads(found["value"])

    async def click(self, selector: str) -> None:
        element = await self._value(f"document.querySelector({json.dumps(selector)})")
        origin = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": actions}
        await self._call("input.performActions", context=self._context, actions=[mouse])

    async def hear(self, clip: str) -> None:
        await self._sound.play(clip)

    async def _value(self, expression: str) -> Any:
        target = {"context": self._context}
        found = await self._call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert found["type"] == "success", found
        return found["result"]

    async def _call(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(STUCK_SECONDS):
            while (answer := json.loads(await self._socket.recv())).get("id") != number:
                pass
        assert answer["type"] == "success", answer
        return answer["result"]


class VirtualSource:
    """A microphone of PulseAudio that hears what is played; `server` is the address of its sound server."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.server = f"unix:{folder / 'native'}"
        self._folder = folder
        self._stack = stack

    async def start(self, program: str) -> None:
        """Start a sound server with a loudspeaker that nobody hears, and a microphone beside it."""
        modules = (
            "module-null-sink sink_name=speaker",
            "module-remap-source source_name=microphone master=speaker.monitor",
            f"module-native-protocol-unix socket={self._folder / 'native'} auth-anonymous=1",
        )
        arguments = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        for module in modules:
            arguments += ["-L", module]
        environment = os.environ | {"HOME": str(self._folder), "XDG_RUNTIME_DIR": str(self._folder)}
        await self._stack.enter_async_context(_running(program, *arguments, environment=environment))
        async with asyncio.timeout(STUCK_SECONDS):
            while not (self._folder / "native").exists():
                await asyncio.sleep(0.05)

    async def play(self, clip: str) -> None:
        path = self._folder / f"{clip}.looped.wav"
        path.write_bytes(wav((bytes(32_000) + clip_pcm(clip) + bytes(32_000)) * _TIMES))
        arguments = [f"--server={self.server}", "--device=speaker", str(path)]
        await self._stack.enter_async_context(_running("paplay", *arguments, environment=dict(os.environ)))


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Tab]:
    """Run Firefox while the context lasts; without it the test is skipped, with what to install."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    server = shutil.which("pulseaudio")
    if program is None or server is None or shutil.which("paplay") is None:
        pytest.skip("this test drives Firefox: install it with `apt-get install firefox-esr pulseaudio`")
    (folder / "user.js").write_text(_PREFERENCES)
    async with AsyncExitStack() as stack:
        sound = VirtualSource(folder, stack)
        await sound.start(server)
        arguments = ["--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0"]
        environment = os.environ | {"HOME": str(folder), "PULSE_SERVER": sound.server}
        # A file, not a pipe, which would hold it up once nobody reads it.
        log = folder / "firefox.log"
        errors = stack.enter_context(log.open("wb"))
        await stack.enter_async_context(_running(program, *arguments, environment=environment, stderr=errors))
        async with asyncio.timeout(STUCK_SECONDS):
            while (found := re.search(r"WebDriver BiDi listening on (\S+)\n", log.read_text())) is None:
                await asyncio.sleep(0.05)
        async with connect(f"{found[1]}/session", max_size=None, proxy=None) as socket:
            tab = FirefoxTab(socket, sound)
            await tab.begin()
            yield tab


# --- WebKitGTK ---


class WebKitTab:
    """A tab of WebKitGTK's MiniBrowser, by WebDriver (https://www.w3.org/TR/webdriver2/)."""

    def __init__(self, client: httpx.AsyncClient, session: str) -> None:
        self._client = client
        self._session = session

    async def go(self, url: str) -> None:
        await self._call("url", url=url)

    async def evaluate(self, expression: str) -> Any:
        script = f"const done = arguments[0]; Promise.resolve({expression}).then((value) => done(value ?? null))"
        return await self._call("execute/async", script=script, args=[])

    async def click(self, selector: str) -> None:
        element = await self._call("element", using="css selector", value=selector)
        await self._call(f"element/{element[_ELEMENT]}/click")

    async def hear(self, clip: str) -> None:
        pcm = base64.b64encode((clip_pcm(clip) + bytes(64_000)) * _TIMES).decode()
        assert await self.evaluate(_MICROPHONE.replace("PCM", pcm, 1))

    async def _call(self, command: str, **parameters: object) -> Any:
        answer = await self._client.post(f"/session/{self._session}/{command}", json=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]


@asynccontextmanager
async def webkit(folder: Path) -> AsyncIterator[Tab]:
    """Run WebKitGTK while the context lasts; without it the test is skipped, with what to install."""
    driver, server = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    if driver is None or server is None or not MINI_BROWSERS:
        pytest.skip("this test drives WebKitGTK: install it with `apt-get install webkit2gtk-driver xvfb`")
    async with _display(server) as display:
        port = unused_port()
        environment = os.environ | {
            "DISPLAY": display,
            "HOME": str(folder),
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        }
        async with (
            _running(driver, f"--port={port}", environment=environment),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=STUCK_SECONDS) as client,
        ):
            options = {"binary": str(MINI_BROWSERS[0]), "args": ["--automation"]}
            wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
            async with asyncio.timeout(STUCK_SECONDS):
                while (answer := await _asked(client, wanted)) is None:
                    await asyncio.sleep(0.05)
            assert answer.status_code == 200, answer.text
            session = answer.json()["value"]["sessionId"]
            try:
                yield WebKitTab(client, session)
            finally:
                await client.delete(f"/session/{session}")


async def _asked(client: httpx.AsyncClient, wanted: object) -> httpx.Response | None:
    """Ask for a session; None while the driver does not listen yet."""
    try:
        return await client.post("/session", json=wanted)
    except httpx.ConnectError:
        return None


@asynccontextmanager
async def _display(server: str) -> AsyncIterator[str]:
    """Run a display without a screen while the context lasts, and give its name."""
    read, write = os.pipe()
    arguments = ["-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    async with _running(server, *arguments, environment=dict(os.environ), pass_fds=(write,)):
        os.close(write)
        with os.fdopen(read) as numbers:
            number = await asyncio.to_thread(numbers.readline)
        yield f":{number.strip()}"


@asynccontextmanager
async def _running(
    program: str, *arguments: str, environment: dict[str, str], **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program, *arguments, env=environment, **({"stdout": nowhere, "stderr": nowhere} | options)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
