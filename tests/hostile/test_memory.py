"""Replies that unpack to gigabytes, or never end: what a program holds stays small, whichever client it uses."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from ..programs import environment
from .service import Answer, HostileService, endless, gzip_of_zeros, plain

BOMB = gzip_of_zeros(2**30)
ANSWERS: dict[str, Answer] = {
    "a bomb, delivered": plain("200 OK", BOMB, "Content-Encoding: gzip"),
    "a bomb, refused": plain("403 Forbidden", BOMB, "Content-Encoding: gzip"),
    "a bomb in a bomb": plain("200 OK", BOMB, "Content-Encoding: gzip, gzip"),
    "without end": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"[" + b" " * 65535),
}

CALLS = {
    "Client": """
        with Client(flush_interval=0) as client:
            client.create_session(id="u").track_event(event="e")
            client.flush(20)
    """,
    "AsyncClient": """
        async def main():
            async with AsyncClient(flush_interval=0) as client:
                await client.create_session(id="u").track_event(event="e")
                await client.flush(20)
        asyncio.run(main())
    """,
    "a caller's own requests.Session": """
        import requests
        with requests.Session() as own, Client(flush_interval=0, http_client=own) as client:
            client.create_session(id="u").track_event(event="e")
            client.flush(20)
    """,
    "a caller's own aiohttp.ClientSession": """
        import aiohttp
        async def main():
            async with aiohttp.ClientSession() as own, AsyncClient(flush_interval=0, http_client=own) as client:
                await client.create_session(id="u").track_event(event="e")
                await client.flush(20)
        asyncio.run(main())
    """,
    "HTTPClient": """
        with HTTPClient() as http: http.send_request(method="GET", url="/x")
    """,
    "AsyncHTTPClient": """
        async def main():
            async with AsyncHTTPClient() as http: await http.send_request(method="GET", url="/x")
        asyncio.run(main())
    """,
    "Conversations": """
        from mindlytics.antonnia import Conversations, exceptions
        with Conversations("t", URL, max_retries=0) as api, contextlib.suppress(exceptions.AntonniaError):
            api.sessions.get("s")
    """,
    "AsyncConversations": """
        from mindlytics.antonnia import AsyncConversations, exceptions
        async def main():
            async with AsyncConversations("t", URL, max_retries=0) as api:
                with contextlib.suppress(exceptions.AntonniaError): await api.sessions.get("s")
        asyncio.run(main())
    """,
    "an own httpx.Client": """
        import httpx
        from mindlytics.antonnia import Conversations, exceptions
        with httpx.Client() as own, Conversations("t", URL, http_client=own, max_retries=0) as api:
            with contextlib.suppress(exceptions.AntonniaError): api.sessions.get("s")
    """,
    "an own httpx.AsyncClient": """
        import httpx
        from mindlytics.antonnia import AsyncConversations, exceptions
        async def main():
            async with httpx.AsyncClient() as own, AsyncConversations("t", URL, http_client=own, max_retries=0) as api:
                with contextlib.suppress(exceptions.AntonniaError): await api.sessions.get("s")
        asyncio.run(main())
    """,
    "live events": """
        with Client() as client, contextlib.suppress(LiveError):
            client.start_listening(print)
    """,
}

PROGRAM = """
import asyncio, contextlib, json, resource, sys
from mindlytics import AsyncClient, AsyncHTTPClient, Client, HTTPClient, LiveError
import mindlytics.antonnia, mindlytics.transport.blocking, mindlytics.transport.asyncio
URL = {url!r}
def call():
{call}
def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = most()
call()
print(json.dumps(most() - before))
"""

LIMIT = 250
"""MiB. A requested body of 64 MiB is read, and is briefly held twice."""


@pytest.fixture
def hostile() -> Iterator[HostileService]:
    made = HostileService()
    yield made
    made.close()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", CALLS)
def test_a_reply_takes_little_memory(hostile: HostileService, name: str, answer: str) -> None:
    hostile.always = ANSWERS[answer]
    call = textwrap.indent(textwrap.dedent(CALLS[name]), "    ")
    settings = {"MLSDK_REQUEST_TIMEOUT": "5", "MLSDK_RETRY_FOR": "0", "MLSDK_MAX_RETRY_WAIT": "0.1"}
    where: Any = hostile
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(url=hostile.url, call=call)],
        env=environment(where, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 0 == ran.returncode, ran.stderr
    asks_for_the_body = name not in ("Client", "AsyncClient", "live events") and "a caller's" not in name
    assert json.loads(ran.stdout) < (LIMIT if asks_for_the_body else 40)
