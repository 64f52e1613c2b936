"""Chats as plain text: WhatsApp's "export chat", from Android and iOS, in any language, and Chatdown's ``.chat``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypedDict

from .context import Record
from .model import Problem
from .unpacking import Readable, lines_of

_HEAD = re.compile(
    r"\[?(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{2,4}),? (?P<time>\d{1,2}[:.]\d\d(?:[:.]\d\d)?)"
    r"(?: ?(?P<half>[AaPp]\.?[Mm]\.?))?"
    r"(?:\] | - )(?P<rest>.*)",
    re.DOTALL,
)
MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202c\ufeff"))
LONGEST = 1024 * 1024


class Line(TypedDict):
    """A message of a chat, as it stands in the file. ``name`` is None where nobody speaks."""

    line: int
    date: str
    time: str
    half: str | None
    name: str | None
    text: str


def is_chat(head: bytes) -> bool:
    """Whether most of the first lines begin with a date, a time and a name."""
    lines = head.decode("utf-8", "replace").translate(MARKS).splitlines()[:20]
    found = sum(_HEAD.match(_spaced(line)) is not None for line in lines)
    return bool(lines) and found * 2 > len(lines)


def _spaced(line: str) -> str:
    return line.replace("\u202f", " ").replace("\xa0", " ")


def text_records(stream: Readable) -> Iterator[Record | Problem]:
    """All messages, as one record."""
    messages: list[Line] = []
    for number, raw in enumerate(lines_of(stream, LONGEST), 1):
        line = _spaced(raw.decode("utf-8", "replace").translate(MARKS)).rstrip("\r\n")
        match = _HEAD.match(line)
        if match is None:
            if messages:
                messages[-1]["text"] += "\n" + line
            elif line.strip():
                yield Problem(number, "is no message of a chat", f"line {number}")
            continue
        name, colon, text = match["rest"].partition(": ")
        messages.append(
            {
                "line": number,
                "date": match["date"],
                "time": match["time"],
                "half": match["half"],
                "name": name if colon else None,
                "text": text if colon else match["rest"],
            }
        )
    yield Record({"whatsapp_messages": messages}, 1, "", "")
