"""When a conversation is analysed, and how its findings become events and rows, once for each end.

The end of a conversation is stored together with a note that its analysis is due (table ``unanalysed``), in one
transaction. A separate thread takes the notes in order, shortly after the commit. So ingest never waits for an
analysis, and late events of other processes are included. Even later events add another note. One transaction stores
the findings and removes the note. So a server that is killed in between loses no summary and makes none twice. Of
servers that share a database, the one that stored an end analyses it, and sends its ``Session Ended`` afterwards. The
others take over an end that is left for longer than ``HOLD_SECONDS``.

``reading.py`` reads a conversation, ``local.py`` or your own function analyses it, and ``outcome.py``
stores the findings.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from aiohttp import web
from attrs import Factory, define
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ...events import (
    CONVERSATION_SUMMARY,
    INTENT_CLOSED,
    INTENT_INFORMED,
    ML_ERROR,
    SESSION_ENDED,
    SESSION_STARTED,
)
from ...validators import check_name
from ...values import Scalar, valid_text
from ..records import Records
from ..schema import StoreError, now
from ..store import Store
from ..stored import Ending, Late, StoredEvent
from ..timeline import Key, Stretch, stretches
from ..unavailable import Unavailable
from . import Analysis, AnalysisError, Dialogue, Findings, name_of
from .outcome import Found, Made, Outcome, add_all, made_of
from .reading import GRACE, Due, Place, Reading, due, hurry, next_due, read, unanalysed

AT_ONCE = 64
SHARE_SECONDS = 0.02
"""Most conversations, and roughly the longest time, before findings are stored."""

TOGETHER = 8
"""Conversations whose stretches are read at once. Time may not be left for all that are due."""

REST = 9
"""While requests come in, the thread rests for this multiple of the CPU time that it used, to let them go first."""

HOLD_SECONDS = 10.0
"""How long a ``Session Ended`` waits for the analysis of its conversations. Then it is sent without."""

MAX_WAITING = 10_000
"""Most sessions whose end waits. Beyond that, the first one is sent without."""

RETRY_SECONDS = 5.0
"""Time between two attempts while nothing can be stored, for example on a full disk."""

FINDINGS_SECONDS = 10.0
"""How long a request with a single event waits for the analysis of a conversation that it ends."""

STOP_SECONDS = 5.0
"""Time for a running analysis to end when the server stops."""

logger = logging.getLogger("mindlytics.server")


@define
class _Waiting:
    """A session's due conversations (the events that ended them), a deadline, and the events that wait for them."""

    until: float
    endings: set[int] = Factory(set)
    held: list[StoredEvent] = Factory(list)


class Background:
    """The thread that analyses the conversations of a store, and stores the findings.

    :param publish: called with the events of each commit. A ``Session Ended`` comes after the events of its
        conversations' analysis, unless that takes too long.

    The events of each commit go through :meth:`committed`, on the writer's thread.
    """

    def __init__(self, store: Store, analysis: Analysis, publish: Callable[[Sequence[StoredEvent]], None]) -> None:
        self._store = store
        self._analysis = analysis
        self._name = name_of(analysis)
        self._patience = int(HOLD_SECONDS * 1_000_000) if store.database.is_shared else GRACE
        self._publish = publish
        self._waiting: dict[int, _Waiting] = {}
        self._settled: list[Due] = []
        self._busy = False
        self._began = now()
        self._releasing: asyncio.Task[None] | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mindlytics-analysis", daemon=True)

    async def start(self, _: web.Application) -> None:
        """Start, with the notes that an earlier run left."""
        self._wake.set()
        self._thread.start()
        self._releasing = asyncio.create_task(self._release())

    async def stop(self, _: web.Application) -> None:
        """End after the running analysis. The rest is done after the next start."""
        if self._releasing is not None:
            self._releasing.cancel()
        self._stopping.set()
        self._wake.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, STOP_SECONDS)

    @property
    def holds_since(self) -> int:
        """The end of a session waits for a conversation that ended after this time (as stored), if at all."""
        return max(self._began, now() - int(HOLD_SECONDS * 1_000_000))

    async def findings(self, stored: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Wait for the analysis of conversations that ended among these events, and return its events, unless that
        takes too long.
        """
        made: list[StoredEvent] = []
        until = time.monotonic() + FINDINGS_SECONDS
        with suppress(Unavailable):  # the end is stored, so its request has succeeded
            for event in stored:
                if type(event) is Ending:
                    await self._store.write(partial(_hurry, event.seq))
                    found = await self._store.read(partial(made_of, event))
                    while not found and time.monotonic() < until:
                        await asyncio.sleep(0.005)
                        found = await self._store.read(partial(made_of, event))
                    made += found
        return made

    # -- on the writer's thread

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """Take the events of a commit, and publish those that may be sent now."""
        if events and not self._settled:
            self._busy = True
        if not events:  # a request may wait for it
            self._wake.set()
        released: list[StoredEvent] = []
        for event in events:
            if event.event == SESSION_STARTED:  # the end has to be sent before the new start
                released += self._let_go(event)
            if not self._holds(event):
                released.append(event)
            if type(event) is Late:
                self._wake.set()
        for settled in self._settled:
            released += self._settle(settled)
        self._settled.clear()
        at = time.monotonic()
        while self._waiting and (  # they are ordered by their ends
            len(self._waiting) > MAX_WAITING or next(iter(self._waiting.values())).until <= at
        ):
            released += self._waiting.pop(next(iter(self._waiting))).held
        self._publish(released)

    def _holds(self, event: StoredEvent) -> bool:
        """Whether an event waits for the analysis of conversations, those included that it or one before it ended."""
        if type(event) is Ending:
            key = event.session
            if key not in self._waiting:
                self._waiting[key] = _Waiting(time.monotonic() + HOLD_SECONDS)
            self._waiting[key].endings.add(event.seq)
            self._wake.set()
        elif event.event == SESSION_ENDED and (waiting := self._waiting.get(event.session)):
            waiting.held.append(event)
            return True
        return False

    def _let_go(self, started: StoredEvent) -> list[StoredEvent]:
        """The held events of a session that starts again."""
        waiting = self._waiting.get(started.session)
        if waiting is None:
            return []
        held, waiting.held = waiting.held, []
        return held

    def _settle(self, settled: Due) -> list[StoredEvent]:
        """Note an analysed conversation, and return the events that waited for it."""
        key = settled.session
        waiting = self._waiting.get(key)
        if waiting is None:
            return []
        waiting.endings.discard(settled.event)
        return [] if waiting.endings else self._waiting.pop(key).held

    def _add(self, records: Records, outcomes: Sequence[Outcome]) -> None:
        """Store findings, except those that another server stored first."""
        self._settled += [outcome.due for outcome in outcomes]
        add_all(records, outcomes)

    def _forget(self, records: Records) -> None:
        """Release events that wait for removed notes: another server was first, or this one was emptied."""
        if not unanalysed(records.connection):
            for waiting in self._waiting.values():
                waiting.until = 0.0

    async def _release(self) -> None:
        """Check held events regularly, even without commits."""
        while True:
            await asyncio.sleep(HOLD_SECONDS / 10)
            if self._waiting:
                with suppress(SQLAlchemyError, Unavailable):
                    await self._store.write(lambda records: None)

    # -- on its own thread

    def _run(self) -> None:
        connection = self._store.database.reading(lambda: False)
        rest = None
        while not self._stopping.is_set():
            self._wake.wait(rest)
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self._share(connection):
                    pass
                with connection.begin():
                    rest = next_due(connection, self._own(), self._patience)
            except StoreError:  # the store is closed
                break
            except Exception as error:
                cause = getattr(error, "orig", error)
                logger.warning("what was found in conversations cannot be stored, trying again: %s", cause)
                self._stopping.wait(RETRY_SECONDS)
                self._wake.set()
        connection.close()

    def _share(self, connection: Connection) -> bool:
        """Analyse some due conversations, store the findings, and rest. Returns whether there were any."""
        began, worked = time.monotonic(), time.thread_time()
        outcomes = []
        with connection.begin():
            ends = due(connection, AT_ONCE, self._own(), self._patience)
            among: Mapping[Key, Sequence[Stretch]] = {}
            for place, ended in enumerate(ends):
                if place % TOGETHER == 0:
                    among = stretches(connection, {each.key for each in ends[place : place + TOGETHER]})
                outcomes.append(self._outcome(connection, ended, among[ended.key]))
                if time.monotonic() - began > SHARE_SECONDS or self._stopping.is_set():
                    break
        if not outcomes:
            if self._waiting:
                self._store.submit(self._forget).result()
            return False
        self._store.submit(lambda records: self._add(records, outcomes)).result()
        busy, self._busy = self._busy, False
        if busy:
            self._stopping.wait(REST * (time.thread_time() - worked))
        return True

    def _own(self) -> list[int]:
        """Ends that this server stored, and that events wait for: the first ones."""
        waiting = list(self._waiting.values())[:AT_ONCE]  # copies, since the writer's thread changes them
        return [ending for one in waiting for ending in list(one.endings)][:AT_ONCE]

    def _outcome(self, connection: Connection, ended: Due, among: Sequence[Stretch]) -> Outcome:
        """Read and analyse one conversation. A failure of its own is reported, and delays no other.

        :param among: its stretches.
        :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be read at present.
        """
        try:
            return self._analyse(read(connection, ended, among), ended)
        except SQLAlchemyError:
            raise
        except Exception as error:
            return self._failure(ended, error)

    def _analyse(self, reading: Reading, ended: Due) -> Outcome:
        """Analyse one conversation. If that fails, its counts are still stored."""
        outcome = Outcome(ended, former_ids=reading.former_ids)
        counted = reading.count.properties(reading.started_at, ended.ended_at)
        try:
            found = self._analysis(_dialogue(reading, ended))
            _check(found, len(reading.steps))
        except BaseException as error:  # a custom analysis may even raise SystemExit
            return self._failure(ended, error, **counted)
        for intent in found.intents:
            informed = reading.places[intent.informed]
            closed = ended.origin if intent.closed is None else reading.places[intent.closed]
            fulfilled = "yes" if intent.fulfilled else "no"
            self._make(outcome, INTENT_INFORMED, informed, intent=intent.name)
            self._make(
                outcome,
                INTENT_CLOSED,
                closed,
                intent=intent.name,
                intent_fulfilled=fulfilled,
                summary=intent.summary,
                sentiment=intent.sentiment,
            )
            about: Any = (intent.name, fulfilled, intent.summary, intent.sentiment, *informed, *closed, self._name)
            outcome.intents.append(Found(ended.scope, ended.session, ended.conversation, *about))
        won = sum(intent.fulfilled for intent in found.intents)
        self._make(
            outcome,
            CONVERSATION_SUMMARY,
            ended.origin,
            summary=found.summary,
            sentiment=found.sentiment,
            successful_intents=won,
            unsuccessful_intents=len(found.intents) - won,
            **counted,
        )
        return outcome

    def _failure(self, ended: Due, error: BaseException, **counted: Scalar) -> Outcome:
        """An ``MLError``, and a summary with only the counts."""
        logger.warning("the analysis %s failed: %s", self._name, type(error).__name__)
        outcome = Outcome(ended)
        message = valid_text(f"the analysis failed: {type(error).__name__}: {error}")
        self._make(outcome, ML_ERROR, ended.origin, error_message=message)
        self._make(outcome, CONVERSATION_SUMMARY, ended.origin, **counted)
        return outcome

    def _make(self, outcome: Outcome, event: str, origin: Place, **properties: Scalar | None) -> None:
        known = {name: value for name, value in properties.items() if value is not None}
        outcome.made.append(Made(event, orjson.dumps({"analysis": self._name, **known}).decode(), *origin))


def _hurry(event: int, records: Records) -> None:
    hurry(records.connection, event)


BACKGROUND = web.AppKey("background", Background)


def _dialogue(reading: Reading, ended: Due) -> Dialogue:
    return Dialogue(
        session_id=ended.session_id,
        conversation_id=ended.conversation_id,
        started_at=reading.started_at,
        ended_at=ended.ended_at,
        steps=tuple(reading.steps),
    )


def _check(found: object, steps: int) -> None:
    """Check the result of an analysis.

    :raises AnalysisError: it breaks a rule, which the message names.
    :raises InvalidEvent: an intent has no name.
    """
    if not isinstance(found, Findings):
        raise AnalysisError(f"it must give back Findings, not {type(found).__name__}")
    for intent in found.intents:
        check_name("intent", intent.name)
        if max(intent.informed, intent.closed or 0) >= steps:
            raise AnalysisError(f"an intent names a step that is not among the {steps} of the conversation")
    if any(
        text and text != valid_text(text) for text in (found.summary, *(intent.summary for intent in found.intents))
    ):
        raise AnalysisError("a summary must be valid Unicode, without lone surrogates")
