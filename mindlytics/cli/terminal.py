"""What may be written to a terminal: names of files and texts of errors, without letters that steer it."""

from __future__ import annotations

import logging


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
