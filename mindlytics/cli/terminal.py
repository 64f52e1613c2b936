"""How commands write to a terminal: tables, warnings and errors, with control characters escaped."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console


def printable(text: object) -> str:
    """The text with control characters, and others that cannot be shown, as escapes such as ``\\x1b``."""
    words = str(text)
    return words if words.isprintable() else "".join(map(_shown, words))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()


def count(number: object, one: str) -> str:
    """``1 turn``, ``2 turns``."""
    return f"{number} {one}{'' if number == 1 else 's'}"


class PrintableFormatter(logging.Formatter):
    """Escapes control characters in messages. A traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))

    def formatException(self, exc_info: object) -> str:
        return "\n".join(map(printable, super().formatException(exc_info).split("\n")))  # type: ignore[arg-type]


class Parser(argparse.ArgumentParser):
    """Reads the arguments of a command that runs without click. Its messages escape control characters."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def fail(error: object, status: int) -> NoReturn:
    """Exit with one line on stderr and a status."""
    say(f"mindlytics: {error}")
    sys.exit(status)


def say(words: object) -> None:
    """Write a line to stderr."""
    print(printable(words), file=sys.stderr, flush=True)  # noqa: T201


def console() -> Console:
    """A console on stdout. It replaces characters that stdout's encoding lacks."""
    from rich.console import Console  # noqa: PLC0415  one command runs without it

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def leave_stdout() -> None:
    """Discard what is left for stdout, since its reader is gone or it is full. The interpreter flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_warnings(logger: str, level: int = logging.WARNING) -> None:
    """Show a logger's warnings on stderr."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(PrintableFormatter("mindlytics: %(message)s"))
    logging.getLogger(logger).addHandler(handler)
    logging.getLogger(logger).setLevel(level)
