"""`niyosha bench`: measure a server under load, and write the result."""

import asyncio
import sys
from pathlib import Path

from rich.console import Console

from bench.load.command import BenchError, Load, run


async def bench(load: Load, json_file: Path | None, svg_file: Path | None) -> None:
    """Run a load with its progress on standard error, print the table, and write the files that are wanted."""
    console, progress = Console(), Console(stderr=True)
    try:
        report = await run(load, lambda line: progress.print(line, style="dim", highlight=False))
    except BenchError as error:
        sys.exit(f"niyosha bench: {error}")
    console.print(*report.tables())
    for path, text in ((json_file, report.json()), (svg_file, report.svg())):
        if path is not None:
            await asyncio.to_thread(path.write_text, text, encoding="utf-8")
