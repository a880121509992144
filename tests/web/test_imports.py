"""What the server loads before anybody needs it."""

import subprocess
import sys

# Each takes memory and time of the start. What stands here with a dot is a module of a package that is loaded.
NOT_AT_THE_START = (
    "alembic",
    "av",
    "babel",
    "ctranslate2",
    "httpx",
    "jwt",
    "limits",
    "onnxruntime",
    "opentelemetry",
    "procrastinate",
    "psycopg",
    "redis",
    "stream.client",
    "unicode_rbnf",
    "web.cli.files.jobs",
    "web.reference.asyncapi",
    "web.reference.docs",
    "web.reference.openapi",
)


def test_what_only_some_connections_need_is_not_loaded_before() -> None:
    """One process tells of all, since it takes two seconds to start."""
    program = f"import sys, web.cli.main, web.cli.serve; print(sorted(sys.modules.keys() & {set(NOT_AT_THE_START)}))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
