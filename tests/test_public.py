"""Every public class: it is copied and pickled, or says why not, and it can be looked into."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import httpx
import pytest
import requests

import mindlytics
from mindlytics import (
    AsyncClient,
    AsyncHTTPClient,
    Client,
    DeliveryError,
    HTTPClient,
    InvalidEvent,
    InvalidSetting,
    LiveError,
    MLHTTPError,
)
from mindlytics.align import AlignAI, AsyncAlignAI, ValidationError
from mindlytics.antonnia import AsyncConversations, Conversations, exceptions
from mindlytics.compat import alignai, mlsdk
from mindlytics.compat.antonnia import conversations
from mindlytics.compat.reading import Reading
from mindlytics.pydantic_names import PydanticNames

from .conftest import result
from .sink import Sink

HOMES = (
    "mindlytics",
    "mindlytics.align",
    "mindlytics.align.events",
    "mindlytics.antonnia",
    "mindlytics.antonnia.exceptions",
    "mindlytics.antonnia.types",
    "mindlytics.antonnia.webhooks",
    "mindlytics.compat.alignai",
    "mindlytics.compat.antonnia.conversations",
    "mindlytics.compat.antonnia.conversations.plain",
    "mindlytics.compat.antonnia.events.plain",
    "mindlytics.compat.mlsdk",
    "mindlytics.events",
    "mindlytics.testing",
)
KEY = "a-secret-key"
SETTINGS = {"api_key": KEY, "project_id": "p", "server_endpoint": "http://127.0.0.1:9", "retry_for": 7.0}
ALIGN = {"api_key": KEY, "project_id": "p", "api_host": "http://127.0.0.1:9", "retry_for": 7.0}


def names_of(home: str) -> list[str]:
    module = import_module(home)
    return list(getattr(module, "__all__", None) or vars(module))


def public(home: str) -> Iterator[Any]:
    """The classes and functions of a public module."""
    for name in names_of(home):
        value = getattr(import_module(home), name)
        home_of = value.__globals__["__name__"] if inspect.isfunction(value) else getattr(value, "__module__", "")
        is_ours = str(home_of).startswith("mindlytics")  # attrs gives its evolve another module on Python 3.13
        if is_ours and not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            yield value


PUBLIC = list(dict.fromkeys(value for home in HOMES for value in public(home)))
CLASSES = [
    value
    for value in PUBLIC
    if inspect.isclass(value)
    and not typing.is_typeddict(value)
    and value is not PydanticNames  # a base without fields
    and not isinstance(value, Reading)  # its instances are another class's
]
ERRORS = [kind for kind in CLASSES if issubclass(kind, Exception)]
CLIENTS = [
    Client,
    AsyncClient,
    mlsdk.Client,
    HTTPClient,
    AsyncHTTPClient,
    mlsdk.HTTPClient,
    AlignAI,
    AsyncAlignAI,
    alignai.AlignAI,
]
SESSIONS = [mindlytics.Session, mindlytics.AsyncSession, mlsdk.Session]
REFUSING = [Conversations, AsyncConversations, conversations.Conversations]

EXAMPLES: dict[type, Mapping[str, Any]] = {
    InvalidEvent: {"field": "event", "rule": "given", "value": "what was said"},
    ValidationError: {"field": "event", "rule": "given", "value": None},
    DeliveryError: {"reason": "refused", "count": 2, "status": 400, "detail": "no"},
    LiveError: {"message": "no", "status": 403},
    MLHTTPError: {"status": 404, "message": "no"},
    exceptions.RateLimitError: {"message": "no", "retry_after": 1.5, "status_code": 429, "response_data": {"a": 1}},
    exceptions.APIError: {"message": "no", "status_code": 500, "response_text": "x"},
    mindlytics.APIResponse: {"errored": True, "status": 400, "message": "no"},
}
"""Arguments of classes that cannot be made up from their types."""


def example(kind: Any) -> Any:
    """An instance of any public class."""
    if kind in CLIENTS:
        return kind(**(ALIGN if issubclass(kind, (AlignAI, AsyncAlignAI)) else SETTINGS))
    if kind in SESSIONS:
        face = {mindlytics.Session: Client, mindlytics.AsyncSession: AsyncClient, mlsdk.Session: mlsdk.Client}[kind]
        return example(face).create_session(id="u")
    if kind in REFUSING:
        return kind(KEY)
    if kind in EXAMPLES:
        return kind(**EXAMPLES[kind])
    if issubclass(kind, Exception):
        return kind("it went wrong")
    return kind(**of_types(kind)) if attrs.has(kind) else kind()


def of_types(kind: Any) -> dict[str, Any]:
    """Values for the fields of a class that must be given."""
    hints = get_type_hints(kind)
    needed = [each.name for each in attrs.fields(kind) if each.default is attrs.NOTHING and each.init]
    return {name: of_type(name, hints[name]) for name in needed}


def of_type(name: str, hint: Any) -> Any:
    known = {"role": "user", "feedback_type": "thumbs_up"}
    if name in known:
        return known[name]
    if get_origin(hint) is Literal:
        return get_args(hint)[0]
    if get_origin(hint) in (typing.Union, types.UnionType):
        return of_type(name, get_args(hint)[0])
    if attrs.has(hint):
        return hint(**of_types(hint))
    plain = {str: "x", int: 1, float: 0.5, bool: True, datetime: datetime(2025, 4, 3, tzinfo=timezone.utc)}
    return plain.get(hint, {})


def parts(value: Any) -> Any:
    """What two of the same kind have in common."""
    if isinstance(value, Exception):
        return str(value), value.args, vars(value)
    return value if attrs.has(type(value)) else vars(value)


COPIERS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "the first protocol of pickle": lambda value: pickle.loads(pickle.dumps(value, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
VALUES = [kind for kind in CLASSES if kind not in (*CLIENTS, *SESSIONS, *REFUSING) and not inspect.isabstract(kind)]


@pytest.mark.parametrize("how", COPIERS)
@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_value_or_an_error_is_the_same_after_copying(kind: Any, how: str) -> None:
    if kind.__name__ in ("AnyEvent", "BaseWebhooks", "AlignEvent"):
        pytest.skip("a base class")
    made = example(kind)
    copied = COPIERS[how](made)
    assert kind is type(copied)
    assert parts(made) == parts(copied)
    assert repr(made) == repr(copied) or kind.__repr__ is object.__repr__


def test_errors_of_a_programs_own_are_copied_too() -> None:
    error = Own("refused", 1, 0, "no")
    error.__cause__ = ValueError("why")
    assert parts(error) == parts(pickle.loads(pickle.dumps(error)))


class Own(DeliveryError):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.mine = "kept"


def fail(number: int) -> None:
    raise example([InvalidEvent, DeliveryError, MLHTTPError, ValidationError][number])


def test_an_error_in_a_worker_of_a_pool_is_raised_here() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for number, kind in enumerate([InvalidEvent, DeliveryError, MLHTTPError, ValidationError]):
            with pytest.raises(kind):
                pool.map_async(fail, [number]).get(60)


@pytest.fixture
def _key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSDK_API_KEY", KEY)
    monkeypatch.setenv("ALIGNAI_API_KEY", KEY)
    monkeypatch.setenv("MLSDK_RETRY_FOR", "99")  # what was chosen counts


def settings_of(client: Any) -> Any:
    return client.settings if hasattr(client, "settings") else client._settings


@pytest.mark.usefixtures("_key_in_environment")
@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_client_is_pickled_as_its_settings_without_the_key(kind: Any) -> None:
    client = example(kind)
    pickled = pickle.dumps(client)
    assert KEY.encode() not in pickled
    copied = pickle.loads(pickled)
    assert kind is type(copied)
    assert settings_of(client) == settings_of(copied)
    assert 7.0 == settings_of(copied).retry_for
    for each in (client, copied):
        await result(each.close())


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_client_whose_key_is_not_in_the_environment_says_that_it_is_needed(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = example(kind)
    for key in ("", "another key"):
        monkeypatch.setenv("MLSDK_API_KEY", key)
        monkeypatch.setenv("ALIGNAI_API_KEY", key)
        with pytest.raises(TypeError, match=r"without its API key: set \w+_API_KEY in the environment"):
            pickle.dumps(client)
    await result(client.close())


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", [Client, AsyncClient, mlsdk.Client, AlignAI, AsyncAlignAI])
async def test_a_copy_of_a_client_shares_its_place(kind: Any, how: Any) -> None:
    client = example(kind)
    copied = how(client)
    assert kind is type(copied)
    assert client.pipeline is copied.pipeline
    await result(client.close())
    assert (True, False) == (client.is_closed, copied.is_closed)
    await result(copied.close())


@pytest.mark.usefixtures("_key_in_environment")
@pytest.mark.parametrize("how", COPIERS)
@pytest.mark.parametrize("kind", [Client, AsyncClient, mlsdk.Client])
async def test_a_session_is_copied_as_its_ids(kind: Any, how: str, sink: Sink) -> None:
    client = kind(**{**SETTINGS, "server_endpoint": sink.url})
    session = client.create_session(conversation_id="c", id="u", device_id="d", attributes={"plan": "pro"})
    await result(session.track_event(event="first"))
    copied = COPIERS[how](session)
    assert (type(session), session.session_id, "c", "u", "d") == (
        type(copied), copied.session_id, copied.conversation_id, copied.id, copied.device_id,
    )  # fmt: skip
    await result(copied.track_event(event="second"))
    await result(copied.end_session())
    await result(client.flush(20))
    await result(copied._client.flush(20))
    events = [event.get("event", event["type"]) for event in sink.events]
    assert ["start_session", "first", "second", "end_session"] == events
    assert 1 == len({event["session_id"] for event in sink.events})
    for each in (client, copied._client):
        await result(each.close())


@pytest.mark.usefixtures("_key_in_environment")
def test_the_destinations_of_a_client_go_with_it() -> None:
    client = Client(**SETTINGS, destinations=[example(AlignAI)])  # type: ignore[arg-type]
    for each in (pickle.loads(pickle.dumps(client)), copy.copy(client)):
        assert client.destinations[0].settings == each.destinations[0].settings
        assert type(client.create_session()) is type(each.create_session())
        each.close()
    client.close()


@pytest.mark.parametrize("kind", REFUSING)
async def test_what_holds_a_token_says_that_it_is_not_pickled(kind: Any) -> None:
    made = example(kind)
    with pytest.raises(TypeError, match="holds a token and cannot be pickled; make one in each process"):
        pickle.dumps(made)
    for copied in (copy.copy(made), copy.deepcopy(made)):
        assert made.base_url == copied.base_url
        assert copied.sessions is not made.sessions


def test_an_own_http_client_is_not_pickled() -> None:
    with requests.Session() as own, Client(**SETTINGS, http_client=own) as client:  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="its own http_client cannot be pickled"):
            pickle.dumps(client)
        assert copy.copy(client).settings.http_client is own


def is_made_by_attrs(method: Any) -> bool:
    return inspect.isfunction(method) and method.__code__.co_filename.startswith("<attrs")


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if not is_made_by_attrs(kind.__repr__)])
def test_what_was_not_made_can_be_shown(kind: Any) -> None:
    """As debuggers and error reporters do with a local variable whose ``__init__`` failed."""
    assert kind.__name__ in repr(kind.__new__(kind))


@pytest.mark.parametrize("kind", [Client, AsyncClient, HTTPClient, AsyncHTTPClient, AlignAI, AsyncAlignAI])
@pytest.mark.parametrize("other", [httpx.Client, httpx.AsyncClient])
def test_a_client_of_httpx_is_refused_where_it_could_send_nothing(kind: Any, other: Any) -> None:
    rule = r"http_client must be a requests.Session or an aiohttp.ClientSession, got a httpx\.\w*Client"
    with pytest.raises(InvalidSetting, match=rule):
        kind(api_key="k", project_id="p", http_client=other())


SPOKEN = {"__init__", "__enter__", "__exit__", "__aenter__", "__aexit__", "__iter__", "__aiter__"}


def callables() -> Iterator[Any]:
    """What a program calls: the functions, the classes, and their methods and properties."""
    for value in [*PUBLIC, *public("mindlytics.server.run")]:
        name = f"{value.__module__}.{value.__name__}"
        yield pytest.param(value, id=name)
        if not inspect.isclass(value):
            continue
        for each in dir(value):
            raw = inspect.getattr_static(value, each)
            member = getattr(raw, "fget", None) or getattr(raw, "__func__", raw)
            is_ours = inspect.isfunction(member) and member.__module__.startswith("mindlytics")
            if is_ours and (not each.startswith("_") or each in SPOKEN):
                yield pytest.param(member, id=f"{name}.{each}")


@pytest.mark.parametrize("value", list(callables()))
def test_frameworks_can_read_the_types_and_the_signature(value: Any) -> None:
    """As pydantic, injectors of dependencies and makers of documents do."""
    hints = get_type_hints(value)
    if inspect.isclass(value):
        return
    parameters = inspect.signature(value).parameters
    assert set(parameters) - {"self", "cls"} <= set(hints)
    assert "return" in hints
