"""Plays a transcript into a session: its events, in their order and at their times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ..events import FEEDBACK
from ..session import BaseSession
from ..session_state import Done
from ..usage import Cost, TokenBasedCost, Usage
from ..values import present
from .fields import JsonObject
from .model import Call, Event, Feedback, Recorded, Step, Transcript, Turn

UP = frozenset({"thumbs_up", "thumbsup", "up", "like", "liked", "good", "positive", "+1", "👍", "thumbs up"})
DOWN = frozenset(
    {"thumbs_down", "thumbsdown", "down", "dislike", "disliked", "bad", "negative", "-1", "👎", "thumbs down"}
)


def play(session: BaseSession[Done, Any], transcript: Transcript) -> Done:
    """Record a transcript in a session made with its arguments, from the session's start to its end.

    :returns: None, or on the asyncio face an awaitable of all calls, in their order.
    """
    return play_between(session, transcript, transcript.began, transcript.ended)


def play_between(
    session: BaseSession[Done, Any], transcript: Transcript, began: datetime | None, ended: datetime | None
) -> Done:
    """Like :func:`play`, with times for a transcript that may have none. Steps without one happen at its beginning."""
    if transcript.recorded is not None:
        return session._all([*_repeat(session, transcript, transcript.recorded, began)])
    done: list[Any] = [session.start_session(timestamp=began)]
    done += [_record(session, step, began) for step in transcript.steps]
    done += [_opinion(session, each, ended) for each in transcript.feedback]
    done.append(session.end_session(timestamp=ended))
    return session._all(done)


def _repeat(
    session: BaseSession[Done, Any], transcript: Transcript, recorded: Recorded, began: datetime | None
) -> Iterator[Any]:
    """Record what an export says. Only the first line of a session begins it, and only the last one may end it."""
    if recorded.session_began is not None:
        yield session.start_session(timestamp=recorded.session_began)
        yield from _introduce(session, recorded)
    if session.conversation_id is not None:
        yield session.start_conversation(
            conversation_id=session.conversation_id,
            timestamp=recorded.began,
            properties=recorded.properties,
            attributes=recorded.attributes,
        )
    for step in transcript.steps:
        yield _record(session, step, began)
    if session.conversation_id is not None and recorded.ended is not None:
        yield session.end_conversation(timestamp=recorded.ended)
    if recorded.session_ended is not None:
        yield session.end_session(timestamp=recorded.session_ended)


def _introduce(session: BaseSession[Done, Any], recorded: Recorded) -> Iterator[Any]:
    """Record the user's traits and other ids. The main id comes last, since the last one is the main one."""
    at, name = recorded.session_began, session.id
    if recorded.traits:
        yield session.user_identify(traits=recorded.traits, timestamp=at)
    if name is not None and recorded.aliases:
        for alias in recorded.aliases:
            yield session.user_alias(id=alias, previous_id=name, timestamp=at)
        yield session.user_alias(id=name, previous_id=recorded.aliases[-1], timestamp=at)


def _record(session: BaseSession[Done, Any], step: Step, began: datetime | None) -> Done:
    at = began if step.timestamp is None else step.timestamp
    if isinstance(step, Event):
        return session.track_event(event=step.name, properties=step.properties, timestamp=at)
    if isinstance(step, Call):
        return session.track_function_call(
            name=step.name,
            args=step.args,
            result=step.result,
            runtime=0 if step.runtime is None else step.runtime,
            properties=step.properties or None,
            timestamp=at,
        )
    usage, properties = _usage(step)
    return session.track_conversation_turn(
        user=step.user,
        assistant=step.assistant,
        assistant_id=step.assistant_id,
        usage=usage,
        properties={**step.properties, **properties} if properties else step.properties or None,
        timestamp=at,
    )


def _usage(turn: Turn) -> tuple[Usage | None, JsonObject | None]:
    """A turn's tokens and cost, as usage if that is complete, and as properties."""
    known: JsonObject = present(
        model=turn.model,
        prompt_tokens=turn.prompt_tokens,
        completion_tokens=turn.completion_tokens,
        cached_tokens=turn.cached_tokens,
    )
    if not known and turn.cost is None:
        return None, None
    if turn.cost is not None:
        return Cost(turn.cost), known or None
    if turn.prompt_tokens is not None and turn.completion_tokens is not None:
        usage = TokenBasedCost((turn.model or "unknown")[:100], turn.prompt_tokens, turn.completion_tokens)
        return usage, None if turn.cached_tokens is None else {"cached_tokens": turn.cached_tokens}
    return None, known


def _opinion(session: BaseSession[Done, Any], feedback: Feedback, at: datetime | None) -> Done:
    """Feedback with the file's own name and value. A clear thumb is recorded as one."""
    value, word = feedback.value, str(feedback.value).lower()
    properties: JsonObject = {"name": feedback.name}
    if word in UP or word in DOWN:
        properties["feedback"] = "thumbs_up" if word in UP else "thumbs_down"
    if isinstance(value, (int, float)):
        properties["value"] = value
    elif isinstance(value, str):
        properties["rating"] = value
    if feedback.turn is not None:
        properties["turn"] = feedback.turn + 1
    if feedback.comment:
        properties["comment"] = feedback.comment
    conversation_id = session.conversation_id
    return session.track_event(
        event=FEEDBACK, properties={**properties, **feedback.more}, conversation_id=conversation_id, timestamp=at
    )
