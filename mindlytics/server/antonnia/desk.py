"""What happens without a request: answers of agents after their debounce time, and due schedules."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from attrs import frozen
from sqlalchemy import Connection, select

from ...antonnia.codec import from_json, to_json
from ...antonnia.exceptions import AntonniaError, ValidationError
from ...antonnia.types import Message, Session
from ...values import now, parse_timestamp
from ..apps import App
from ..idempotency import RequestKey
from ..parameters import Object
from ..records import Records
from ..schema import apps
from ..store import Store
from ..unavailable import Stopping, Unavailable
from . import actions
from .documents import APP_ID, Document, Documents, new_id
from .shapes import NewMessage
from .webhooks import WebhookSender

T = TypeVar("T")

LOOK_AGAIN = 60.0
"""Seconds after which schedules are checked again, since another server may have added some."""

RETRY_SECONDS = 5.0
"""Seconds between two attempts while they cannot be read."""

ECHO = "You said: {text}"

logger = logging.getLogger("mindlytics.server")


@frozen
class ReplyContext:
    """What an agent should answer to.

    :param session: the session, with its agent and metadata.
    :param messages: all messages of the session, oldest first. Without a node, the last one is the contact's.
    :param node_id: the node to continue at, if a schedule names one.
    """

    session: Session
    messages: list[Message]
    node_id: str | None = None


Reply = Callable[[ReplyContext], Any]
"""Returns what the agent says: a text, a content, a list of them, or None. May be a coroutine function."""


def rule(template: str = ECHO) -> Reply:
    """An agent with a fixed answer.

    :param template: the answer. ``{text}`` in it stands for the contact's last message.
    """

    def answer(context: ReplyContext) -> str:
        if context.node_id is not None:
            return f"[{context.node_id}]"
        return template.replace("{text}", context.messages[-1].content.words)

    return answer


class Agents:
    """The agents of one running server.

    :param reply: what they say. A text becomes a :func:`rule`.
    """

    def __init__(self, store: Store, reply: Reply | str | None, webhooks: WebhookSender) -> None:
        self._store = store
        self._reply = reply if callable(reply) else rule(ECHO if reply is None else reply)
        self._webhooks = webhooks
        self._pending: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._scheduler = asyncio.create_task(self._run_schedules())

    async def close(self) -> None:
        """Drop pending answers. The next server carries out the schedules."""
        tasks = [self._scheduler, *self._pending.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def schedule_added(self) -> None:
        """Note that a schedule was added."""
        self._changed.set()

    async def reply(self, app: App, session_id: str, debounce: float, key: RequestKey | None = None) -> Document:
        """Answer in a session, at once or after so many seconds without another call. Returns the session.

        :param key: see :meth:`~.documents.Documents.once`. The agent answers once under one key.
        """
        answered = None
        if debounce:
            answered = await self._write(
                app, lambda documents: documents.once(key, partial(actions.get_session, documents, session_id))
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
        def look(connection: Connection) -> ReplyContext | None:
            documents = Documents(connection, app)
            opened = actions.open_session(documents, session_id)
            session = from_json(Session, actions.session_to_json(documents, opened))
            if session.agent is not None and session.agent.type == "human":
                return None
            messages = [from_json(Message, document) for document in documents.each("message", session_id)]
            if node_id is None and (not messages or messages[-1].role != "user"):
                return None
            return ReplyContext(session, messages, node_id)

        context = await self._store.read(look)
        said = None if context is None else await self._call_reply(context)
        contents = said if isinstance(said, (list, tuple)) else [] if said is None else [said]
        run_id = new_id("run")

        def say(documents: Documents) -> Document:
            for content in contents:
                as_json = {"type": "text", "text": content} if isinstance(content, str) else to_json(content)
                actions.create_message(documents, NewMessage("assistant", cast(Object, as_json)), session_id, run_id)
            return actions.get_session(documents, session_id)

        return await self._write(app, lambda documents: documents.once(key, partial(say, documents)))

    async def _call_reply(self, context: ReplyContext) -> Any:
        try:
            said = await asyncio.to_thread(self._reply, context)
            return await said if inspect.isawaitable(said) else said
        except Exception as error:
            logger.exception("the reply function failed")
            raise ValidationError(f"the reply function failed: {type(error).__name__}") from None

    async def _write(self, app: App, work: Callable[[Documents], T]) -> T:
        def run(records: Records) -> tuple[T, list[Document]]:
            documents = Documents(records.connection, app)
            return work(documents), documents.events

        result, events = await self._store.write(run)
        self._webhooks.post(events)
        return result

    # -- schedules

    async def _run_schedules(self) -> None:
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

        def work(documents: Documents) -> None:
            nonlocal mine
            current = actions.known(documents, "schedule", schedule["id"])
            mine = current["status"] == "scheduled"  # otherwise another server did it
            if not mine:
                return
            status = "completed"
            try:
                actions.open_session(documents, session_id)
                if config["type"] == "message":
                    actions.create_message(documents, NewMessage("assistant", config["message"]), session_id)
            except AntonniaError:
                status, mine = "failed", False
            documents.put("schedule", {**current, "status": status})

        await self._write(app, work)
        if mine and config["type"] == "node":
            try:
                await self._answer(app, session_id, config["node_id"])
            except AntonniaError:
                await self._write(app, lambda documents: documents.put("schedule", {**schedule, "status": "failed"}))


def _scheduled(connection: Connection) -> list[tuple[App, Document]]:
    """The pending schedules of all organizations."""
    found = []
    query = select(apps.c.scope, apps.c.organization_id).where(apps.c.app_id == APP_ID)
    for scope, organization_id in connection.execute(query).all():
        app = App(scope, organization_id, APP_ID)
        found += [(app, schedule) for schedule in Documents(connection, app).each("schedule", status="scheduled")]
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
