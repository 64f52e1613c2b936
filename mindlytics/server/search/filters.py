"""The filters of a search. Those of user and time are about an event or a user, all others about a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import ColumnElement, ScalarSelect, Text, and_, exists, literal, or_, select

from ...events import CONVERSATION_SUMMARY, FEEDBACK, ConversationFunction, ConversationTurn
from ..dialects import json_string
from ..query import Condition, time_of
from ..schema import aliases, conversations, events, intents, sessions, users

FINITE = 1.7976931348623157e308
Dollars = Annotated[float, Meta(ge=-FINITE, le=FINITE, description="Dollars.")]

_others = events.alias("others")
_SAME_SESSION = _others.c.session == events.c.session
_SAME = and_(_SAME_SESSION, _others.c.conversation == events.c.conversation)


def _property(name: str, value: str) -> ColumnElement[bool]:
    return json_string(_others.c.properties, literal(name, Text())) == value


def _owner(scope: int, name: str) -> ScalarSelect[int]:
    return select(aliases.c.owner).where(aliases.c.scope == scope, aliases.c.alias == name).scalar_subquery()


def _user(scope: int, name: str) -> Condition:
    return events.c.session.in_(select(sessions.c.seq).where(sessions.c.owner == _owner(scope, name)))


def _assistant(_: int, name: str) -> Condition:
    turn = _others.c.event == ConversationTurn.event
    return exists(select(1).where(_SAME, turn, _property("assistant_id", name)))


def _intent(_: int, name: str) -> Condition:
    same = and_(intents.c.session == events.c.session, intents.c.conversation == events.c.conversation)
    return exists(select(1).where(same, intents.c.intent == name))


def _sentiment(_: int, name: str) -> Condition:
    summary = and_(_others.c.event == CONVERSATION_SUMMARY, _others.c.origin.is_not(None))
    return exists(select(1).where(_SAME, summary, _property("sentiment", name)))


def _feedback(_: int, name: str) -> Condition:
    same = and_(_SAME_SESSION, or_(_others.c.conversation.is_(None), _others.c.conversation == events.c.conversation))
    return exists(select(1).where(same, _others.c.event == FEEDBACK, _property("feedback", name)))


def _function(_: int, name: str) -> Condition:
    call = _others.c.event == ConversationFunction.event
    return exists(select(1).where(_SAME, call, _property("name", name)))


def _min_cost(_: int, dollars: float) -> Condition:
    mine = conversations.c.seq == events.c.conversation
    return exists(select(1).where(mine, conversations.c.cost >= dollars))


def _max_cost(_: int, dollars: float) -> Condition:
    mine = conversations.c.seq == events.c.conversation
    return exists(select(1).where(mine, conversations.c.cost <= dollars))


def _since(_: int, text: str) -> Condition:
    return events.c.timestamp >= time_of("since", text)


def _until(_: int, text: str) -> Condition:
    return events.c.timestamp < time_of("until", text)


FILTERS: Mapping[str, Callable[[int, Any], Condition]] = {
    "user": _user,
    "since": _since,
    "until": _until,
    "assistant": _assistant,
    "intent": _intent,
    "sentiment": _sentiment,
    "feedback": _feedback,
    "function": _function,
    "min_cost": _min_cost,
    "max_cost": _max_cost,
}
"""The condition of each filter, made of the number of the app and the value."""

USER_FILTERS: Mapping[str, Callable[[int, Any], Condition]] = {
    "user": lambda scope, name: users.c.seq == _owner(scope, name),
    "since": lambda _, text: users.c.created_at >= time_of("since", text),
    "until": lambda _, text: users.c.created_at < time_of("until", text),
}
"""The same for users. With other filters than these, no users are found."""
