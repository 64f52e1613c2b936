"""Align AI's wire: bodies within exact limits, both ways, under every version of protobuf that is allowed."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindlytics.align import wire as align
from mindlytics.align.events import AlignEvent, FeedbackCreate, MessageCreate, SessionClose, SessionOpen, UserRecognize
from mindlytics.align.wire import AlignWire, Undecodable, decode, decode_request
from mindlytics.delivery.batcher import new_key
from mindlytics.delivery.verdict import Fate
from mindlytics.errors import ValidationError
from mindlytics.secret import Secret, revealed
from mindlytics.values import UTC

WIRE = AlignWire("https://align.example", Secret("secret"), "proj")

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
texts = st.text(st.characters(codec="utf-8"), max_size=256)
properties = st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,63}", fullmatch=True), texts, max_size=10)
indexes = st.integers(1, 2**31 - 1)
feedback = st.sampled_from(["thumbs_up", "thumbs_down"])
events: st.SearchStrategy[AlignEvent] = st.one_of(
    st.builds(
        SessionOpen, session_id=names, user_id=names, assistant_id=texts.map(lambda text: text[:64]),
        custom_properties=properties, timestamp=st.datetimes(timezones=st.just(UTC)),
    ),
    st.builds(SessionClose, session_id=names),
    st.builds(
        MessageCreate, session_id=names, message_index=indexes, role=st.sampled_from(["user", "assistant"]),
        content=texts.filter(bool), custom_properties=properties,
    ),
    st.builds(FeedbackCreate, session_id=names, feedback_type=feedback, message_index=st.none() | indexes),
    st.builds(
        UserRecognize, user_id=names, display_name=st.none() | names, email=st.none() | names,
        ip=st.none() | st.ip_addresses(v=4).map(str), country_code=st.sampled_from([None, "KR", "DE"]),
        create_time=st.none() | st.datetimes(), custom_properties=properties,
    ),
)  # fmt: skip


@given(st.lists(events, min_size=1, max_size=5))
def test_what_is_encoded_is_decoded_and_overheads_are_exact(recorded: list[AlignEvent]) -> None:
    pieces, key = [WIRE.encode(event) for event in recorded], new_key()
    body = WIRE.body(pieces, bare=False, key=key)
    assert sum(map(len, pieces)) + len(pieces) * WIRE.piece_overhead + WIRE.body_overhead == len(body)
    request_id, messages = decode_request(body)
    assert key == request_id
    assert recorded == [decode(message) for message in messages]
    assert {"proj"} == {message.project_id for message in messages}


def test_the_key_and_the_credentials_are_in_the_headers() -> None:
    assert {
        "Authorization": "Bearer secret",
        "Content-Type": "application/proto",
        "Idempotency-Key": "k",
    } == revealed(WIRE.headers("k"))
    assert "https://align.example/ingestion.v1alpha.IngestionService/CollectEvents" == WIRE.url


@pytest.mark.parametrize(
    ("status", "fate"),
    [(200, Fate.DELIVERED), (400, Fate.HALVE), (401, Fate.REFUSED), (404, Fate.REFUSED), (413, Fate.SHRINK),
     (429, Fate.RETRY), (503, Fate.RETRY)],
)  # fmt: skip
def test_a_reply_is_judged_whatever_its_body_is(status: int, fate: Fate) -> None:
    for body in (b"", b"\xff\xfe", b"<html>", b'{"code":"x","message":"no such key"}', b'"text"', b"[]"):
        verdict = WIRE.judge(status, {}, body, wall=0)
        assert fate is verdict.fate
    assert "no such key" == WIRE.judge(401, {}, b'{"code":"unauthenticated","message":"no such key"}', wall=0).message


@pytest.mark.parametrize("body", [b"\xff", b"\x12\xff\xff\xff\xff\x0f", b"\x0a\x01\xff"])
def test_what_is_not_protobuf_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable, match="not a CollectEventsRequest in protobuf"):
        decode_request(body)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"5", b'{"events": 5}', b'{"events": [' * 2000, b"[" * 900 + b"]" * 900]
)
def test_what_is_not_a_request_in_json_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable, match="not a CollectEventsRequest in JSON"):
        decode_request(body, as_json=True)


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=5
)
FIELDS = ["sessionId", "messageIndexHint", "messageRole", "messageContent", "userId", "userLocation", "userCreateTime"]
KINDS = ["sessionProperties", "messageProperties", "userProperties", "feedbackProperties", "customProperties"]
garbled = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["session_open", "session_close", "user_recognize", "message_create", "x"]),
        "properties": st.dictionaries(
            st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3), max_size=2
        ),
    },
    optional={"id": anything, "createTime": anything, "projectId": anything},
)


def read_through(body: bytes, *, as_json: bool = False) -> None:
    with suppress(Undecodable):
        for message in decode_request(body, as_json=as_json)[1]:
            with suppress(ValidationError):
                decode(message)


@given(st.one_of(anything, st.fixed_dictionaries({"events": st.lists(garbled, max_size=2)})))
def test_json_of_any_shape_is_read_or_refused(body: object) -> None:
    read_through(orjson.dumps(body), as_json=True)


@given(events, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3))
def test_protobuf_with_changed_bytes_is_read_or_refused(event: AlignEvent, changes: list[tuple[int, int]]) -> None:
    body = bytearray(WIRE.body([WIRE.encode(event)], bare=False, key=new_key()))
    for place, value in changes:
        body[place % len(body)] = value
    read_through(bytes(body))


def test_json_is_read_as_connect_has_it() -> None:
    request_id, (message,) = decode_request(
        b'{"requestId":"r","unknown":1,"events":[{"id":"i","type":"message_create","projectId":"p",'
        b'"createTime":"2025-04-03T07:35:10Z","properties":{"messageProperties":{"sessionId":"s","messageIndexHint":2,'
        b'"messageRole":"ROLE_ASSISTANT","messageContent":"x"},"customProperties":{"a":{"stringValue":"b"}}}}]}',
        as_json=True,
    )
    event = decode(message)
    assert isinstance(event, MessageCreate)
    assert ("r", 2, "assistant", {"a": "b"}) == (request_id, event.message_index, event.role, event.custom_properties)


@pytest.mark.parametrize(
    ("field", "json"),
    [
        ("type", b'{"type":"session_begin"}'),
        ("properties", b'{"type":"session_open","properties":{"userProperties":{}}}'),
        ("session_id", b'{"type":"session_close","properties":{"sessionProperties":{}}}'),
        (
            "role",
            b'{"type":"message_create","properties":{"messageProperties":{"sessionId":"s","messageIndexHint":1,'
            b'"messageContent":"x"}}}',
        ),
        ("feedback_target", b'{"type":"feedback_create","properties":{"feedbackProperties":{"sessionId":"s"}}}'),
        ("user_id", b'{"type":"user_recognize","properties":{"userProperties":{}}}'),
    ],
)  # fmt: skip
def test_a_message_that_breaks_a_rule_is_reported(field: str, json: bytes) -> None:
    _, (message,) = decode_request(b'{"events":[%s]}' % json, as_json=True)
    with pytest.raises(ValidationError) as raised:
        decode(message)
    assert field == raised.value.field


def test_the_compiled_schema_is_that_of_the_source() -> None:
    source = Path(align.__file__).with_name("align.proto").read_text("utf-8")
    written = set(re.findall(r"(\w+) = (\d+);", source))
    compiled: set[tuple[str, str]] = set()
    todo = [made.DESCRIPTOR for made in align._MESSAGES.values()]
    while todo:
        message = todo.pop()
        if message.GetOptions().map_entry:
            continue
        compiled |= {(field.name, str(field.number)) for field in message.fields}
        compiled |= {(value.name, str(value.number)) for enum in message.enum_types for value in enum.values}
        todo += message.nested_types
    assert written == compiled
    assert {"syntax"}.isdisjoint(name for name, _ in written)


def test_no_name_of_the_service_is_taken_in_the_pool_that_all_share() -> None:
    from google.protobuf import descriptor_pool

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("align.proto")
