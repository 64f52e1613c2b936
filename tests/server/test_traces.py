"""OpenTelemetry's traces at the local server: in protobuf and in JSON, in parts, again, and broken."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest
import requests

from mindlytics.server import traces
from mindlytics.server.otlp import Undecodable, decode
from mindlytics.server.traces import JSON, PROTOBUF, TRACES_PATH, Traces

from .calls import Caller

T0 = 1_770_000_000


def span(id: str, parent: str = "", began: float = 0, ended: float = 1, **attributes: Any) -> dict[str, Any]:
    kinds: dict[type, Any] = {str: "stringValue", int: "intValue", bool: "boolValue", float: "doubleValue"}
    return {
        "traceId": "ab" * 16, "spanId": id * 8, "parentSpanId": parent * 8, "name": "chat",
        "startTimeUnixNano": str(int((T0 + began) * 1e9)), "endTimeUnixNano": str(int((T0 + ended) * 1e9)),
        "attributes": [
            {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
            for key, value in attributes.items()
        ],
    }  # fmt: skip


CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Q",
    "gen_ai.completion.0.content": "A",
}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.result": "r"}
WHOLE = [
    span("11", "00", 0, 1, **CHAT),
    span("22", "00", 1, 3, **TOOL),
    span("33", "00", 3, 4, **CHAT),
    span("00", "", 0, 5, **{"gen_ai.operation.name": "invoke_agent", "session.id": "s-1", "user.id": "ada"}),
]


def exported(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def post(caller: Caller, *spans: dict[str, Any]) -> requests.Response:
    return caller.post(TRACES_PATH, exported(*spans), **{"Content-Type": JSON})


def varint(number: int) -> bytes:
    more = bytearray()
    while number > 127:
        more.append(number & 127 | 128)
        number >>= 7
    return bytes([*more, number])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value % 2**64)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def as_protobuf(*spans: dict[str, Any]) -> bytes:
    def attribute(each: dict[str, Any]) -> bytes:
        ((kind, value),) = each["value"].items()
        inner = field(1, value) if kind == "stringValue" else field(3, int(value))
        return field(1, each["key"]) + field(2, inner)

    def one(each: dict[str, Any]) -> bytes:
        times = ((7, each["startTimeUnixNano"]), (8, each["endTimeUnixNano"]))
        return b"".join(
            [
                field(1, bytes.fromhex(each["traceId"])),
                field(2, bytes.fromhex(each["spanId"])),
                field(4, bytes.fromhex(each["parentSpanId"])),
                field(5, each["name"]),
                *(varint(number << 3 | 1) + struct.pack("<Q", int(value)) for number, value in times),
                *(field(9, attribute(inner)) for inner in each["attributes"]),
            ]
        )

    resource = field(1, field(1, field(1, "service.name") + field(2, field(1, "app"))))
    return field(1, resource + field(2, b"".join(field(2, one(each)) for each in spans)))


NUMBER_AS_ID = field(
    1,
    field(
        2,
        field(2, field(1, 10**9) + field(2, bytes(8)) + varint(7 << 3 | 1) + bytes(8) + varint(8 << 3 | 1) + bytes(8)),
    ),
)
"""A span whose id is a number. Read as bytes, it would be a gigabyte of zeros."""


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_both_forms_mean_the_same(kind: str) -> None:
    body = as_protobuf(*WHOLE) if kind == PROTOBUF else orjson.dumps(exported(*WHOLE))
    (events,) = Traces().take(("k", "a"), decode(body, as_json=kind == JSON), 0).values()  # type: ignore[arg-type]
    call, turn = events
    shown: Any = turn
    assert ("f", "r", 2000) == (call.name, call.result, call.runtime)  # type: ignore[attr-defined]
    assert ("Q", "A", 20, 10) == (
        shown.user, shown.assistant, shown.usage.prompt_tokens, shown.usage.completion_tokens,
    )  # fmt: skip
    assert ("s-1", "s-1", "ada") == (shown.session_id, shown.conversation_id, shown.user_id)
    assert ("app", 5000) == (shown.properties["service"], shown.properties["latency"])


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_a_trace_is_a_turn_in_every_read(caller: Caller, kind: str) -> None:
    body: Any = as_protobuf(*WHOLE) if kind == PROTOBUF else exported(*WHOLE)
    for _ in range(2):  # sent again, it is stored once
        reply = caller.post(TRACES_PATH, body, **{"Content-Type": kind})
        assert (200, kind) == (reply.status_code, reply.headers["Content-Type"])
    assert (b"" if kind == PROTOBUF else b"{}") == reply.content
    session = caller.one("sessions", filter={"session_id": "s-1"}, include=["messages"])
    assert ["Q", "A"] == [message["content"] for message in session["messages"] if message["role"] != "tool"][:2]


def test_a_trace_comes_in_parts(caller: Caller) -> None:
    for each in WHOLE:
        assert 200 == post(caller, each).status_code
    session = caller.one("sessions", filter={"session_id": "s-1"}, include=["messages"])
    assert "A" in [message["content"] for message in session["messages"]]


def test_a_trace_whose_end_does_not_come_is_stored_as_it_is() -> None:
    kept = Traces()
    caller: Any = ("k", "a")
    first = decode(as_protobuf(WHOLE[0]), as_json=False)
    assert {} == kept.take(caller, first, 0)
    assert {} == kept.take(caller, [], traces.OUTERMOST_SPAN_WAIT - 1)
    (events,) = kept.take(caller, [], traces.OUTERMOST_SPAN_WAIT).values()
    assert ["ConversationTurn", "EndSession"] == [type(event).__name__ for event in events]
    kept.take(caller, first, 0)
    assert 2 == len(kept.take_all()[caller])


@pytest.mark.parametrize(
    ("body", "as_json"),
    [(b"\xff", False), (as_protobuf(*WHOLE)[:-9], False), (NUMBER_AS_ID, False),
     (b"[]", True), (b"{", True), (b'{"resourceSpans": 1}', True),
     (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}', True)],
)  # fmt: skip
def test_an_invalid_export_is_refused(caller: Caller, body: bytes, as_json: bool) -> None:
    with pytest.raises(Undecodable):
        decode(body, as_json=as_json)
    reply = caller.post(TRACES_PATH, body, **{"Content-Type": JSON if as_json else PROTOBUF})
    assert 400 == reply.status_code


def test_other_types_and_callers_without_a_key_are_refused(caller: Caller) -> None:
    assert 415 == caller.post(TRACES_PATH, b"", **{"Content-Type": "text/plain"}).status_code
    del caller.http.headers["Authorization"]
    assert 401 == post(caller, *WHOLE).status_code


def test_a_long_chain_of_spans_is_read_in_time() -> None:
    chain = [
        {**span("11"), "spanId": f"{number:016x}", "parentSpanId": f"{number - 1:016x}" if number else ""}
        for number in range(4_000)
    ]
    assert {} != Traces().take(("k", "a"), decode(as_protobuf(*chain), as_json=False), 0)  # type: ignore[arg-type]
    circle = [span("11", "22", **CHAT), span("22", "11", **CHAT)]
    assert {} == Traces().take(("k", "a"), decode(as_protobuf(*circle), as_json=False), 0)  # type: ignore[arg-type]
