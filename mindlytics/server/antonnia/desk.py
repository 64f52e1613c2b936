"""Acts without a request: answers of agents after their debounce time, and due schedules."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from attrs import frozen
from sqlalchemy import Connection, select

from ...antonnia.codec import from_json, to_json
from ...antonnia.exceptions import AntonniaError, ValidationError
from ...antonnia.types import Message, Session
from ...values import now, parse_timestamp
from ..apps import App
from ..idempotency import RequestKey
from ..records import Records
from ..schema import apps
from ..store import Store
from ..unavailable import Stopping, Unavailable
from . import actions
from .posting import Posting
from .rows import APP_ID, Document, Rows, new_id

T = TypeVar("T")

LOOK_AGAIN = 60.0
"""Seconds after which schedules are checked again, since another server may have added some."""

RETRY_SECONDS = 5.0
"""Seconds between two attempts while they cannot be read."""

ECHO = "You said: {text}"

logger = logging.getLogger("mindlytics.server")


@frozen
class Occasion:
    """What an agent should answer to.

    :param session: the session, with its agent and metadata.
    :param messages: all messages of the session, oldest first. Without a node, the last one is the contact's.
    :param node_id: the node to continue at, if a schedule names one.
    """

    session: Session
    messages: list[Message]
    node_id: str | None = None


Reply = Callable[[Occasion], Any]
"""Returns what the agent says: a text, a content, a list of them, or None. May be a coroutine function."""


def rule(template: str = ECHO) -> Reply:
    """An agent with a fixed answer.

    :param template: the answer. ``{text}`` in it stands for the contact's last message.
    """

    def answer(occasion: Occasion) -> str:
        if occasion.node_id is not None:
            return f"[{occasion.node_id}]"
        return template.replace("{text}", occasion.messages[-1].content.words)

    return answer


class Desk:
    """The agents of one running server.

    :param reply: what they say. A text becomes a :func:`rule`.
    """

    def __init__(self, store: Store, reply: Reply | str | None, posting: Posting) -> None:
        self._store = store
        self._reply = reply if callable(reply) else rule(ECHO if reply is None else reply)
        self._posting = posting
        self._pending: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._clerk = asyncio.create_task(self._keep_time())

    async def close(self) -> None:
        """Drop pending answers. The next server carries out the schedules."""
        tasks = [self._clerk, *self._pending.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look(self) -> None:
        """Note that a schedule was added."""
        self._changed.set()

    async def reply(self, app: App, session_id: str, debounce: float, key: RequestKey | None = None) -> Document:
        """Answer in a session, at once or after so many seconds without another call. Returns the session.

        :param key: see :meth:`~.rows.Rows.once`. The agent answers once under one key.
        """
        answered = None
        if debounce:
            answered = await self._write(
                app, lambda rows: rows.once(key, partial(actions.get_session, rows, {}, session_id))
            )
        place = (app.scope, session_id)
        waiting = self._pending.pop(place, None)
        if waiting is not None:
            waiting.cancel()
        if answered is None:
            return await self._answer(app, session_id, key=key)

        async def later() -> None:
            await asyncio.sleep(debounce)
            del self._pending[place]
            await _logged(self._answer(app, session_id))

        self._pending[place] = asyncio.create_task(later())
        return answered

    async def _answer(
        self, app: App, session_id: str, node_id: str | None = None, *, key: RequestKey | None = None
    ) -> Document:
        def look(connection: Connection) -> Occasion | None:
            rows = Rows(connection, app)
            session = from_json(Session, actions.session_to_json(rows, actions.open_session(rows, session_id)))
            if session.agent is not None and session.agent.type == "human":
                return None
            messages = [from_json(Message, document) for document in rows.each("message", session_id)]
            if node_id is None and (not messages or messages[-1].role != "user"):
                return None
            return Occasion(session, messages, node_id)

        occasion = await self._store.read(look)
        said = None if occasion is None else await self._asked(occasion)
        contents = said if isinstance(said, (list, tuple)) else [] if said is None else [said]
        run_id = new_id("run")

        def say(rows: Rows) -> Document:
            for content in contents:
                as_json = {"type": "text", "text": content} if isinstance(content, str) else to_json(content)
                actions.create_message(rows, {"role": "assistant", "content": as_json}, session_id, run_id)
            return actions.get_session(rows, {}, session_id)

        return await self._write(app, lambda rows: rows.once(key, partial(say, rows)))

    async def _asked(self, occasion: Occasion) -> Any:
        try:
            said = await asyncio.to_thread(self._reply, occasion)
            return await said if inspect.isawaitable(said) else said
        except Exception as error:
            logger.exception("the reply function failed")
            raise ValidationError(f"the reply function failed: {type(error).__name__}") from None

    async def _write(self, app: App, work: Callable[[Rows], T]) -> T:
        def run(records: Records) -> tuple[T, list[Document]]:
            rows = Rows(records.connection, app)
            return work(rows), rows.events

        result, events = await self._store.write(run)
        self._posting.post(events)
        return result

    # -- schedules

    async def _keep_time(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            pause = LOOK_AGAIN
            try:
                scheduled = await self._store.read(_scheduled)
            except Stopping:
                return
            except Unavailable as error:
                logger.warning("schedules cannot be read at present: %s", error)
                scheduled, pause = [], RETRY_SECONDS
            for app, schedule in scheduled:
                left = (_due(schedule) - now()).total_seconds()
                if left <= 0:
                    await _logged(self._carry_out(app, schedule))
                else:
                    pause = min(pause, left)
            timer = loop.call_later(pause, self._changed.set)
            await self._changed.wait()
            timer.cancel()

    async def _carry_out(self, app: App, schedule: Document) -> None:
        session_id, config = schedule["session_id"], schedule["config"]
        mine = False

        def work(rows: Rows) -> None:
            nonlocal mine
            current = actions.known(rows, "schedule", schedule["id"])
            mine = current["status"] == "scheduled"  # otherwise another server did it
            if not mine:
                return
            status = "completed"
            try:
                actions.open_session(rows, session_id)
                if config["type"] == "message":
                    said = {"role": "assistant", "content": config["message"]}
                    actions.create_message(rows, said, session_id)
            except AntonniaError:
                status, mine = "failed", False
            rows.put("schedule", {**current, "status": status})

        await self._write(app, work)
        if mine and config["type"] == "node":
            try:
                await self._answer(app, session_id, config["node_id"])
            except AntonniaError:
                await self._write(app, lambda rows: rows.put("schedule", {**schedule, "status": "failed"}))


def _scheduled(connection: Connection) -> list[tuple[App, Document]]:
    """The pending schedules of all organizations."""
    found = []
    query = select(apps.c.scope, apps.c.organization_id).where(apps.c.app_id == APP_ID)
    for scope, organization_id in connection.execute(query).all():
        app = App(scope, organization_id, APP_ID)
        found += [(app, schedule) for schedule in Rows(connection, app).each("schedule", status="scheduled")]
    return sorted(found, key=lambda item: _due(item[1]))


def _due(schedule: Document) -> datetime:
    return parse_timestamp(schedule["scheduled_for"])


async def _logged(work: Coroutine[Any, Any, object]) -> None:
    """Run something in the background, and log its failure."""
    try:
        await work
    except AntonniaError as error:
        logger.warning("an agent could not answer: %s", error)
    except Exception:
        logger.exception("an agent could not answer")
