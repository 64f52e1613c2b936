"""Whatever a service answers, on every wire and both faces: alike, in time, and the next event arrives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import Face, eventually, result
from .service import Answer, HostileService, endless, gzip_of_zeros, plain, raw, words

OK = plain(keep=True)
PAST = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"

DELIVERED: dict[str, Answer] = {
    "204 with a body": plain("204 No Content", b'{"status":"ok"}', "Content-Length: 15"),
    "204 with a body, kept alive": plain("204 No Content", b'{"status":"ok"}', "Content-Length: 15", keep=True),
    "205": plain("205 Reset Content", b""),
    "299": plain("299 Odd", b"odd"),
    "no reason phrase": plain("200"),
    "no length, until the end": raw(b"HTTP/1.1 200 OK\r\n\r\nall is well"),
    "more than its length": plain("200 OK", b'{"status":"ok"} and more', "Content-Length: 15"),
    "a kind of its own": plain("200 OK", b"\x00\xff", "Content-Type: application/x-odd"),
    "100 first": raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "102 first": raw(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "103 first": raw(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "gzip that was not asked for": plain("200 OK", gzip_of_zeros(2**20), "Content-Encoding: gzip"),
    "brotli that was not asked for": plain("200 OK", b"\x8b\x02\x80", "Content-Encoding: br"),
    "a coding that nobody knows": plain("200 OK", b"x", "Content-Encoding: rot13"),
    "a coding that lies": plain("200 OK", b"plain", "Content-Encoding: gzip"),
    "an endless body": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "an endless body in chunks": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ),
}
"""The status says it: whatever else the reply holds does not matter."""

RETRIED: dict[str, Answer] = {
    "nothing": raw(b""),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "HTTP 0.9": raw(b"<html>hello</html>"),
    "no status": raw(b"HTTP/1.1 \r\n\r\n"),
    "a status of letters": raw(b"HTTP/1.1 abc OK\r\n\r\n"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "less than its length": plain("200 OK", b"short", "Content-Length: 500"),
    "chunks that break off": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nx"),
    "a chunk of no length": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    "503": plain("503 Service Unavailable", words("later")),
    "503, endless": endless(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"x" * 65536),
    "500 with a bomb": plain("500 Oops", gzip_of_zeros(2**24), "Content-Encoding: gzip"),
    "599": plain("599 Odd"),
    "408": plain("408 Request Timeout", words("slow")),
    "425": plain("425 Too Early", words("early")),
    "429, asking for no wait": plain("429 Too Many", words("busy"), "Retry-After: 0"),
    "429, asking for a past date": plain("429 Too Many", words("busy"), PAST),
    "429, asking for nonsense": plain("429 Too Many", words("busy"), "Retry-After: soon"),
    "429, asking for less than nothing": plain("429 Too Many", words("busy"), "Retry-After: -3"),
    "429, asking for ever": plain("429 Too Many", words("busy"), "Retry-After: 1e400"),
    "a redirect to itself, then well": plain("307 There", b"", "Location: /bc/v1/events/queue", keep=True),
}
"""It is retried under the same key, and the second attempt succeeds."""

REFUSED: dict[str, Answer] = {
    "304": plain("304 Not Modified", b""),
    "401": plain("401 Unauthorized", words("who are you?")),
    "402": plain("402 Payment Required", words("pay")),
    "404 in HTML": plain("404 Not Found", b"<html>nothing here</html>"),
    "418 with deep JSON": plain("418 Teapot", b'{"message":' * 5000),
    "403 with surrogates": plain("403 Forbidden", b'{"message": "\\ud800\\u0000\\u001b[31m"}'),
    "403 with a bomb": plain("403 Forbidden", gzip_of_zeros(2**24), "Content-Encoding: gzip"),
    "403, endless": endless(b"HTTP/1.1 403 Forbidden\r\n\r\n", b"x" * 65536),
    "a redirect to nowhere": plain("307 There", b""),
    "a redirect to a file": plain("307 There", b"", "Location: file:///etc/passwd"),
    "a redirect to a script": plain("307 There", b"", "Location: javascript:alert(1)"),
    "a redirect to another host": plain("307 There", b"", "Location: http://localhost.invalid/x"),
    "a redirect with another's name": plain("307 There", b"", "Location: http://127.0.0.1@evil.invalid/x"),
    "a redirect with a long way": plain("307 There", b"", f"Location: http://x.invalid/{'a' * 4000}"),
}
"""The service says no."""

SECRET = "a-very-secret-key-0123456789"


@pytest.fixture
def hostile() -> Iterator[HostileService]:
    made = HostileService()
    yield made
    made.close()


@pytest.fixture
def client(any_face: Face, hostile: HostileService) -> Any:
    any_face.url = hostile.url
    return any_face.client(api_key=SECRET, request_timeout=5, flush_interval=0)


async def record(session: Any, client: Any, name: str, timeout: float = 20) -> Any:
    await result(session.track_event(event=name))
    return await result(client.flush(timeout))


CASES = [
    *(pytest.param(answer, "delivered", id=f"delivered: {name}") for name, answer in DELIVERED.items()),
    *(pytest.param(answer, "retried", id=f"retried: {name}") for name, answer in RETRIED.items()),
    *(pytest.param(answer, "refused", id=f"refused: {name}") for name, answer in REFUSED.items()),
]


@pytest.mark.parametrize(("answer", "fate"), CASES)
async def test_an_answer(client: Any, hostile: HostileService, answer: Answer, fate: str, caplog: Any) -> None:
    hostile.plan.append(answer)
    session = client.create_session(id="u")
    began = time.monotonic()
    await record(session, client, "first")
    account = await record(session, client, "second")
    assert time.monotonic() - began < 10
    outcome = (1, 1, 0, 0) if fate == "refused" else (2, 0, 0, 0)
    assert outcome == (account.delivered, account.refused, account.dropped, account.pending)
    keys = [headers["Idempotency-Key"] for _, headers, _ in hostile.requests]
    assert 2 == len(set(keys))
    again = {"delivered": (0, 1), "retried": (1,), "refused": (0,)}[fate]
    assert len(keys) - 2 in again, "aiohttp may try a connection once more on which there was more than a reply"
    said = caplog.text + repr(client) + str(client.get_errors()) + str(session.get_errors())
    assert SECRET not in said


ENDLESS_HEADS: dict[str, Answer] = {
    "header after header": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 100),
    "one long header": endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
    "one long line": endless(b"HTTP/1.1 200 ", b"x" * 65536),
    "interim reply after interim reply": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "100 after 100": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", ENDLESS_HEADS)
async def test_a_head_without_end(any_face: Face, hostile: HostileService, name: str) -> None:
    hostile.plan.append(ENDLESS_HEADS[name])
    any_face.url = hostile.url
    client = any_face.client(request_timeout=1, flush_interval=0)
    began = time.monotonic()
    assert 1 == (await record(client.create_session(id="u"), client, "e")).delivered
    assert time.monotonic() - began < 8
    assert 2 == len(hostile.requests)


TRICKLES: dict[str, Answer] = {
    "the head": endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "the body": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "interim replies": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("name", TRICKLES)
async def test_what_trickles_is_abandoned_in_time(any_face: Face, hostile: HostileService, name: str) -> None:
    hostile.pause, hostile.always = 0.05, TRICKLES[name]
    any_face.url = hostile.url
    client = any_face.client(request_timeout=0.5, flush_interval=0, retry_for=0)
    began = time.monotonic()
    assert 1 == (await record(client.create_session(id="u"), client, "e")).dropped
    assert time.monotonic() - began < 15
    assert "timed out" in client.get_errors()[0].message


async def test_a_key_that_a_service_repeats_is_masked(client: Any, hostile: HostileService, caplog: Any) -> None:
    hostile.plan.append(plain("401 Unauthorized", words(f"the key {SECRET} is unknown; Bearer {SECRET}")))
    session = client.create_session(id="u")
    await record(session, client, "e")
    assert "the key *** is unknown; Bearer ***" == client.get_errors()[0].message
    assert SECRET not in caplog.text


async def test_words_that_repeat_an_event_are_not_logged(client: Any, hostile: HostileService, caplog: Any) -> None:
    hostile.plan.append(plain("403 Forbidden", words("no: my-private-matter")))
    session = client.create_session(id="u")
    await record(session, client, "my-private-matter")
    assert "no: my-private-matter" == client.get_errors()[0].message
    await eventually(lambda: f"{hostile.url}: status 403" in caplog.text)
    assert "private" not in caplog.text


@pytest.mark.parametrize("header", ["Retry-After: 0", PAST])
async def test_a_wait_of_nothing_does_not_switch_the_back_off_off(
    any_face: Face, hostile: HostileService, header: str
) -> None:
    hostile.always = plain("429 Too Many", words("busy"), header, keep=True)
    any_face.url = hostile.url
    client = any_face.client(flush_interval=0, retry_for=60, max_retry_wait=30)
    session = client.create_session(id="u")
    assert 1 == (await record(session, client, "e", 3)).pending
    assert len(hostile.requests) < 15


async def test_cookies_are_not_kept(client: Any, hostile: HostileService) -> None:
    cookies = [f"Set-Cookie: c{number}={'x' * 3000}; Path=/" for number in range(20)]
    hostile.always = plain("200 OK", b"{}", *cookies, keep=True)
    session = client.create_session(id="u")
    for number in range(3):
        await record(session, client, f"e{number}")
    assert 3 == len(hostile.requests)
    assert all("Cookie" not in headers for _, headers, _ in hostile.requests)
