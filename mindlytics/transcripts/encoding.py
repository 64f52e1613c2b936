"""Encodes a transcript's events, with a key that stays the same however often it is read.

A transcript without ids gets ids made from its content and its place. Steps without a time get the time of reading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, cast, get_args

import orjson
from attrs import astuple, fields

from ..session import BaseSession
from ..session_state import Encode, SessionClient
from ..values import Timestamp
from ..wire import encode_parts
from .ids import derived
from .model import Step, Transcript
from .playing import play_between

ChangeReport = Callable[[str, object, str], None]
VALUES = {kind: attrgetter(*(each.name for each in fields(kind))) for kind in get_args(Step)}
"""All fields of a step."""


def digest(transcript: Transcript) -> bytes:
    """A digest that is the same for the same conversation, however often and wherever it is read."""
    ids = transcript.session
    content = {
        "session": {name: value for name, value in ids.items() if value is not None},
        "steps": [(type(step).__name__, VALUES[type(step)](step)) for step in transcript.steps],
        "feedback": [(each.name, each.value, each.turn, each.comment, dict(each.more)) for each in transcript.feedback],
        "span": (transcript.began, transcript.ended),
        "recorded": transcript.recorded and astuple(transcript.recorded),
        "where": None if ids.get("session_id") else transcript.where,
    }
    try:
        encoded = orjson.dumps(content, str, orjson.OPT_NON_STR_KEYS)
    except TypeError:  # lone surrogates, longer integers, deeper nesting
        encoded = json.dumps(content, default=str).encode()
    return blake2b(encoded, digest_size=16).digest()


class EventEncoder:
    """Makes encoded events of transcripts. It is what a session needs of its client without listeners and losses.

    :param origin: the properties of all events that say where they come from, as in the settings.
    :param report: called for changed values: with the name, the value, and what was done.
    """

    is_closed = False
    settings = SimpleNamespace(sample_rate=1.0)

    def __init__(self, origin: dict[str, str], report: ChangeReport) -> None:
        self._origin = origin
        self._pieces: list[bytes] = []
        ledger = SimpleNamespace(open_account=SimpleNamespace)
        self.pipeline = SimpleNamespace(ledger=ledger, report_change=report, is_open=True, submit=self._submit)

    def events_of(self, transcript: Transcript, key: bytes, now: datetime) -> list[bytes]:
        """The events of a transcript, encoded.

        :param key: its :func:`digest`.
        :param now: the time of steps without one.
        """
        began = transcript.began or now
        session = transcript.session.copy()
        if session.get("session_id") is None:
            session["session_id"] = derived("session", key.hex())
            session["conversation_id"] = derived("conversation", key.hex())
            if session.get("user_id") is None and session.get("device_id") is None:
                session["device_id"] = derived("device", key.hex())
        self._pieces = []
        play_between(_Session(cast(SessionClient, self), **session), transcript, began, transcript.ended or began)
        return self._pieces

    def _submit(self, data: bytes, size: int, account: object) -> None:
        self._pieces.append(data)

    def _mirrors(self, account: object) -> Sequence[Any]:
        return ()

    def _encoder(self) -> Encode:
        return encode_parts


class _Session(BaseSession[None, str]):
    """A session whose events go into a list."""

    def _all(self, done: list[None]) -> None:
        return None

    def _answer(self, done: None, id: str) -> str:
        return id

    def _timestamp(self, value: Timestamp | None) -> Timestamp:
        """The time of a file, which is checked already."""
        assert value is not None
        return value
