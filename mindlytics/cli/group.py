"""The group of commands. Each command has a file of its own, which is imported when it runs or shows its help.

Needs the extra ``local`` (click, rich).
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
import rich  # noqa: F401  where it is missing, no command starts

from .. import __version__
from .keyoptions import dotenv_option
from .terminal import fail, printable


class _Commands(UserDict[str, Any]):
    """Commands by name: ``{"import": "importing.import_"}`` is a file and its function, imported on first use."""

    def __getitem__(self, name: str) -> Any:
        file, _, function = super().__getitem__(name).partition(".")
        return getattr(import_module(f"{__package__}.{file}"), function)


COMMANDS = {
    "demo": "demo.demo",
    "doctor": "plain.doctor",
    "export": "exporting.export",
    "forget": "forgetting.forget",
    "import": "importing.import_",
    "mcp": "mcp.mcp",
    "search": "searching.search",
    "serve": "serve.serve",
    "sessions": "sessions.sessions",
    "show": "showing.show",
    "spool": "plain.spool",
    "stats": "stats.stats",
    "tail": "tail.tail",
}


class _Group(click.Group):
    """Escapes control characters in click's own messages about bad names. Ctrl-C ends with one line and status 130."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _printable_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, context: click.Context) -> object:
        with _printable_errors():
            try:
                return super().invoke(context)
            except KeyboardInterrupt:
                fail("stopped", 130)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        words = printable(error.format_message())
        vars(error)["format_message"] = lambda: words
        raise


@click.group(cls=_Group, commands=_Commands(COMMANDS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mindlytics")
@dotenv_option
def main() -> None:
    """Telemetry for conversations between people and AI assistants, on your own machine."""
