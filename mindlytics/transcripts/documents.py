"""The JSON values of a stream: a line each, the rows of an array, pretty-printed, one after another, or after RS.

A value that cannot be read costs that value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain

import orjson

from .context import Record
from .model import Problem
from .unpacking import PEEK, Peeked, lines_of

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line at most, so that a file without line ends is reported and does not fill the memory."""
MAX_DOCUMENT = 64 * 1024 * 1024
"""Bytes of a file that is one JSON object, or of one row of an array, at most."""

ENVELOPES = (
    "data",
    "conversations",
    "chats",
    "threads",
    "items",
    "results",
    "records",
    "rows",
    "tickets",
    "runs",
    "traces",
)
"""Keys under which an API's answer holds its rows."""

_TOKEN = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)
QUOTE, BACKSLASH = b'"\\'
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 19
"""With all digits replaced by zeros, a text holds this where orjson may make a float of an integer."""
_SPACE = b" \t\r\n\x1e,"


def parse(text: bytes) -> object:
    """A JSON value.

    :raises ValueError: it is none; the message says why.
    """
    if _LONG not in text.translate(_ZEROS):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    try:  # takes what others write as JSON: lone surrogates, control characters, NaN, long integers
        return json.loads(text, strict=False)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is no JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is no JSON that can be read: {error}") from None


def line_records(lines: Iterator[bytes], first: int = 1) -> Iterator[Record | Problem]:
    """A record a line. Empty lines are passed over, and counted.

    :param first: the number of the first one.
    """
    for number, line in enumerate(lines, first):
        text = line.strip(b" \t\r\n\x1e\xef\xbb\xbf" if number == 1 else b" \t\r\n\x1e").rstrip(b",")
        if text:
            yield from line_record(text, number)


def line_record(text: bytes, number: int) -> Iterator[Record | Problem]:
    """The record of a line."""
    place = f"line {number}"
    if len(text) > MAX_LINE:
        yield Problem(number, f"is longer than {MAX_LINE} bytes", place)
        return
    try:
        yield Record(parse(text), number, place)
    except ValueError as error:
        yield Problem(number, str(error), place)


def encoded(line: str | bytes) -> bytes:
    """A line as bytes, whatever is in it."""
    return line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line


def records_of(stream: Peeked, is_message_list: Callable[[object], bool]) -> Iterator[Record | Problem]:
    """The records of a stream of JSON.

    :param is_message_list: whether a row of an array is a message, so that the array is one conversation.
    """
    head = stream.peek(PEEK).lstrip(b" \t\r\n\x1e")
    if head.startswith(b"["):
        yield from _array(stream, is_message_list)
    elif is_lines(stream, head):
        yield from line_records(lines_of(stream, MAX_LINE))
    else:
        yield from _documents(stream)


def is_lines(stream: Peeked, head: bytes) -> bool:
    """Whether each line is a value: the first is one, or the second, or neither looks like JSON at all."""
    if not head.startswith(b"{"):
        return True
    for size in (PEEK, MAX_LINE + PEEK):
        lines = stream.peek(size).lstrip(b" \t\r\n\x1e").split(b"\n", 2)
        if len(lines) > 1 or len(stream.peek(size)) < size:
            break
    if stream.is_live and len(lines) > 1:
        return _is_whole(lines[0])
    if len(lines) == 1 or (len(lines) == 2 and not lines[1].strip()):
        return False
    for line in lines[:2]:
        try:
            parse(line.strip(b" \t\r\x1e"))
        except ValueError:
            continue
        return line.strip(b" \t\r\x1e").startswith(b"{")
    first = lines[0].strip()
    return len(lines) > 1 and len(first) > 2 and lines[1].lstrip().startswith(b'{"')


def _is_whole(line: bytes) -> bool:
    """Whether a line is a record, and not an answer that holds several."""
    try:
        return envelope(parse(line.strip(b" \t\r\x1e"))) is None
    except ValueError:
        return False


def _array(stream: Peeked, is_message_list: Callable[[object], bool]) -> Iterator[Record | Problem]:
    head = stream.peek(PEEK)[:PEEK].translate(None, _SPACE)
    rows = _values(stream, 1)
    messages: list[object] | None = None
    index = -1
    for index, text in enumerate(rows):
        place = f"[{index}]"
        if text is None:
            yield Problem(index + 1, "is not whole, or longer than can be read", place)
            continue
        try:
            value = parse(text)
        except ValueError as error:
            yield Problem(index + 1, str(error), place)
            continue
        if index == 0 and is_message_list(value):
            messages = []
        if messages is None:
            yield Record(value, index + 1, place, ".")
        else:
            messages.append(value)
    if messages is not None:
        yield Record(messages, 1, "", "")
    if index < 0 and head != b"[]":
        yield Problem(0, "is an array without an object in it", "file")


def _documents(stream: Peeked) -> Iterator[Record | Problem]:
    values = _values(stream, 0)
    first = next(values, b"")
    if first == b"":
        return
    second = next(values, b"")
    if second == b"":
        yield from _document(first, "", 1)
        return
    for number, text in enumerate(chain([first, second], values), 1):
        yield from _document(text, f"document {number}", number)


def _document(text: bytes | None, place: str, number: int) -> Iterator[Record | Problem]:
    if text is None:
        yield Problem(number, f"is JSON that is not whole, or longer than {MAX_DOCUMENT} bytes", place)
        return
    try:
        value = parse(text)
    except ValueError as error:
        yield Problem(number, str(error), place)
        return
    found = envelope(value)
    if found is None:
        yield Record(value, number, place, ": " if place else "")
        return
    name, rows = found
    for index, row in enumerate(rows):
        yield Record(row, index + 1, f"{place}: {name}[{index}]" if place else f"{name}[{index}]", ".")


def envelope(value: object) -> tuple[str, list[object]] | None:
    """The rows of an API's answer that holds several, if it is one, with their key."""
    if not isinstance(value, dict) or str(value.get("object", "")).startswith("thread") or "run_type" in value:
        return None
    for name in ENVELOPES:
        rows = value.get(name)
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows[:1]):
            if any("from" in row or row.get("object") == "thread.message" for row in rows[:1]) or "role" in rows[0]:
                return None
            return name, rows
    return None


def _values(stream: Peeked, depth: int) -> Iterator[bytes | None]:
    """The bytes of each object or array that begins so many levels down; None for one that does not end."""
    brackets = _Brackets(depth)
    while piece := stream.read(max(4 * PEEK, len(brackets.buffer))):
        yield from brackets.feed(piece)
        if len(brackets.buffer) > MAX_DOCUMENT:
            yield None
            return
    if stream.fault is not None:  # which is reported by itself
        return
    if brackets.start >= 0:
        yield None
    elif depth == 0 and (rest := brackets.buffer.strip(_SPACE)):
        yield rest


class _Brackets:
    """Finds values by brackets and strings alone, so that one with a fault in it does not hide those after it."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._level = 0
        self._is_inside = False
        """Whether a string goes on."""
        self._position = 0
        self.buffer = b""
        self.start = -1
        """Where the value that is not whole begins."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take more; the values that are whole now."""
        buffer = self.buffer + piece
        for token in _TOKEN.finditer(buffer, self._position):
            mark = buffer[token.start()]
            if mark == QUOTE:
                self._is_inside = not self._is_inside
            elif mark == BACKSLASH or self._is_inside:
                continue
            elif mark in b"{[":
                if self._level == self._depth:
                    self.start = token.start()
                self._level += 1
            else:
                self._level = max(self._level - 1, 0)
                if self._level == self._depth and self.start >= 0:
                    yield buffer[self.start : token.end()]
                    self.start = -1
        self._position = len(buffer) - _escapes(buffer)
        keep = self.start if self.start >= 0 else self._position if self._depth else self._last(buffer)
        self.buffer = buffer[keep:]
        self._position -= keep
        self.start = 0 if self.start >= 0 else -1

    def _last(self, buffer: bytes) -> int:
        """Where what follows the last value begins: at the top level, it may be no value at all."""
        return min(self._position, max(buffer.rfind(b"}"), buffer.rfind(b"]")) + 1)


def _escapes(buffer: bytes) -> int:
    """1 if the buffer ends with a backslash whose letter is still to come, else 0."""
    return (len(buffer) - len(buffer.rstrip(b"\\"))) % 2
