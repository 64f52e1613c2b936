"""``mindlytics tail``: writes live events, one per line, for people or as JSON. ``live/`` receives them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import click
import orjson
from rich.console import Console
from rich.text import Text

from .. import Client, HTTPClient, MindlyticsError, MLHTTPError
from ..events import (
    CONVERSATION_SUMMARY,
    INTENT_CLOSED,
    INTENT_INFORMED,
    ML_ERROR,
    SESSION_ENDED,
    SESSION_STARTED,
    USER_ALIASED,
    USER_IDENTIFIED,
    ConversationFunction,
    ConversationTurn,
    EndConversation,
    StartConversation,
)
from ..live.event import MLEvent
from ..values import parse_timestamp
from .asking import cell, plain
from .placeoptions import json_option
from .serveroptions import credentials, server_options
from .terminal import console, fail, leave_stdout, printable, show_warnings
from .times import TIME

STYLES = {
    SESSION_STARTED: "cyan",
    SESSION_ENDED: "cyan",
    StartConversation.event: "blue",
    EndConversation.event: "blue",
    ConversationTurn.event: "bold",
    ConversationFunction.event: "magenta",
    CONVERSATION_SUMMARY: "yellow",
    INTENT_INFORMED: "yellow",
    INTENT_CLOSED: "yellow",
    ML_ERROR: "bold red",
}
"""The styles of event names. The program's own events are green."""

SUBJECTS = {CONVERSATION_SUMMARY: "summary", INTENT_INFORMED: "intent", INTENT_CLOSED: "intent"}
"""The property of an event that is shown first, without its name."""

NAME_WIDTH = 21
"""Cells for an event's name: the length of the service's longest one."""
ID_WIDTH = 12
"""Cells for a user and for a session."""

STORED_AT_ONCE = 500
"""Stored events of one request."""


@click.command()
@click.option("--session", metavar="ID", help="Show only this session.")
@click.option("--user", "users", metavar="ID", multiple=True, help="Show only this user, by any id. Repeatable.")
@click.option("--event", "names", metavar="NAME", multiple=True, help="Show only events of this name. Repeatable.")
@click.option("--since", type=TIME, metavar="TIME", help="Begin with what is stored since then: 2026-11-26, 2h, 7d.")
@json_option
@server_options
def tail(
    *,
    session: str | None,
    users: tuple[str, ...],
    names: tuple[str, ...],
    since: str | None,
    as_json: bool,
    server: str,
    api_key: str | None,
    project_id: str | None,
) -> None:
    """Show events as they happen, until Ctrl-C.

    The options default to MLSDK_SERVER_BASE, MLSDK_API_KEY and MLSDK_PROJECT_ID.
    """
    if sys.stdout is None:
        fail("stdout is closed", 1)
    key, project, local = credentials(server, api_key, project_id)
    show_warnings("mindlytics", logging.INFO)
    try:
        client = Client(
            api_key=key,
            project_id=project,
            server_endpoint=server,
            trust_env=not local,
            enabled=True,
            max_retry_wait=5.0,
        )
        with client, HTTPClient._of(client.settings) as http:
            heard: Iterable[MLEvent] = client.events(session)
            if since is not None:
                heard = with_stored(heard, http, since, session)
            events = matching(heard, users, names, lambda: user_ids(http, users))
            click.echo(
                f"mindlytics: listening to {printable(server)}, project {printable(project)}. Press Ctrl-C to stop.",
                err=True,
            )
            if as_json:
                write_json(events, sys.stdout.buffer)
            else:
                write_lines(events, console())
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        leave_stdout()
    except OSError as error:
        leave_stdout()
        fail(f"cannot write: {error.strerror}", 1)
    except MindlyticsError as error:
        fail(error, 1)


def write_json(events: Iterable[MLEvent], out: BinaryIO) -> None:
    """Write one JSON object per line, in UTF-8, and flush each."""
    for event in events:
        out.write(orjson.dumps(event.to_dict()) + b"\n")
        out.flush()


def write_lines(events: Iterable[MLEvent], console: Console) -> None:
    """Write one line per event, cut to the width of a terminal, or whole into a pipe or file."""
    whole = not console.file.isatty()  # with FORCE_COLOR, rich takes a pipe for a terminal
    for event in events:
        with console.capture() as shown:  # rich would exit by itself when the pipe is closed
            console.print(line(event), no_wrap=True, overflow="ignore" if whole else "ellipsis", crop=not whole)
        console.file.write(shown.get())
        console.file.flush()


def with_stored(
    events: Iterable[MLEvent], http: HTTPClient, since: str, session: str | None = None
) -> Iterator[MLEvent]:
    """The events that are stored since a time, and then those that are heard, each once.

    :param session: only those of this session.
    :raises MLHTTPError: the service does not answer.
    """
    wanted: dict[str, object] = {"timestamp": {"$gte": since}}
    if session is not None:
        wanted["session_id"] = session
    query: dict[str, object] = {"filter": wanted, "sort": {"timestamp": 1}, "limit": STORED_AT_ONCE, "cursor": ""}
    seen = set()
    while query["cursor"] is not None:
        reply = http.send_request(method="GET", url="/bc/v1/db/events/find", data=query)
        if reply.get("errored"):
            raise MLHTTPError(reply["status"], reply["message"])
        for row in reply["results"]:
            event = MLEvent.from_dict(row)
            seen.add(event.event_id)
            yield event
        query["cursor"] = reply["next"]
    for event in events:
        if event.event_id not in seen:
            yield event


def matching(
    events: Iterable[MLEvent], users: Collection[str], names: Container[str], look_up: Callable[[], Iterable[str]]
) -> Iterable[MLEvent]:
    """Filter events by users and names. An empty collection matches all.

    :param look_up: returns the ``user_id`` of each of these users that the service knows. It is called at the first
        event, and again when an event gives a user one of these ids.
    """
    wanted = None
    for event in events:
        if users and (wanted is None or _names_one(event, users)):
            wanted = {*users, *look_up()}
        if (wanted is None or event.user_id in wanted) and (not names or event.event in names):
            yield event


def _names_one(event: MLEvent, users: Collection[str]) -> bool:
    """Whether an event gives a user one of these ids."""
    return event.event in (USER_IDENTIFIED, USER_ALIASED) and any(id in users for id in event.properties.values())


def user_ids(http: HTTPClient, users: Collection[str]) -> Iterable[str]:
    """The ``user_id`` of each user who has one of these ids. Empty if the request fails."""
    query = {"filter": {"aliases": {"$in": list(users)}}, "projection": {"user_id": 1}}
    reply = http.send_request(method="GET", url="/bc/v1/db/users/find", data=query)
    return [row["user_id"] for row in reply] if isinstance(reply, list) else []


def line(event: MLEvent) -> Text:
    """An event for people: the time, its name, the user, the session, and the content."""
    text = Text(end="")
    text.append(_clock(event.timestamp), "dim")
    text.append("  " + cell(event.event, NAME_WIDTH), STYLES.get(event.event, "green"))
    text.append("  " + cell(event.user_id or "", ID_WIDTH))
    text.append("  " + cell(event.session_id, ID_WIDTH), "dim")
    text.append("  " + plain(_words(event)))
    text.rstrip()
    return text


def _words(event: MLEvent) -> str:
    """An event's content."""
    said = dict(event.properties)
    if event.event == ML_ERROR and "error_message" in said:
        return str(said["error_message"])
    words = ""
    if event.event == ConversationTurn.event:
        words = f"{said.pop('user', '')} → {said.pop('assistant', '')}"
    elif event.event == ConversationFunction.event:
        words = f"{said.pop('name', '')}({said.pop('args', '')}) → {said.pop('result', '')}"
    elif event.event in SUBJECTS:
        words = str(said.pop(SUBJECTS[event.event], ""))
    return "  ".join([*([words] if words else []), *_pairs(said)])


def _pairs(values: Mapping[str, Any]) -> Iterable[str]:
    for name, value in values.items():
        yield f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def _clock(timestamp: str) -> str:
    """The local time of day."""
    try:
        return parse_timestamp(timestamp).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError):
        return "--:--:--"
