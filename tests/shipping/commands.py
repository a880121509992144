"""Check command lines of the program that files name, without running them."""

import typer
from typer.core import TyperGroup

from web.cli.main import app


def check_command(words: list[str]) -> None:
    """Parse a command line of the program, without running it."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    name, *arguments = words
    group.commands[name].make_context(name, arguments)
