"""How commands write to a terminal: tables, warnings and errors, without letters that steer it."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
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
    say(f"mindlytics: {error}")
    sys.exit(status)


def say(words: object) -> None:
    """Write a line to stderr."""
    print(printable(words), file=sys.stderr)  # noqa: T201


def console() -> Console:
    """Stdout; for letters that it lacks it gets others."""
    from rich.console import Console  # noqa: PLC0415  one command runs without it

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def leave_stdout() -> None:
    """Nobody reads it, or it takes no more: let the interpreter flush what is left into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_warnings(logger: str, level: int = logging.WARNING) -> None:
    """Put on stderr what a program of its own would have to set up logging for."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(PrintableFormatter("mindlytics: %(message)s"))
    logging.getLogger(logger).addHandler(handler)
    logging.getLogger(logger).setLevel(level)
