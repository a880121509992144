"""What the server loads before anybody needs it."""

import subprocess
import sys


def test_what_only_some_connections_need_is_not_loaded_before() -> None:
    """Neither are the tracing's libraries; one process tells of all, since it takes two seconds to start."""
    heavy = "av", "onnxruntime", "babel", "ctranslate2", "redis", "jwt", "opentelemetry"
    program = (
        "import sys, web.app, web.process.serve; "
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & {set(heavy)}))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
