"""How the bodies of replies are read: compressed, cut into chunks, in trickles, by a caller's own session."""

from __future__ import annotations

import gzip
import json
from typing import Any

import aiohttp
import pytest
import requests
import urllib3

from mindlytics import AsyncHTTPClient, Client, HTTPClient, MLHTTPError

from . import sink as faults
from .conftest import Face, entered, result
from .sink import Exchange, Sink

USER = {"id": "ada", "traits": {"text": "ä" * 100_000}}
BODY = json.dumps(USER).encode()


async def test_the_message_of_a_compressed_refusal_is_reported(any_face: Face, sink: Sink) -> None:
    sink.always = faults.compressed(b'{"message": "the project is unknown"}', 403)
    session = any_face.client().create_session(id="u")
    await result(session.track_event(event="e"))
    await result(session.flush(20))
    assert [(403, "the project is unknown")] == [(error.status, error.message) for error in session.get_errors()]


async def test_a_compressed_reply_with_a_user_is_read(face: Face, sink: Sink) -> None:
    client = face.client()
    sink.faults(faults.compressed(BODY), faults.compressed(b'{"message": "no such user"}', 404))
    assert USER == await result(client.user_identify(id="ada"))
    with pytest.raises(MLHTTPError, match="404 - no such user"):
        await result(client.user_alias(id="ada", previous_id="a"))


@pytest.mark.parametrize("kind", [HTTPClient, AsyncHTTPClient])
async def test_any_endpoint_may_answer_compressed(kind: Any, sink: Sink) -> None:
    sink.faults(faults.compressed(BODY), faults.compressed(b""), faults.not_compressed)
    async with entered(kind(api_key="k", project_id="p", server_endpoint=sink.url)) as http:
        assert USER == await result(http.send_request(method="GET", url="/x"))
        assert None is await result(http.send_request(method="GET", url="/x"))
        answer = await result(http.send_request(method="GET", url="/x"))
        assert (200, "the reply is not encoded as it says (gzip)") == (answer["status"], answer["message"])
        assert {"status": "ok"} == await result(http.send_request(method="GET", url="/x"))


async def test_a_compressed_reply_may_come_in_chunks(face: Face, sink: Sink) -> None:
    def in_chunks(exchange: Exchange) -> None:
        handler, body = exchange.handler, gzip.compress(BODY)
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        for chunk in (body[:7], body[7:], b""):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    sink.faults(in_chunks)
    assert USER == await result(face.client().user_identify(id="ada"))


async def test_a_callers_own_session_reads_compressed_replies_alike(face: Face, sink: Sink) -> None:
    sink.always = faults.compressed(BODY)
    own: Any = aiohttp.ClientSession() if face.is_async else requests.Session()
    assert USER == await result(face.client(http_client=own).user_identify(id="ada"))
    if not face.is_async:
        logged: list[str] = []
        own.hooks["response"].append(lambda reply, **_: logged.append(reply.text))
        assert USER == await result(face.client(http_client=own).user_identify(id="ada"))
        assert [BODY.decode()] == logged
    await result(own.close())


@pytest.mark.parametrize("coding", [{}, {"Content_Encoding": "gzip"}], ids=["plain", "compressed"])
async def test_a_reply_that_trickles_is_abandoned(face: Face, sink: Sink, coding: dict[str, str]) -> None:
    if not face.is_async and not hasattr(urllib3.HTTPResponse, "read1"):
        pytest.skip("this urllib3 cannot be asked for what has come")
    sink.always = faults.trickle(**coding)
    with pytest.raises(MLHTTPError, match="no reply"):
        await result(face.client(request_timeout=0.3).user_identify(id="ada"))


def raising(face: Face) -> Any:
    """A session of the caller's own that raises for bad statuses, as many programs set theirs up."""
    if face.is_async:
        return aiohttp.ClientSession(raise_for_status=True)
    session = requests.Session()
    session.hooks["response"].append(lambda reply, **_: reply.raise_for_status())
    return session


async def test_a_refusal_is_one_where_the_callers_session_raises_for_it(any_face: Face, sink: Sink) -> None:
    sink.faults(faults.status(503, Retry_After="0"), faults.status(403, "the project is unknown"))
    async with entered(raising(any_face)) as own:
        session = any_face.client(http_client=own).create_session(id="u")
        await result(session.track_event(event="e"))
        assert 1 == (await result(session.flush(20))).refused
    assert [(403, "the project is unknown")] == [(error.status, error.message) for error in session.get_errors()]
    assert 2 == len(sink.requests)


async def test_one_bad_event_is_refused_alone_where_the_callers_session_raises(face: Face, sink: Sink) -> None:
    sink.always = faults.refuse_marked
    async with entered(raising(face)) as own:
        session = face.client(http_client=own).create_session(id="u")
        for name in ("a", "poison", "b"):
            await result(session.track_event(event=name))
        outcome = await result(session.flush(20))
    assert (2, 1, ["a", "b"]) == (outcome.delivered, outcome.refused, sink.names())


def test_where_a_hook_cannot_read_a_reply_there_is_none(sink: Sink) -> None:
    sink.faults(faults.not_compressed)
    read: list[str] = []
    settings = {"api_key": "k", "project_id": "p", "server_endpoint": sink.url, "max_retry_wait": 0.05}
    with requests.Session() as own, Client(**settings, http_client=own) as client:  # type: ignore[arg-type]
        own.hooks["response"] = lambda reply, **_: read.append(reply.text)  # one function, as requests takes it too
        client.create_session(id="u").track_event(event="e")
        assert 1 == client.flush(20).delivered
    assert (2, ["e"], 1) == (len(sink.requests), sink.names(), len(read))
