"""Makes one call of the kind that CALL names. Prints by how many MiB the peak of the memory rose."""

import asyncio
import contextlib
import inspect
import json
import os
import resource

import aiohttp
import httpx
import requests

import mindlytics.transport.asyncio
import mindlytics.transport.blocking  # noqa: F401  its imports must not count
from mindlytics import AsyncClient, AsyncHTTPClient, Client, HTTPClient, LiveError
from mindlytics.antonnia import AsyncConversations, Conversations
from mindlytics.antonnia.exceptions import AntonniaError

URL = os.environ["MLSDK_SERVER_BASE"]


def client() -> None:
    with Client(flush_interval=0) as client:
        client.create_session(id="u").track_event(event="e")
        client.flush(20)


async def async_client() -> None:
    async with AsyncClient(flush_interval=0) as client:
        await client.create_session(id="u").track_event(event="e")
        await client.flush(20)


def requests_session() -> None:
    with requests.Session() as own, Client(flush_interval=0, http_client=own) as client:
        client.create_session(id="u").track_event(event="e")
        client.flush(20)


async def aiohttp_session() -> None:
    async with aiohttp.ClientSession() as own, AsyncClient(flush_interval=0, http_client=own) as client:
        await client.create_session(id="u").track_event(event="e")
        await client.flush(20)


def http_client() -> None:
    with HTTPClient() as http:
        http.send_request(method="GET", url="/x")


async def async_http_client() -> None:
    async with AsyncHTTPClient() as http:
        await http.send_request(method="GET", url="/x")


def conversations() -> None:
    with Conversations("t", URL, max_retries=0) as api, contextlib.suppress(AntonniaError):
        api.sessions.get("s")


async def async_conversations() -> None:
    async with AsyncConversations("t", URL, max_retries=0) as api:
        with contextlib.suppress(AntonniaError):
            await api.sessions.get("s")


def httpx_client() -> None:
    with (
        httpx.Client() as own,
        Conversations("t", URL, http_client=own, max_retries=0) as api,
        contextlib.suppress(AntonniaError),
    ):
        api.sessions.get("s")


async def httpx_async_client() -> None:
    async with httpx.AsyncClient() as own, AsyncConversations("t", URL, http_client=own, max_retries=0) as api:
        with contextlib.suppress(AntonniaError):
            await api.sessions.get("s")


def live_events() -> None:
    with Client() as client, contextlib.suppress(LiveError):
        client.start_listening(print)


CALLS = {
    "Client": client,
    "AsyncClient": async_client,
    "a caller's own requests.Session": requests_session,
    "a caller's own aiohttp.ClientSession": aiohttp_session,
    "HTTPClient": http_client,
    "AsyncHTTPClient": async_http_client,
    "Conversations": conversations,
    "AsyncConversations": async_conversations,
    "an own httpx.Client": httpx_client,
    "an own httpx.AsyncClient": httpx_async_client,
    "live events": live_events,
}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


call = CALLS[os.environ["CALL"]]
before = peak()
if inspect.iscoroutinefunction(call):
    asyncio.run(call())
else:
    call()
print(json.dumps(peak() - before))
