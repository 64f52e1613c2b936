"""How commands write to a terminal: tables, warnings and errors, without letters that steer it."""

from __future__ import annotations

import logging
import sys
from io import TextIOWrapper
from typing import NoReturn

import click
from rich.console import Console


def printable(text: object) -> str:
    """The text with each control character, and whatever else cannot be shown, as an escape such as ``\\x1b``."""
    words = str(text)
    return words if words.isprintable() else "".join(map(_shown, words))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()


class PrintableFormatter(logging.Formatter):
    """Formats messages without letters that steer a terminal. A traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))

    def formatException(self, exc_info: object) -> str:
        return "\n".join(map(printable, super().formatException(exc_info).split("\n")))  # type: ignore[arg-type]


def fail(error: object, status: int) -> NoReturn:
    """End with one line on stderr and an exit status."""
    click.echo(f"mindlytics: {printable(error)}", err=True)
    sys.exit(status)


def console() -> Console:
    """Stdout; for letters that it lacks it gets others."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def show_warnings(logger: str, level: int = logging.WARNING) -> None:
    """Put on stderr what a program of its own would have to set up logging for."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(PrintableFormatter("mindlytics: %(message)s"))
    logging.getLogger(logger).addHandler(handler)
    logging.getLogger(logger).setLevel(level)
