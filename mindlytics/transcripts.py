"""Transcripts in the chat format of language-model APIs: read from JSON lines, and played into a session.

Here is what a line may hold and which turns and function calls it comes to. Nothing is opened, sent or printed here;
:func:`read` takes lines from anywhere and holds one at a time. The command that imports files is in ``cli/``.

- A user text and the assistant's next text make a turn. Texts of one role in a row are joined by a newline, whatever
  calls lie between them.
- A question without an answer, and an assistant text before any question, are turns with an empty other half.
- A function call comes where it happened: one before the assistant's (last) text of a turn comes before that turn.
- ``system`` and ``developer`` messages are not part of what was said.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Union

import orjson
from attrs import define, frozen

from .errors import InvalidEvent
from .session import BaseSession, Done
from .validators import check_name
from .values import UTC, parse_timestamp

ROLES = ("user", "assistant", "tool", "system", "developer")
UNSPOKEN = frozenset({"system", "developer"})
MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line at most, so that a file without line ends is told and does not fill the memory."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

NAMESPACE = uuid.UUID("6f0b54ad-7b33-5d0c-9e3c-2a8c1f1f6f5e")
"""Where ids are derived that a line leaves out, so that the same line always comes to the same ones."""


@frozen
class Turn:
    """What the user said and what the assistant answered; either may be empty."""

    user: str
    assistant: str
    timestamp: datetime | None = None


@define
class Call:
    """A function that the assistant called; ``result`` is filled in when the tool's message is met."""

    name: str
    args: str | None = None
    result: str | None = None
    timestamp: datetime | None = None


Step = Union[Turn, Call]


@frozen(kw_only=True)
class Transcript:
    """One line, read.

    :param line: its number, from 1.
    :param session: the arguments of ``create_session`` that it comes to.
    :param steps: turns and calls in their order.
    :param began: the moment of its beginning, where one is given.
    :param ended: the last moment that is given.
    """

    line: int
    session: Mapping[str, Any]
    steps: tuple[Step, ...]
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def turns(self) -> int:
        """How many turns it holds."""
        return sum(isinstance(step, Turn) for step in self.steps)

    @property
    def calls(self) -> int:
        """How many function calls it holds."""
        return len(self.steps) - self.turns


@frozen
class Problem:
    """A line that is no transcript, and why, in words that do not quote it."""

    line: int
    reason: str


def read(lines: Iterable[str | bytes]) -> Iterator[Transcript | Problem]:
    """Read JSON lines, one at a time. Empty lines are passed over, and counted."""
    for number, line in enumerate(lines, 1):
        text = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        text = (text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text).strip()
        if not text:
            continue
        if len(text) > MAX_LINE:
            yield Problem(number, f"is longer than {MAX_LINE} bytes")
            continue
        try:
            yield _transcript(number, text)
        except ValueError as error:
            yield Problem(number, str(error))


def chat(messages: Iterable[object]) -> tuple[Step, ...]:
    """The turns and calls of messages that are read already.

    :raises InvalidEvent: a message breaks a rule of the format.
    """
    conversation = _Conversation(None)
    for index, message in enumerate(messages):
        conversation.take(f"messages[{index}]", message)
    return conversation.finish()


def play(session: BaseSession[Done, Any], transcript: Transcript) -> Done:
    """Record a transcript in a session made with its arguments, from the session's start to its end.

    :returns: None, or on the asyncio face something to await: what all of the calls handed back, in their order.
    """
    done: list[Any] = [session.start_session(timestamp=transcript.began)]
    for step in transcript.steps:
        if isinstance(step, Turn):
            said = session.track_conversation_turn(user=step.user, assistant=step.assistant, timestamp=step.timestamp)
        else:
            said = session.track_function_call(
                name=step.name, args=step.args, result=step.result, timestamp=step.timestamp
            )
        done.append(said)
    done.append(session.end_session(timestamp=transcript.ended))
    return session._all(done)


# -- one line ----------------------------------------------------------------------------------------------------


def _transcript(number: int, text: bytes) -> Transcript:
    """The transcript of a line.

    :raises ValueError: it is none; the message says why.
    """
    given = _json(text)
    if not isinstance(given, dict):
        raise InvalidEvent("a line", "a JSON object", given)
    messages = given.get("messages")
    if not isinstance(messages, list):
        raise InvalidEvent("messages", "a list", messages)
    metadata = given.get("metadata")
    if not isinstance(metadata, (dict, type(None))):
        raise InvalidEvent("metadata", "an object", metadata)
    began = _moment("timestamp", given.get("timestamp"))
    conversation = _Conversation(began)
    for index, message in enumerate(messages):
        conversation.take(f"messages[{index}]", message)
    return Transcript(
        line=number,
        session={**_ids(given, text), "attributes": metadata},
        steps=conversation.finish(),
        began=conversation.began,
        ended=conversation.now,
    )


def _json(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:  # takes what others write as JSON and the sessions can clean: lone surrogates, NaN
        return json.loads(text)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is no JSON that can be read: it is nested too deeply") from None


def _ids(given: dict[str, Any], text: bytes) -> dict[str, str | None]:
    """The ids of a line; with one of session or conversation given, the others are derived and not made up anew."""
    ids = {name: _id(name, given.get(name)) for name in ("session_id", "conversation_id", "user_id", "device_id")}
    if ids["session_id"] is None and ids["conversation_id"] is not None:
        ids["session_id"] = str(uuid.uuid5(NAMESPACE, f"session {ids['conversation_id']}"))
    if ids["session_id"] is not None:
        if ids["conversation_id"] is None:
            line = text.decode("utf-8", "replace")
            ids["conversation_id"] = str(uuid.uuid5(NAMESPACE, f"conversation {ids['session_id']} {line}"))
        if ids["user_id"] is None and ids["device_id"] is None:
            ids["device_id"] = str(uuid.uuid5(NAMESPACE, f"device {ids['session_id']}"))
    return ids


def _id(name: str, value: object) -> str | None:
    if value is None:
        return None
    return check_name(name, str(value) if type(value) is int else value)


def _moment(name: str, value: object) -> datetime | None:
    """A moment, given as an ISO 8601 text (UTC where it names no offset) or as seconds since 1970."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return parse_timestamp(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise InvalidEvent(name, "an ISO 8601 date and time or seconds since 1970", value)


# -- its messages ------------------------------------------------------------------------------------------------


class _Conversation:
    """Turns messages, taken one after the other, into steps."""

    def __init__(self, began: datetime | None) -> None:
        self.began = self.now = began
        self._steps: list[Step] = []
        self._user: list[str] = []
        self._assistant: list[str] = []
        self._said: datetime | None = None
        self._later: list[Call] = []
        """Calls since the assistant's text: they follow its turn, unless it says more."""
        self._running: dict[str, Call] = {}

    def take(self, where: str, message: object) -> None:
        """Take the next message.

        :raises InvalidEvent: it breaks a rule of the format.
        """
        if not isinstance(message, dict):
            raise InvalidEvent(where, "an object", message)
        role = message.get("role")
        if role not in ROLES:
            raise InvalidEvent(f"{where}.role", f"one of {', '.join(ROLES)}", role)
        self.now = _moment(f"{where}.timestamp", message.get("timestamp")) or self.now
        self.began = self.began or self.now
        if role in UNSPOKEN:
            return
        text = _text(f"{where}.content", message.get("content"))
        if role == "user":
            self._ask(text)
        elif role == "tool":
            self._return(f"{where}.tool_call_id", message.get("tool_call_id"), text)
        else:
            self._answer(text)
            calls = message.get("tool_calls") or []
            if not isinstance(calls, list):
                raise InvalidEvent(f"{where}.tool_calls", "a list", calls)
            for index, call in enumerate(calls):
                self._call(f"{where}.tool_calls[{index}]", call)

    def finish(self) -> tuple[Step, ...]:
        """All steps, the last turn included."""
        self._end_turn()
        return tuple(self._steps)

    def _ask(self, text: str) -> None:
        if self._assistant:
            self._end_turn()
        self._user.append(text)
        self._said = self.now

    def _answer(self, text: str) -> None:
        if text.strip():
            self._steps += self._later
            self._later.clear()
            self._assistant.append(text)
            self._said = self.now

    def _end_turn(self) -> None:
        user, assistant = ("\n".join(filter(None, texts)) for texts in (self._user, self._assistant))
        if user or assistant:
            self._steps.append(Turn(user, assistant, self._said))
        self._steps += self._later
        for texts in (self._user, self._assistant, self._later):
            texts.clear()

    def _call(self, where: str, given: object) -> None:
        function = given.get("function") if isinstance(given, dict) else None
        if not isinstance(given, dict) or not isinstance(function, dict):
            raise InvalidEvent(where, "an object with a function", given)
        name = check_name(f"{where}.function.name", function.get("name"))
        call = Call(name, _arguments(f"{where}.function.arguments", function.get("arguments")), timestamp=self.now)
        (self._later if self._assistant else self._steps).append(call)
        number = given.get("id")
        if number is not None:
            if not isinstance(number, str):
                raise InvalidEvent(f"{where}.id", "a str", number)
            self._running[number] = call

    def _return(self, where: str, number: object, text: str) -> None:
        call = self._running.pop(number, None) if isinstance(number, str) else None
        if call is None:
            raise InvalidEvent(where, "the id of a call before it that has no result yet", number)
        call.result = text


def _text(where: str, content: object) -> str:
    """The text of a message's content; parts that are not text are left out."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise InvalidEvent(where, "a str, null or a list of parts", content)
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidEvent(where, "made of parts whose text is a str", content)
    return "\n".join(texts)


def _arguments(where: str, given: object) -> str | None:
    """The arguments of a call as text, as they mostly are; JSON otherwise."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, (dict, list)):
        return json.dumps(given, ensure_ascii=False)
    raise InvalidEvent(where, "a str of JSON", given)
