"""What the core loads: nothing that does I/O, knows a clock or computes with audio."""

import pkgutil
import subprocess
import sys

import stream.session


def test_the_session_core_loads_neither_asyncio_nor_numpy_nor_audio_libraries() -> None:
    modules = [f"stream.session.{module.name}" for module in pkgutil.iter_modules(stream.session.__path__)]
    program = (
        f"import importlib, sys; [importlib.import_module(name) for name in {modules}]; "
        "print(sorted(sys.modules.keys() & {'asyncio', 'numpy', 'soxr', 'av', 'webrtcvad', 'socket'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
