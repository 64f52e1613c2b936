"""``mindlytics show``: a session as a chat, with function calls, tokens and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import click
from rich.text import Text

from ..events import (
    CONVERSATION_SUMMARY,
    FEEDBACK,
    INTENT_CLOSED,
    INTENT_INFORMED,
    ML_ERROR,
    ConversationFunction,
    ConversationTurn,
    ConversationUsage,
    EndConversation,
    StartConversation,
)
from ..recorded.source import Source
from .asking import NEWEST, NotFound, Row, dollars, find, joined, local, plain, reporting, tokens, write_json
from .placeoptions import source_option
from .terminal import console, count

INDENT = " " * 10
IN_TIME = {"timestamp": 1}


@click.command()
@click.argument("session_id", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the session, then each event, one object per line.")
@source_option
def show(*, session_id: str | None, as_json: bool, source: Source) -> None:
    """Show a session, by its ID or that of one of its conversations. Default: the newest session."""
    with reporting():
        session = session_of(source, session_id)
        events = find(source, "events", filter={"session_id": session["session_id"]}, sort=IN_TIME)
        if as_json:
            write_json([session])
            write_json(events)
            return
        shown = console()
        for line in lines(session, events):
            shown.print(line, soft_wrap=True)


def session_of(source: Source, session_id: str | None) -> Row:
    """The session of this id, or with a conversation of this id, or the newest one.

    :raises NotFound: there is none.
    """
    if session_id is None:
        for session in find(source, "sessions", 1, sort=NEWEST):
            return session
        raise NotFound("there is no session yet")
    for session in find(source, "sessions", 1, filter={"session_id": session_id}):
        return session
    for conversation in find(source, "conversations", 1, filter={"conversation_id": session_id}):
        for session in find(source, "sessions", 1, filter={"session_id": conversation["session_id"]}):
            return session
    raise NotFound(f"there is no session or conversation {session_id}")


def lines(session: Row, events: Iterator[Row]) -> Iterator[Text]:
    """A session for people."""
    yield Text(f"Session {plain(session['session_id'])}", "bold")
    until = local(session["ended_at"], "%H:%M") if session["ended_at"] is not None else "open"
    yield Text(
        joined(
            plain(session["user_id"]),
            f"{local(session['started_at'])} to {until}",
            count(session["turn_count"], "turn"),
            count(session["function_count"], "call"),
            tokens(session),
            dollars(session["cost"]) if session["cost"] is not None else "",
        ),
        "dim",
    )
    for row in events:
        yield from _event(row)


def _event(row: Row) -> Iterator[Text]:
    said = cast("Mapping[str, object]", row["properties"])
    name = row["event"]
    if name == ConversationTurn.event:
        yield Text()
        for speaker, style in (("user", "bold cyan"), ("assistant", "bold green")):
            if said.get(speaker) not in (None, ""):
                yield _said(row, speaker, style, str(said[speaker]))
        usage = joined(plain(said.get("model", "")), tokens(said), dollars(said["cost"]) if "cost" in said else "")
        if usage:
            yield Text(f"{INDENT}{usage}", "dim")
    elif name == ConversationFunction.event:
        called = f"{plain(said.get('name', ''))}({plain(said.get('args', ''))})"
        result = f" → {plain(said['result'])}" if said.get("result") not in (None, "") else ""
        runtime = said.get("runtime")
        yield Text(
            f"{INDENT}{called}{result}{f' · {runtime:g} ms' if isinstance(runtime, (int, float)) else ''}", "magenta"
        )
    elif name == StartConversation.event:
        yield Text()
        yield Text(f"Conversation {plain(row.get('conversation_id', ''))}", "bold blue")
    elif name == CONVERSATION_SUMMARY:
        found = joined(plain(said.get("summary", "")), plain(said.get("sentiment", "")))
        if found:
            yield Text()
            yield Text(f"{INDENT}{found}", "yellow")
    elif name == ConversationUsage.event:
        yield Text(f"{INDENT}{joined(plain(said.get('model', '')), tokens(said))}", "dim")
    elif name == FEEDBACK:
        yield Text(f"{INDENT}{joined(*(plain(value) for value in said.values()))}", "bold yellow")
    elif name == ML_ERROR:
        yield Text(f"{INDENT}{plain(said.get('error_message', 'error'))}", "bold red")
    elif name not in (INTENT_INFORMED, INTENT_CLOSED, EndConversation.event) and not str(name).startswith("Session "):
        yield Text(f"{local(row['timestamp'], '%H:%M:%S')}  {plain(name)}", "dim")


def _said(row: Row, speaker: str, style: str, words: str) -> Text:
    """What one side said. Its lines stay, below each other."""
    text = Text()
    text.append(local(row["timestamp"], "%H:%M:%S") + "  ", "dim")
    text.append(f"{speaker:9}  ", style)
    text.append(("\n" + " " * 21).join(plain(line) for line in words.splitlines()))
    return text
