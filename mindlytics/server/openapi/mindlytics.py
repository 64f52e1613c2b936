"""The Mindlytics service in the document: events, users, keys, reads, live events."""

from __future__ import annotations

from collections.abc import Mapping

from ...events import (
    EVENT_TYPES,
    ConversationFunction,
    ConversationTurn,
    ConversationUsage,
    EndConversation,
    StartConversation,
    TrackedEvent,
)
from ...wire import ALIAS_PATH, IDENTIFY_PATH, QUEUE_PATH
from ..collection import COLLECTIONS
from ..export import EXPORT_PATH
from ..forgetting import FORGET_PATH, LONGEST
from ..keys import CLEANUP_PATH, ORGKEYS_PATH
from ..live import LIVE_PATH, RECENT
from ..search.filters import FILTERS
from ..search.finding import LIMIT, MOST, ORDERS
from ..search.routes import SEARCH_PATH
from ..search.texts import KINDS
from ..stats import BY, STATS_PATH
from ..user_reads import PAGE, USER
from .operation import Operation
from .shapes import (
    DATE_TIME,
    HEADER,
    NAME,
    NULL,
    OBJECT,
    SCALAR,
    TEXTS,
    Schema,
    array,
    open_record,
    or_null,
    record,
    ref,
    whole,
)
from .types import row_name, row_schema, schemas

__all__ = ["EVENT_PATH", "EVENT_PATHS", "OPERATIONS", "schemas"]

EVENT_PATH = "/bc/v1/events/event"
EVENT_PATHS: Mapping[str, tuple[str, str | None]] = {
    "identify": ("identify", None),
    "alias": ("alias", None),
    "start-session": ("start_session", None),
    "end-session": ("end_session", None),
    "track": ("track", None),
    "start-conversation": ("track", StartConversation.event),
    "end-conversation": ("track", EndConversation.event),
    "conversation-turn": ("track", ConversationTurn.event),
    "conversation-usage": ("track", ConversationUsage.event),
    "conversation-function": ("track", ConversationFunction.event),
}
"""The last part of the path of a single event, with its ``type`` and ``event``."""

_TRAITS: Schema = {"type": "object", "additionalProperties": or_null(SCALAR)}
_DATE: Schema = {"type": "string", "description": "ISO 8601, a date with or without a time"}
_PAGE = {"limit": {**whole(PAGE), "description": "0: no limit"}, "offset": whole()}
_ORGKEY = record(organization_id=TEXTS, apikey=TEXTS)
_LISTED = {name: schema for name, schema in row_schema(COLLECTIONS["users"])["properties"].items() if name in USER}
_SESSION = {
    **{
        name: schema
        for name, schema in row_schema(COLLECTIONS["sessions"])["properties"].items()
        if name in ("session_id", "user_id", "started_at", "ended_at", "duration", "attributes")
    },
    "user_traits": _TRAITS,
    "events": array(ref("StoredEvent")),
}
_INSIGHT = {
    **dict.fromkeys(("user_id", "session_id", "conversation_id", "started_at", "sentiment", "summary"), TEXTS),
    **{name: {"type": "number"} for name in ("duration", "successful_intents", "unsuccessful_intents")},
}
_RESULT: Schema = {
    "type": "object",
    "properties": {
        "kind": {"enum": [*KINDS.values(), "user"]},
        "field": or_null(TEXTS),
        "snippet": TEXTS,
        "matches": array({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
        "timestamp": DATE_TIME,
    },
    "required": ["kind", "field", "snippet", "matches", "timestamp", "user_id"],
    "description": "Beside these fields, those of the event or of the user.",
}


def _kind(last: str) -> Schema:
    """The events that the path of a single event accepts."""
    event_type, name = EVENT_PATHS[last]
    taken = [
        ref(each.__name__)
        for each in EVENT_TYPES
        if each.type == event_type and (name is None or (issubclass(each, TrackedEvent) and each.event == name))
    ]
    return taken[0] if len(taken) == 1 else {"oneOf": taken}


def _find(name: str, *, one: bool) -> Operation:
    collection = COLLECTIONS[name]
    row = ref(row_name(name))
    page = record(results=array(row), next=or_null(TEXTS))
    cursor = {"cursor": {**TEXTS, "description": "Empty, or the next of the page before: the answer is a page."}}
    return Operation(
        f"{'One row' if one else 'Rows'} of the collection {name}",
        or_null(row) if one else {"oneOf": [array(row), page]},
        query={
            "filter": ref("Filter"),
            "sort": ref("Sort"),
            "projection": ref("Projection"),
            "include": array({"enum": list(collection.related)}) if collection.related else {"const": []},
            "skip": whole(),
            "limit": {**whole(), "description": "0: no limit"},
            **({} if one else cursor),
        },
    )


OPERATIONS: Mapping[str, Operation] = {
    f"POST {QUEUE_PATH}": Operation(
        "Store events, all or none",
        ref("Ok"),
        body={"anyOf": [array(ref("Event")), ref("Event")]},
        headers={"Idempotency-Key": {**HEADER, "description": "A request of a key that was seen is stored once."}},
        others=[422],
    ),
    f"POST {EVENT_PATH}": Operation("Store an event", array(ref("StoredEvent")), body=ref("Event")),
    **{
        f"POST {EVENT_PATH}/{last}": Operation(
            f"Store an event: {' '.join(filter(None, EVENT_PATHS[last]))}", array(ref("StoredEvent")), body=_kind(last)
        )
        for last in EVENT_PATHS
    },
    f"POST {IDENTIFY_PATH}": Operation(
        "A user, with traits merged in",
        ref("User"),
        body={
            **open_record(id=or_null(NAME), device_id=or_null(NAME), traits=or_null(_TRAITS)),
            "anyOf": [{"required": [name], "properties": {name: NAME}} for name in ("id", "device_id")],
        },
    ),
    f"POST {ALIAS_PATH}": Operation(
        "Give a user another id",
        ref("User"),
        body=open_record("id", "previous_id", id=NAME, previous_id=NAME),
        others=[404],
    ),
    f"POST {FORGET_PATH}": Operation(
        "Delete all that is recorded of a person, and store nothing new for a time",
        record(sessions=whole(), events=whole(), contacts=whole()),
        body=open_record(
            "id",
            id=NAME,
            keep_out={"type": "number", "minimum": 0, "maximum": LONGEST, "description": "Seconds; default: a week."},
        ),
        others=[404],
    ),
    "GET /bc/v1/user/list": Operation(
        "Users",
        record(users=array(record(**_LISTED)), total={"type": "integer"}),
        query={
            "regex": {**TEXTS, "description": "A regular expression that one of a user's ids has to match."},
            "sort": record(value=TEXTS, order={"enum": ["asc", "desc"]}),
            "sort[value]": TEXTS,
            "sort[order]": {"enum": ["asc", "desc"]},
            **_PAGE,
        },
    ),
    "GET /bc/v1/user/details": Operation(
        "A user with sessions and their events",
        record(**_LISTED, sessions=array(record(**_SESSION))),
        query={"user_id": TEXTS, **_PAGE},
        required=["user_id"],
        others=[404],
    ),
    "GET /bc/v1/user/insights": Operation(
        "A user with the conversations that were analysed",
        record(**_LISTED, conversations=array(record([name for name in _INSIGHT if name != "duration"], **_INSIGHT))),
        query={"user_id": TEXTS, **_PAGE},
        required=["user_id"],
        others=[404],
    ),
    "GET /bc/v1/user/conversation": Operation(
        "The turns of a conversation",
        array(record(user=SCALAR, assistant=SCALAR)),
        query={"user_id": TEXTS, "conversation_id": TEXTS, **_PAGE},
        required=["user_id", "conversation_id"],
        others=[404],
    ),
    "GET /bc/v1/user/event": Operation(
        "An event", ref("StoredEvent"), query={"event_id": TEXTS}, required=["event_id"], others=[404]
    ),
    f"GET {SEARCH_PATH}": Operation(
        "Search turns, calls, feedback and users, the latest first",
        record(results=array(_RESULT), next=or_null(TEXTS)),
        query={
            "q": {**TEXTS, "description": "Words, all of which have to be in a text. You may omit it with a filter."},
            **dict.fromkeys(FILTERS, TEXTS),
            "order": {"type": "string", "enum": list(ORDERS), "default": "time"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
            "cursor": {**TEXTS, "description": "The next of the previous page."},
        },
    ),
    f"GET {STATS_PATH}": Operation(
        "Sums over the sessions of a span of time",
        record(results=array(OBJECT)),
        query={"since": _DATE, "until": _DATE, "by": {"type": "string", "enum": list(BY), "default": BY[0]}},
    ),
    f"GET {ORGKEYS_PATH}": Operation(
        "The keys of the organization, by their ends",
        array(record(organization_id=TEXTS, apikey=TEXTS, id=TEXTS)),
        app=False,
    ),
    f"POST {ORGKEYS_PATH}": Operation(
        "Make a key", _ORGKEY, body=open_record("organization_id", organization_id=NAME), app=False
    ),
    f"PUT {ORGKEYS_PATH}": Operation(
        "Give a key to an organization",
        _ORGKEY,
        body=open_record("organization_id", "apikey", organization_id=NAME, apikey={**HEADER, "pattern": "^[!-~]+$"}),
        app=False,
    ),
    f"DELETE {ORGKEYS_PATH}": Operation(
        "Take a key no more: the key itself, or the id by which it is listed",
        ref("Ok"),
        query={"apikey": TEXTS, "id": TEXTS},
        body={**open_record(apikey=HEADER, id=NAME), "anyOf": [{"required": ["apikey"]}, {"required": ["id"]}]},
        app=False,
        others=[404],
    ),
    f"GET {CLEANUP_PATH}": Operation("Delete everything; asks for the super key", ref("Ok"), app=False),
    **{
        f"GET /bc/v1/db/{name}/{operation}": _find(name, one=operation == "findOne")
        for name in COLLECTIONS
        for operation in ("find", "findOne")
    },
    f"GET {EXPORT_PATH}": Operation(
        "Sessions by time of their start, a line of an export for each conversation",
        record(results=array(OBJECT), next=or_null(TEXTS)),
        query={"since": _DATE, "until": _DATE, "user": TEXTS, "cursor": TEXTS},
        others=[404],
    ),
    f"GET {LIVE_PATH}": Operation(
        "The WebSocket of live events, opened with an authorization_key", NULL, app=False, others=[101, 426]
    ),
    "GET /bc/v1/live-events/realtime": Operation(
        "A key for live events", record(authorization_key=TEXTS, url=TEXTS), query={"session_id": NAME}
    ),
    "GET /bc/v1/live-events/events": Operation(
        "The stored events of a span of time, newest first",
        array(ref("StoredEvent")),
        query={"start": _DATE, "end": _DATE, "limit": whole(RECENT)},
        required=["start", "end"],
    ),
}
"""All requests, by method and path."""
