"""Clients: options, sessions of the caller's own, threads, loops, forks, what is imported."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from mindlytics.antonnia import AsyncConversations, Conversations
from mindlytics.antonnia.aio import MAX_CONNECTIONS
from mindlytics.antonnia.base import BASE_URL
from mindlytics.antonnia.exceptions import APITimeoutError, NotFoundError
from mindlytics.errors import InvalidSetting
from mindlytics.server.run import LocalServer

from ..conftest import entered, eventually, result
from ..sink import Sink, compressed, not_compressed, slow, trickle
from .answers import SESSION, says
from .conftest import TOKEN, Face, everything


def test_the_defaults() -> None:
    client = Conversations(token="t")
    assert ("https://api.antonnia.com", 60.0, 2) == (BASE_URL, client._settings.request_timeout, client._max_retries)
    assert BASE_URL == client.base_url
    assert "https://example.com/v2" == AsyncConversations("t", " https://example.com/v2/\n").base_url


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"token": ""}, "token must be"),
        ({"token": "two words"}, "token must be"),
        ({"token": None}, "token must be"),
        ({"base_url": "api.antonnia.com"}, "^base_url must be of the form https://host"),
        ({"base_url": "https://api.antonnia .com"}, "^base_url must be of the form https://host"),
        ({"timeout": 0}, "^timeout must be a number of seconds above 0"),
        ({"verify": "/nowhere.pem"}, "^verify must be True, False or a CA bundle's path"),
        ({"max_retries": -1}, "max_retries must be an int of at least 0"),
        ({"max_retries": True}, "max_retries must be an int of at least 0"),
        ({"http_client": object()}, "http_client must be"),
    ],
)
@pytest.mark.parametrize("kind", [Conversations, AsyncConversations])
def test_options_that_break_a_rule(kind: Any, arguments: Any, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        kind(**{"token": "t", **arguments})


async def test_the_other_faces_client_is_refused() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(InvalidSetting, match="http_client must be a blocking client"):
            Conversations("t", http_client=session)
    with requests.Session() as session, pytest.raises(InvalidSetting, match="must be an asyncio client"):
        AsyncConversations("t", http_client=session)


async def test_an_answer_may_be_compressed(face: Face) -> None:
    face.sink.faults(compressed(json.dumps(SESSION).encode()), compressed(b'{"detail": "no such session"}', 404))
    client = face.client()
    assert "sess_1" == (await result(client.sessions.get("s"))).id
    with pytest.raises(NotFoundError, match="no such session"):
        await result(client.sessions.get("s"))


async def test_an_answer_that_only_claims_to_be_compressed_is_none(face: Face) -> None:
    face.sink.faults(not_compressed, says(SESSION))
    assert "sess_1" == (await result(face.client().sessions.get("s"))).id


class OwnSession(requests.Session):
    closed = False

    def close(self) -> None:
        self.closed = True
        super().close()


async def test_an_own_session_is_used_and_left_open(face: Face) -> None:
    async with entered(aiohttp.ClientSession() if face.is_async else OwnSession()) as session:
        session.headers["X-Own"] = "yes"
        face.sink.always = says(SESSION)
        async with entered(face.client(http_client=session)) as client:
            await result(client.sessions.get("s"))
        async with entered(face.client(http_client=session)) as client:
            await result(client.sessions.get("s"))
        assert not session.closed
    assert ["yes", "yes"] == [request.headers["X-Own"] for request in face.sink.requests]


async def test_the_credentials_of_a_client_of_httpx_do_not_replace_the_token(face: Face) -> None:
    own = httpx.AsyncClient if face.is_async else httpx.Client
    face.sink.always = says(SESSION)
    async with entered(own(auth=("somebody", "else"))) as session:
        assert "sess_1" == (await result(face.client(http_client=session).sessions.get("s"))).id
    assert f"Bearer {TOKEN}" == face.sink.requests[0].headers["Authorization"]


async def test_a_client_of_httpx_is_used_and_left_open(face: Face) -> None:
    own = httpx.AsyncClient if face.is_async else httpx.Client
    async with entered(own(headers={"X-Own": "yes"})) as session:
        face.sink.faults(says({"detail": "busy"}, 503), says(SESSION), says(SESSION))
        async with entered(face.client(http_client=session)) as client:
            assert "sess_1" == (await result(client.sessions.get("s"))).id
        assert not session.is_closed
        assert "sess_1" == (await result(face.client(http_client=session).sessions.get("s"))).id
    assert [("yes", f"Bearer {TOKEN}")] * 3 == [
        (request.headers["X-Own"], request.headers["Authorization"]) for request in face.sink.requests
    ]


@pytest.mark.parametrize("coding", [{}, {"Content_Encoding": "gzip"}], ids=["plain", "compressed"])
async def test_the_timeout_of_a_client_of_httpx_is_for_the_whole_reply(face: Face, coding: dict[str, str]) -> None:
    own = httpx.AsyncClient if face.is_async else httpx.Client
    face.sink.faults(trickle(**coding))
    async with entered(own()) as session:
        client = face.client(http_client=session, timeout=0.3, max_retries=0)
        with pytest.raises(APITimeoutError):
            await result(client.sessions.get("s"))


async def test_a_hook_of_a_client_of_httpx_may_read_replies(face: Face) -> None:
    read: list[bytes] = []

    def hook(reply: httpx.Response) -> None:
        read.append(reply.read())

    async def async_hook(reply: httpx.Response) -> None:
        read.append(await reply.aread())

    answer = json.dumps(SESSION).encode()
    face.sink.always = compressed(answer)
    hooked: Any = httpx.AsyncClient if face.is_async else httpx.Client
    for hooks in ([], [async_hook if face.is_async else hook]):
        async with entered(hooked(event_hooks={"response": hooks})) as session:
            assert "sess_1" == (await result(face.client(http_client=session).sessions.get("s"))).id
    assert [answer] == read


async def test_a_closed_client_opens_its_connections_again(face: Face) -> None:
    face.sink.always = says(SESSION)
    client = face.client()
    for _ in range(2):
        async with entered(client):
            await result(client.sessions.get("s"))
        await result(client.close())
    assert 2 == len(face.sink.requests)


def test_any_thread_may_call(server: LocalServer) -> None:
    with Conversations("threads", f"{server.url}/conversations/v2") as client, ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: client.sessions.create(f"c{i}", "Ada", metadata={"i": i}), range(80)))
        assert list(range(80)) == [client.sessions.get(session.id).metadata["i"] for session in made]
        assert {session.id for session in made} == {session.id for session in client.sessions.iter(page_size=7)}
        assert len(client._idle) <= 9


async def test_a_thousand_calls_at_once(server: LocalServer) -> None:
    async with AsyncConversations("thousand", f"{server.url}/conversations/v2") as client:
        made = await asyncio.gather(*(client.sessions.create(f"c{i}", "Ada") for i in range(1000)))
        assert 1000 == len({session.id for session in made})
        assert {session.id for session in made} == {s.id for s in await everything(client.sessions.iter(page_size=500))}


async def test_so_many_calls_are_under_way_and_the_others_wait(sink: Sink) -> None:
    sink.always = lambda exchange: (exchange.sink.stopping.wait(60), exchange.reply(body=b"null"))[1]
    async with AsyncConversations("t", sink.url) as client:
        calls = [asyncio.create_task(client.sessions.get(str(i))) for i in range(MAX_CONNECTIONS + 20)]
        await eventually(lambda: len(sink.requests) >= MAX_CONNECTIONS)
        assert MAX_CONNECTIONS == len(sink.requests)
        sink.stopping.set()
        await asyncio.gather(*calls)
    assert MAX_CONNECTIONS + 20 == len(sink.requests)


async def test_waiting_for_a_turn_takes_nothing_of_the_timeout(sink: Sink) -> None:
    sink.always = says(SESSION)
    async with AsyncConversations("t", sink.url, timeout=1.0) as client:
        turns = (await client._open()).turns
        for _ in range(MAX_CONNECTIONS):
            await turns.acquire()
        call = asyncio.create_task(client.sessions.get("s"))
        assert set() == (await asyncio.wait({call}, timeout=1.2))[0]
        turns.release()
        assert "sess_1" == (await call).id


LOOPS = """
import asyncio, sys
from mindlytics.antonnia import AsyncConversations
client = AsyncConversations("loops", sys.argv[1])

async def call(close):
    await client.sessions.create("ada", "Ada")
    if close:
        await client.close()

for close in (True, False, True, False):
    asyncio.run(call(close))

async def count():
    async with client:
        return len([session async for session in client.sessions.iter()])

print(asyncio.run(count()), client._lines)
"""


def test_one_client_on_several_loops(server: LocalServer) -> None:
    assert ("4 {}\n", "") == program(LOOPS, f"{server.url}/conversations/v2")


def program(text: str, *arguments: str) -> tuple[str, str]:
    """What a program prints, and what it says on stderr."""
    ran = subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return ran.stdout, ran.stderr


async def test_a_cancelled_call_leaves_the_client_whole(sink: Sink) -> None:
    sink.faults(slow(30))
    sink.always = says(SESSION)
    async with AsyncConversations("t", sink.url) as client:
        call = asyncio.create_task(client.sessions.get("s"))
        await eventually(lambda: len(sink.requests) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert "sess_1" == (await client.sessions.get("s")).id


FORK = """
import os, sys
from mindlytics.antonnia import Conversations
client = Conversations("forks", sys.argv[1])
first = client.sessions.create("parent", "P")
if not os.fork():
    assert client.sessions.get(first.id).id == first.id
    client.sessions.create("child", "C")
    os._exit(0)
assert os.wait()[1] == 0
client.sessions.get(first.id)
print([session.contact_id for session in client.sessions.iter()])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_connections_of_its_own(server: LocalServer) -> None:
    assert ("['parent', 'child']\n", "") == program(FORK, f"{server.url}/conversations/v2")


@pytest.mark.parametrize(
    ("names", "absent"),
    [
        ("Conversations, record", "aiohttp"),
        ("AsyncConversations, record", "requests"),
        ("types, exceptions, webhooks", "requests aiohttp tenacity"),
    ],
)
def test_a_face_loads_its_own_library_only(names: str, absent: str) -> None:
    text = f"import sys; from mindlytics.antonnia import {names}; print({{*sys.modules}} & {{*'{absent}'.split()}})"
    assert ("set()\n", "") == program(text)
