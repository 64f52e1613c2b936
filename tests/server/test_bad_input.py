"""Bad input: the answer is a 4xx in JSON, reveals nothing of others, and the server keeps running."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import struct
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from mindlytics.align.settings import COLLECT_PATH
from mindlytics.server import http, run
from mindlytics.server.http import MAX_BODY, MAX_LINE
from mindlytics.server.run import LocalServer

from ..postgres import NUL
from .calls import QUEUE, Caller, event, track, turn

KEY = "a-key-that-no-log-holds"
HEADERS = f"Host: localhost\r\nAuthorization: Bearer {KEY}\r\nX-App-ID: bad\r\n".encode()


def answer(server: LocalServer | Caller, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """What comes back for these bytes on a connection of their own."""
    url = urlsplit(server.url)
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        reader = connection.makefile("rb")
        status = int(reader.readline().split()[1])
        headers = {}
        while line := reader.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, reader.read(int(headers["content-length"]))


def post(*headers: bytes, path: str = QUEUE) -> bytes:
    return f"POST {path} HTTP/1.1\r\n".encode() + HEADERS + b"".join(line + b"\r\n" for line in headers) + b"\r\n"


def get(path: str, *, method: str = "GET", version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\n".encode() + HEADERS + b"\r\n"


FIND = "/bc/v1/db/events/find"
SEARCH = "/conversations/v2/sessions/s/messages/search"
BROKEN = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "an unknown method": (get("/", method="DANCE"), 400),
    "an unknown version": (get("/healthz", version="9.9"), 400),
    "a broken address": (get("http://[here/"), 400),
    "NUL in a header": (b"GET / HTTP/1.1\r\nAuthorization: " + KEY.encode() + b"\x00\r\n\r\n", 400),
    "a header without a name": (b"GET / HTTP/1.1\r\n" + HEADERS + b": x\r\n\r\n", 400),
    "an endless header": (b"GET / HTTP/1.1\r\n" + HEADERS + b"X: " + b"y" * (MAX_LINE + 100) + b"\r\n\r\n", 400),
    "an endless address": (get("/?" + "x" * (MAX_LINE + 100)), 400),
    "a negative length": (post(b"Content-Length: -5"), 400),
    "a length that is no number": (post(b"Content-Length: ten"), 400),
    "two lengths": (post(b"Content-Length: 2", b"Content-Length: 3") + b"[]", 400),
    "a length and chunks": (post(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "broken chunks": (post(b"Transfer-Encoding: chunked") + b"zz\r\n", 400),
    "too long, by its header": (post(b"Content-Length: %d" % (MAX_BODY + 1)), 413),
    "too long, by far": (post(b"Content-Length: 99999999999999"), 413),
    "no gzip": (post(b"Content-Length: 5", b"Content-Encoding: gzip") + b"hello", 400),
    "no known encoding": (post(b"Content-Length: 2", b"Content-Encoding: br") + b"[]", 400),
    "OPTIONS": (get(QUEUE, method="OPTIONS"), 405),
    "OPTIONS for all": (get("*", method="OPTIONS"), 404),
    "PATCH": (get(FIND, method="PATCH"), 405),
    "TRACE": (get("/", method="TRACE"), 405),
    "odd bytes in a path": (get("/%ff%00/..%2f"), 404),
    "above the root": (get("/bc/v1/../../etc/passwd"), 404),
    "no UTF-8 in a query": (get(FIND + "?filter=%ff%fe"), 400),
    "an open string in a query": (get(FIND + "?filter=%7B%22a"), 400),
    "no number": (get(FIND + "?limit=ten"), 400),
    "a number too large": (get(FIND + "?skip=" + "9" * 400), 400),
    "a number below 0": (get(FIND + "?limit=-1"), 400),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests(server: LocalServer, name: str, caplog: pytest.LogCaptureFixture) -> None:
    request, expected = BROKEN[name]
    with caplog.at_level(logging.DEBUG):
        status, headers, body = answer(server, request)
    assert (expected, "application/json") == (status, headers["content-type"].partition(";")[0]), body
    document = json.loads(body)
    assert document["error"]
    assert document["message"]
    assert len(body) < 1000
    assert KEY not in caplog.text + body.decode()
    assert 200 == answer(server, get("/healthz"))[0]


@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("path", [QUEUE, SEARCH])
def test_a_request_that_breaks_off_harms_nothing_else(
    path: str, rudely: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalServer(analysis=None) as server:
        url = urlsplit(server.url)
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            connection.sendall(post(b"Content-Length: 100", b"Expect: 100-continue", path=path))
            assert b"HTTP/1.1 100" in connection.recv(100), "it reads the body now"
            connection.sendall(b"[1, 2")
            if rudely:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert 200 == answer(server, get("/healthz"))[0]
    assert [] == [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (QUEUE, {"error": "request timeout", "message": f"POST {QUEUE}: Request Timeout"}),
        (SEARCH, {"detail": f"POST {SEARCH}: Request Timeout"}),
        (COLLECT_PATH, {"code": "deadline_exceeded", "message": "the body did not come within 60 seconds"}),
    ],
)
def test_a_body_that_does_not_come_is_not_waited_for(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, path: str, expected: dict[str, str]
) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.2)
    begun = post(b"Content-Length: 100", b"Content-Type: application/proto", path=path) + b"[1, 2"
    status, _, body = answer(server, begun)
    assert (408, expected) == (status, json.loads(body))


def test_a_compressed_body_that_is_none_is_refused_by_every_service(server: LocalServer) -> None:
    request = post(b"Content-Length: 5", b"Content-Encoding: gzip", path=SEARCH) + b"hello"
    status, _, body = answer(server, request)
    assert (422, {"detail": "the body is not encoded as its headers say"}) == (status, json.loads(body))


def test_a_long_query_is_read(server: LocalServer) -> None:
    filter = {"$or": [{"session_id": f"session {number}"} for number in range(400)]}
    assert 200 == answer(server, get(f"{FIND}?filter={quote(json.dumps(filter))}"))[0]


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1, 10 * MAX_BODY])
def test_a_body_in_chunks_is_measured(server: LocalServer, size: int) -> None:
    body = b"[" + b" " * (size - 2) + b"]"
    chunk = b"%x\r\n" % (size // 4)
    chunks = [chunk + body[at : at + size // 4] + b"\r\n" for at in range(0, size - size % 4, size // 4)]
    rest = b"%x\r\n" % (size % 4) + body[size - size % 4 :] + b"\r\n" if size % 4 else b""
    try:
        status, _, _ = answer(server, post(b"Transfer-Encoding: chunked"), *chunks, rest + b"0\r\n\r\n")
    except ConnectionError:  # cut off in the middle, which is as good
        status = 413
    assert (200 if size <= MAX_BODY else 413) == status
    assert 200 == answer(server, get("/healthz"))[0]


def test_a_compressed_body_is_measured_unpacked(caller: Caller) -> None:
    for size, expected in ((1000, 200), (100 * MAX_BODY, 413)):
        packed = gzip.compress(b"[" + b" " * size + b"]")
        assert expected == caller.post(QUEUE, packed, **{"Content-Encoding": "gzip"}).status_code


BODIES = [
    b"", b" ", b"\x00", b"\xff\xfe[\x00]\x00", b"\xef\xbb\xbf[]", b'["\xc3\x28"]', b'["\\ud800"]', b"[1,]", b"{'a': 1}",
    b"[NaN]", b"[Infinity]", b"[1e999]", b"[" * 100_000, b'{"a":' * 100_000, b"[" * 2000 + b"]" * 2000, b"[] []",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("path", [QUEUE, "/bc/v1/events/event", "/bc/v1/user/identify", "/bc/v1/user/alias"])
def test_bodies_other_than_json(caller: Caller, path: str, body: bytes) -> None:
    assert 400 == caller.post(path, body).status_code
    assert [] == caller.find("events")


@pytest.mark.parametrize(
    "body", [None, True, 5, -1.5, "text", [[]], [[[{}]]], [None], [5, track()], [track(), "x"], {}]
)
def test_bodies_of_the_wrong_shape(caller: Caller, body: object) -> None:
    for path in (QUEUE, "/bc/v1/events/event", "/bc/v1/user/identify", "/bc/v1/user/alias"):
        reply = caller.post(path, body)
        assert (400, True) == (reply.status_code, bool(reply.json()["message"])), path
    assert [] == caller.find("events")


@pytest.mark.parametrize(
    "timestamp",
    [
        "", "now", "2025", "2025-04-03", "2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "2025-04-03T24:00:00Z",
        "2025-04-03T07:60:00Z", "2025-04-03T07:35:60Z", "2025-04-03T07:35:10+99:00", "2025-04-03T07:35:10Z\n",
        "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "2025-W14-4T00:00:00Z",
        "20250403T073510Z", "1743665710", "2025-04-03T07:35:10.1234567890Z", "\x00", 1743665710, -1, 1e300, True, [],
        {},
    ],
)  # fmt: skip
def test_timestamps_of_impossible_times(caller: Caller, timestamp: object) -> None:
    reply = caller.queue(track(timestamp=timestamp))
    assert (400, "timestamp") == (reply.status_code, reply.json()["field"])


@pytest.mark.parametrize("tokens", [-1, 2**64, 2**200, 1e300, 1.5, True, "5", [], {}])
def test_tokens_other_than_counts(caller: Caller, tokens: object) -> None:
    usage = {"model": "m", "prompt_tokens": tokens, "completion_tokens": 1}
    reply = caller.queue(turn(properties=usage))
    assert (400, "prompt_tokens") == (reply.status_code, reply.json()["field"])


def test_large_numbers_stay_numbers(caller: Caller) -> None:
    numbers = {"whole": 2**63, "huge": 10**30, "tiny": 5e-324, "negative": -(2**63) - 1, "zero": -0.0}
    caller.take(track(properties=numbers))
    stored: dict[str, Any] = caller.one("events", filter={"event": "Bought"})["properties"]
    assert numbers == {name: pytest.approx(value) for name, value in stored.items()}
    for bound in (2**63, 10**30, -(2**63) - 1):
        assert 1 == len(caller.find("events", filter={"properties.huge": {"$gte": bound}}))


def test_odd_characters_come_back_as_they_were(caller: Caller) -> None:
    odd = "'; DROP TABLE events; --\u202e\ufeff\U0001f9ff\"\\\n"
    id = f"{NUL}{odd}"
    caller.take(track(id, session_id=id, conversation_id=id, user_id=id, properties={odd: odd, id: id}))
    (stored,) = caller.find("events", filter={"session_id": id, "event": id, f"properties.{odd}": odd})
    assert {odd: odd, id: id} == stored["properties"]
    assert id == caller.one("sessions", sort={f"attributes.{odd}": 1}, projection={"session_id": 1})["session_id"]


FILTERS = [
    5, "x", [], [{}], {"$where": "1"}, {"a": {"$regex": "x"}}, {"a": {}}, {"a": {"b": 1}}, {"a": [1]},
    {"a": {"$in": 1}}, {"a": {"$in": [[]]}}, {"a": {"$exists": "yes"}}, {"$and": {}}, {"$and": []}, {"$and": [5]},
    {"$nor": [{}]}, {"timestamp": "noon"}, {"timestamp": {"$gte": "2025-02-30"}}, {"$or": [{"a": 1}] * 501},
]  # fmt: skip


def nested(depth: int) -> str:
    return '{"$and":[' * depth + "{}" + "]}" * depth


@pytest.mark.parametrize(
    "filter", [*map(json.dumps, FILTERS), nested(30), nested(1000), "[" * 3000, '{"a":NaN}', '{"a":1e999}']
)
def test_filters_of_the_wrong_shape(caller: Caller, filter: str) -> None:
    reply = caller.get("/bc/v1/db/events/find", filter=filter)
    assert (400, "filter") == (reply.status_code, reply.json()["field"])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(
            ("sort", value)
            for value in (5, "timestamp", [], ["timestamp"], {"a": 0}, {"a": 2}, {"a": "1"}, {"a": None}, {"a": {}})
        ),
        *(
            ("projection", value)
            for value in (5, "timestamp", [], ["a"], {"a": 2}, {"a": "1"}, {"a": []}, {"a": 1, "b": 0})
        ),
        *(("include", value) for value in (5, "user", {}, ["nobody"], [5], [["user"]], [None])),
        *((name, value) for name in ("skip", "limit") for value in ("x", "-1", "1.5", "1e3", " 1", "٣", "9" * 30)),
    ],
)
def test_other_parameters_of_the_wrong_shape(caller: Caller, parameter: str, value: object) -> None:
    text = value if isinstance(value, str) and parameter in ("skip", "limit") else json.dumps(value)
    reply = caller.get("/bc/v1/db/events/find", **{parameter: text})
    assert (400, parameter) == (reply.status_code, reply.json()["field"])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("X-App-ID", "", 401), ("X-App-ID", " \t", 401), ("X-App-ID", "x" * 256, 400), ("X-App-ID", b"\xff\xfe", 400),
        ("Authorization", "", 401), ("Authorization", "Bearer", 401), ("Authorization", "Bearer " + "k" * 256, 400),
        ("Authorization", b"Bearer \xff", 400), ("Idempotency-Key", "", 400), ("Idempotency-Key", "x" * 256, 400),
        ("Idempotency-Key", b"\xe2\x80\xae", 400), ("Accept", "\x01", 400),
        ("Content-Type", "text/html; charset=\xff", 200),
    ],
)  # fmt: skip
def test_odd_headers(caller: Caller, name: str, value: str | bytes, expected: int) -> None:
    if isinstance(value, str):
        value = value.encode("latin-1")
    lines = {b"Host": b"localhost", b"Authorization": b"Bearer k", b"X-App-ID": b"odd", b"Content-Length": b"2"}
    lines[name.encode()] = value
    head = b"".join(b"%s: %s\r\n" % line for line in lines.items())
    status, _, body = answer(caller, b"POST " + QUEUE.encode() + b" HTTP/1.1\r\n" + head + b"\r\n[]")
    assert expected == status, body


def test_clients_that_never_read_or_never_end_delay_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SHUTDOWN_SECONDS", 0.2)
    with ExitStack() as stack:
        server = stack.enter_context(LocalServer())
        caller = Caller(server.url, KEY, "bad")
        stack.enter_context(caller.http)
        for number in range(20):
            caller.take(track(properties={"text": "x" * 900_000, "number": number}))
        url = urlsplit(server.url)
        reading, half_a_head = get(FIND), b"POST " + QUEUE.encode()
        for request in (reading, post(b"Content-Length: 2") + b"[", half_a_head) * 5:
            connection = stack.enter_context(socket.create_connection((url.hostname, url.port), timeout=20))
            connection.sendall(request)
        caller.take(track("Last"))
        assert 22 == len(caller.find("events", projection={"event": 1}))
        server.stop()


def test_others_see_nothing(caller: Caller, server: LocalServer) -> None:
    caller.take(event("start_session", attributes={"secret": 1}), turn("mine"))
    own = str(caller.http.headers["X-App-ID"])
    for key, app in (("key", f"other than {own}"), ("another key", f"another than {own}")):
        other = Caller(server.url, key, app)
        with other.http:
            for collection in ("users", "sessions", "conversations", "events", "messages"):
                for filter in ({}, {"$or": [{"session_id": "s"}, {"a": None}]}, {"organization_id": {"$ne": "x"}}):
                    assert [] == other.find(collection, filter=filter)
            assert 404 == other.get("/bc/v1/user/details", user_id="u").status_code
