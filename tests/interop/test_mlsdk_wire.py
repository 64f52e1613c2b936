"""What goes over the wire for a call: the existing client's JSON and ours, side by side, for the same arguments."""

from __future__ import annotations

from itertools import zip_longest
from types import ModuleType
from typing import Any
from unittest.mock import ANY
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import field, frozen

from mindlytics.compat import mlsdk as ours

from ..sink import Sink, status

theirs = pytest.importorskip("mlsdk")

AT = "2025-04-03T07:35:10.000Z"
Calls = list[tuple[str, dict[str, Any]]]
Event = dict[str, Any]
ABSENT = "(absent)"


def tokens(ml: ModuleType) -> Any:
    return ml.TokenBasedCost(model="gpt-4o", prompt_tokens=15, completion_tokens=19)


def money(ml: ModuleType) -> Any:
    return ml.Cost(cost=0.003)


SAME: dict[str, Calls] = {
    "event": [("track_event", {"event": "Start Chat", "properties": {"from": "cart", "n": 1, "ok": True, "f": 1.5}})],
    "event of a conversation": [("track_event", {"event": "E", "conversation_id": "c2", "properties": {}})],
    "bare event": [("track_event", {"event": "Bare", "properties": None})],
    "turn": [("track_conversation_turn", {"user": "hi", "assistant": "hello"})],
    "turn in other scripts": [
        ("track_conversation_turn", {"user": "Wo bleibt's? 🦜", "assistant": "明日です。\n\x00"})
    ],
    "turn and tokens": [
        (
            "track_conversation_turn",
            {"user": "a", "assistant": "b", "assistant_id": "x", "usage": tokens, "properties": {"k": "v"}},
        )
    ],
    "turn and money": [
        ("track_conversation_turn", {"conversation_id": "c2", "user": "a", "assistant": "b", "usage": money})
    ],
    "tokens": [("track_conversation_usage", {"usage": tokens})],
    "money": [("track_conversation_usage", {"usage": money, "conversation_id": "c2"})],
    "function": [
        (
            "track_function_call",
            {"name": "fn", "args": '{"a":5}', "result": "17", "runtime": 4093, "properties": {"turn_id": "t1"}},
        )
    ],
    "bare function": [("track_function_call", {"name": "fn"})],
    "end of the conversation": [("end_conversation", {"properties": {"device": "browser"}})],
    "end of another": [("end_conversation", {"conversation_id": "c2"})],
    "end of the session": [("end_session", {"attributes": {"resolved": True}})],
    "bare end": [("end_session", {})],
    "identify": [("user_identify", {"id": "u2", "traits": {"email": "x@y.z", "seats": 3}})],
    "alias": [("user_alias", {"id": "u2", "previous_id": "u"})],
    "who it is from there on": [
        ("user_identify", {"id": "u2", "traits": {"a": 1}}),
        ("user_alias", {"id": "u3", "previous_id": "u2"}),
        ("track_event", {"event": "E", "properties": {}}),
        ("end_session", {}),
    ],
    "after the conversation's end": [
        ("track_conversation_turn", {"user": "a", "assistant": "b"}),
        ("end_conversation", {}),
        ("track_event", {"event": "Rated", "properties": {"stars": 5}}),
        ("track_conversation_turn", {"user": "a", "assistant": "b"}),
    ],
    "after the session's end": [
        ("track_event", {"event": "E", "properties": {}}),
        ("end_session", {}),
        ("track_event", {"event": "Late", "properties": {}}),
        ("track_function_call", {"name": "fn"}),
    ],
}
"""Calls for which both clients send the same."""


@frozen
class Different:
    """Calls for which the clients send different things, and why.

    :param fields: for each event, what differs in it: the value in theirs and in ours.
    :param session: arguments of ``create_session`` that are not the usual ones.
    """

    why: str
    calls: Calls
    fields: list[dict[str, tuple[object, object]]]
    session: dict[str, Any] = field(factory=dict)


DIFFERENT = {
    "no conversation": Different(
        "a turn without a conversation begins one; theirs belongs to one that is named None",
        [
            ("track_conversation_turn", {"user": "a", "assistant": "b"}),
            ("track_event", {"event": "E", "properties": {}}),
        ],
        [{"conversation_id": ("None", ANY)}, {"conversation_id": (ABSENT, ANY)}],
        {"conversation_id": None},
    ),
    "traits alone": Different(
        "they are those of the session's user; theirs forgets who that is",
        [("user_identify", {"traits": {"a": 1}}), ("track_event", {"event": "E", "properties": {}})],
        [{"id": (ABSENT, "u")}, {"user_id": (ABSENT, "u")}],
    ),
    "no traits": Different(
        "what is absent is not sent",
        [("user_identify", {"id": "u2", "traits": None})],
        [{"traits": ({}, ABSENT)}],
    ),
    "no runtime": Different(
        "a function call always says its runtime",
        [("track_function_call", {"name": "fn", "runtime": None})],
        [{"properties": ({"name": "fn"}, {"name": "fn", "runtime": 0})}],
    ),
    "a property that is no scalar": Different(
        "the service takes scalars only",
        [("track_conversation_turn", {"user": "a", "assistant": "b", "properties": {"tags": ["x"]}})],
        [
            {
                "properties": (
                    {"user": "a", "assistant": "b", "tags": ["x"]},
                    {"user": "a", "assistant": "b", "tags": '["x"]'},
                )
            }
        ],
    ),
    "a property that is named like an argument": Different(
        "the argument counts",
        [("track_conversation_turn", {"user": "a", "assistant": "b", "properties": {"user": "z"}})],
        [{"properties": ({"user": "z", "assistant": "b"}, {"user": "a", "assistant": "b"})}],
    ),
    "a second end": Different(
        "the session has ended already",
        [("end_session", {}), ("end_session", {})],
        [{}, dict.fromkeys(("type", "session_id", "user_id", "device_id", "timestamp", "attributes"), (ANY, ABSENT))],
    ),
}


async def sent(ml: ModuleType, sink: Sink, calls: Calls, **session: Any) -> list[Event]:
    """What a client posts for some calls, and that it posts it in the one way that the service knows."""
    client = ml.Client(api_key="key-1", project_id="proj-1", server_endpoint=sink.url)
    ids = {"session_id": "s", "conversation_id": "c", "id": "u", "device_id": "d"}
    made = client.create_session(**{**ids, **session})
    for name, arguments in calls:
        sent = {key: value(ml) if callable(value) else value for key, value in arguments.items()}
        await getattr(made, name)(timestamp=AT, **sent)
    await made.flush()
    assert {("POST", "/bc/v1/events/queue", "Bearer key-1", "proj-1", "application/json")} == {
        (at.method, at.path, at.headers["Authorization"], at.headers["X-App-ID"], at.headers["Content-Type"])
        for at in sink.requests
    }
    events = sink.events[:]
    sink.requests.clear()
    sink.events.clear()
    return events


@pytest.mark.parametrize("calls", SAME.values(), ids=SAME)
async def test_a_call_sends_the_same(calls: Calls, sink: Sink) -> None:
    expected = await sent(theirs, sink, calls)
    assert len(expected) == len(calls)
    assert expected == await sent(ours, sink, calls)


@pytest.mark.parametrize("different", DIFFERENT.values(), ids=DIFFERENT)
@pytest.mark.filterwarnings("ignore::UserWarning")  # theirs, of pydantic, about the list
async def test_what_differs_is_known(different: Different, sink: Sink) -> None:
    before = await sent(theirs, sink, different.calls, **different.session)
    after = await sent(ours, sink, different.calls, **different.session)
    assert different.fields == [
        {
            name: (one.get(name, ABSENT), other.get(name, ABSENT))
            for name in one.keys() | other.keys()
            if one.get(name, ABSENT) != other.get(name, ABSENT)
        }
        for one, other in zip_longest(before, after, fillvalue={})
    ]


DIRECT: dict[str, tuple[str, dict[str, Any]]] = {
    "identify": ("user_identify", {"id": "u", "traits": {"name": "Ada", "age": 30, "vip": True, "score": 1.5}}),
    "identify a device": ("user_identify", {"device_id": "d"}),
    "alias": ("user_alias", {"id": "u2", "previous_id": "u"}),
}


@pytest.mark.parametrize(("name", "arguments"), DIRECT.values(), ids=DIRECT)
async def test_a_call_of_a_client_sends_the_same(name: str, arguments: dict[str, Any], sink: Sink) -> None:
    sink.always = lambda exchange: exchange.reply(Content_Type="application/json")
    requests = []
    for ml in (theirs, ours):
        await getattr(ml.Client(api_key="key-1", project_id="proj-1", server_endpoint=sink.url), name)(**arguments)
        (got,) = sink.requests
        sink.requests.clear()
        requests.append((got.method, got.path, got.headers["Authorization"], got.headers["X-App-ID"], got.json))
    assert requests[0] == requests[1]


REQUESTS: dict[str, dict[str, Any]] = {
    "read": {"method": "GET", "url": "/bc/v1/db/events/find", "data": {"filter": '{"user_id":"u"}', "limit": 3}},
    "write": {"method": "POST", "url": "/bc/v1/orgkeys", "data": {"organization_id": "o"}},
    "change": {"method": "PUT", "url": "/bc/v1/orgkeys", "data": {"organization_id": "o", "n": [1, None]}},
}


@pytest.mark.parametrize("arguments", REQUESTS.values(), ids=REQUESTS)
async def test_a_raw_request_is_the_same(arguments: dict[str, Any], sink: Sink) -> None:
    sink.always = lambda exchange: exchange.reply(Content_Type="application/json")
    requests = []
    for ml in (theirs, ours):
        http = ml.HTTPClient(api_key="key-1", project_id="proj-1", server_endpoint=sink.url)
        assert {"status": "ok"} == await http.send_request(**arguments)
        (got,) = sink.requests
        sink.requests.clear()
        address = urlsplit(got.path)
        requests.append((got.method, address.path, parse_qs(address.query), got.body and got.json))
    assert requests[0] == requests[1]


@pytest.mark.parametrize("closed", [False, True], ids=["refused", "gone"])
async def test_a_raw_request_that_fails_raises_the_same_error(closed: bool, sink: Sink) -> None:
    if closed:
        sink.close()
    else:
        sink.always = status(403, "no")
    errors = []
    for ml in (theirs, ours):
        http = ml.HTTPClient(api_key="key-1", project_id="proj-1", server_endpoint=sink.url)
        reply = await http.send_request(method="GET", url="/bc/v1/user/list", data={})
        errors.append((reply["errored"], reply["status"], type(reply["message"])))
    assert [(True, -1 if closed else 403, str)] * 2 == errors
