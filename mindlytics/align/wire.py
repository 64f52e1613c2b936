"""The Align AI protocol in both directions: ``CollectEvents``, a unary call of Connect, in protobuf or JSON.

The schema ``align.proto`` is compiled to ``align.binpb`` (``tox -e proto``). A generated module would tie the package
to few versions of protobuf. The schema has a pool of its own, so that other packages may use the same message names.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from ..annotations import JsonObject
from ..delivery.reply import judge
from ..delivery.verdict import Verdict
from ..errors import ValidationError
from ..events import AnyEvent
from ..secret import Headers, Secret
from ..values import EPOCH
from .events import (
    ROLES,
    AlignEvent,
    FeedbackCreate,
    MessageCreate,
    SessionClose,
    SessionOpen,
    UserRecognize,
)
from .settings import COLLECT_PATH

KEY_LENGTH = 32
"""Characters of an ``Idempotency-Key``, which is the ``request_id`` too."""

Fields = Any
"""A message of the schema, which defines its attributes at run time."""
Shared = dict[str, Any]
"""The arguments that events of all types share."""

SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


def _messages() -> dict[str, Any]:
    """The message classes of the schema, by name."""
    compiled = pkgutil.get_data(__package__, "align.binpb")
    assert compiled is not None
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(compiled).file
    for file in files:
        pool.Add(file)
    named = pool.FindFileByName(files[-1].name).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in named.items()}


_MESSAGES = _messages()
_Request, _Event, _Properties = (_MESSAGES[name] for name in ("CollectEventsRequest", "Event", "EventProperties"))


def encode(event: AlignEvent, project_id: str) -> bytes:
    """One event as a field of a ``CollectEventsRequest``. A body is such fields, one after the other."""
    properties = _Properties(**_own_properties(event))
    for name, value in event.custom_properties.items():
        properties.custom_properties[name].string_value = value
    fields = {
        "id": event.event_id,
        "type": event.type,
        "create_time": _to_timestamp(event.timestamp),
        "properties": properties,
        "project_id": project_id,
    }
    framed: bytes = _Request(events=[fields]).SerializeToString()
    return framed


def _own_properties(event: AlignEvent) -> dict[str, object]:
    if isinstance(event, MessageCreate):
        fields: dict[str, object] = {
            "session_id": event.session_id,
            "message_index_hint": event.message_index,
            "message_role": 1 + ROLES.index(event.role),
            "message_content": event.content,
        }
        return {"message_properties": fields}
    if isinstance(event, SessionOpen):
        fields = {"session_id": event.session_id, "user_id": event.user_id, "assistant_id": event.assistant_id}
        return {"session_properties": fields}
    if isinstance(event, SessionClose):
        return {"session_properties": {"session_id": event.session_id}}
    if isinstance(event, FeedbackCreate):
        of_message = event.message_index is not None
        fields = {
            "session_id": event.session_id,
            "message_index_hint": event.message_index,
            "feedback_target": 2 if of_message else 1,
            "type": event.feedback_type,
        }
        return {"feedback_properties": fields}
    assert isinstance(event, UserRecognize)
    fields = {
        "user_id": event.user_id,
        "user_display_name": event.display_name,
        "user_email": event.email,
        "user_ip": event.ip,
    }
    if event.country_code is not None:
        fields["user_location"] = {"country_code": event.country_code}
    if event.create_time is not None:
        fields["user_create_time"] = _to_timestamp(event.create_time)
    return {"user_properties": fields}


class Undecodable(ValueError):
    """A body is not a ``CollectEventsRequest``."""


def decode_request(body: bytes, *, as_json: bool = False) -> tuple[str, list[Fields]]:
    """The ``request_id`` and the messages of a body. :func:`decode` reads each of them.

    :raises Undecodable: it is not a ``CollectEventsRequest``.
    """
    request = _Request()
    try:
        if as_json:
            document = orjson.loads(body)
            if not isinstance(document, dict):
                raise TypeError("not an object")
            json_format.ParseDict(document, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except Exception as error:  # on JSON of another shape the library raises all kinds of errors
        raise Undecodable(f"the body is not a CollectEventsRequest in {'JSON' if as_json else 'protobuf'}") from error
    return request.request_id, list(request.events)


def as_json(framed: bytes) -> list[JsonObject]:
    """Encoded events as the JSON of this protocol.

    :raises Undecodable: they are none.
    """
    return [json_format.MessageToDict(event) for event in decode_request(framed)[1]]


def decode(message: Fields) -> AlignEvent:
    """Read one message of a request.

    :raises ValidationError: a field breaks a rule. The message names both.
    """
    if message.type not in _READERS:
        raise ValidationError("type", f"one of {', '.join(_READERS)}", message.type)
    kind, read = _READERS[message.type]
    if message.properties.WhichOneof("what") != kind:
        raise ValidationError("properties", f"{kind} for the type {message.type}", message.properties)
    shared: Shared = {
        "custom_properties": {name: it.string_value for name, it in message.properties.custom_properties.items()}
    }
    if message.id:
        shared["event_id"] = message.id
    if message.HasField("create_time"):
        shared["timestamp"] = _to_datetime(message.create_time)
    return read(getattr(message.properties, kind), shared)


def _read_message(it: Fields, shared: Shared) -> AlignEvent:
    role = ROLES[it.message_role - 1] if it.message_role in (1, 2) else ""
    return MessageCreate(
        session_id=it.session_id,
        message_index=it.message_index_hint,
        role=role,
        content=it.message_content,
        **shared,
    )


def _read_user(it: Fields, shared: Shared) -> AlignEvent:
    return UserRecognize(
        user_id=it.user_id,
        display_name=it.user_display_name or None,
        email=it.user_email or None,
        ip=it.user_ip or None,
        country_code=it.user_location.country_code or None,
        create_time=_to_datetime(it.user_create_time) if it.HasField("user_create_time") else None,
        **shared,
    )


def _read_feedback(it: Fields, shared: Shared) -> AlignEvent:
    if it.feedback_target not in (1, 2):
        raise ValidationError("feedback_target", "TARGET_SESSION or TARGET_MESSAGE", it.feedback_target)
    index = {"message_index": it.message_index_hint} if it.feedback_target == 2 else {}
    return FeedbackCreate(session_id=it.session_id, feedback_type=it.type, **index, **shared)


_READERS: Mapping[str, tuple[str, Callable[[Fields, Shared], AlignEvent]]] = {
    SessionOpen.type: (
        "session_properties",
        lambda it, shared: SessionOpen(
            session_id=it.session_id, user_id=it.user_id, assistant_id=it.assistant_id, **shared
        ),
    ),
    SessionClose.type: (
        "session_properties",
        lambda it, shared: SessionClose(session_id=it.session_id, **shared),
    ),
    UserRecognize.type: ("user_properties", _read_user),
    MessageCreate.type: ("message_properties", _read_message),
    FeedbackCreate.type: ("feedback_properties", _read_feedback),
}


def _to_timestamp(at: datetime) -> dict[str, int]:
    since = at - EPOCH
    return {"seconds": since // SECOND, "nanos": since % SECOND // MICROSECOND * 1000}


def _to_datetime(stamp: Fields) -> datetime:
    try:
        return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError:
        raise ValidationError("create_time", "a time within the years 1 to 9999", stamp) from None


class AlignWire:
    """The protocol, as delivery calls it.

    It encodes events, and translations of events (see ``align/mirror.py``).
    """

    piece_overhead = 0
    body_overhead: int = len(_Request(request_id="0" * KEY_LENGTH).SerializeToString())

    def __init__(self, server_endpoint: str, api_key: Secret, project_id: str) -> None:
        self.url: str = server_endpoint + COLLECT_PATH
        self._api_key = api_key
        bearer = Secret(f"Bearer {api_key.reveal()}")
        self._headers: Headers = {"Authorization": bearer, "Content-Type": "application/proto"}
        self._project_id = project_id

    def encode(self, event: AnyEvent) -> bytes:
        return encode(cast(AlignEvent, event.translated()), self._project_id)

    def body(self, pieces: Sequence[bytes], *, bare: bool, key: str) -> bytes:
        request_id: bytes = _Request(request_id=key).SerializeToString()
        return b"".join((request_id, *pieces))

    def headers(self, key: str) -> Headers:
        return {**self._headers, "Idempotency-Key": key}

    def judge(self, status: int, headers: Mapping[str, str], body: bytes, *, wall: float) -> Verdict:
        return judge(self.url, status, headers, body, wall=wall, secret=self._api_key)

    def allows_bare(self) -> bool:
        return False

    def took(self, *, bare: bool) -> None:
        """There is only one kind of body."""

    def takes_bare_only(self) -> bool:
        return False
