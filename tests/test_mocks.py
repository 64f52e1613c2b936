"""The faces under the mocking libraries that people test their own programs with."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
import responses
from aioresponses import CallbackResult, aioresponses

from mindlytics import AsyncClient, Client, MLHTTPError

URL = "https://service.example"
QUEUE = f"{URL}/bc/v1/events/queue"
SETTINGS: dict[str, Any] = {"api_key": "k", "project_id": "p", "server_endpoint": URL, "max_retry_wait": 0.01}

# aioresponses 0.7.9 makes replies in a way that aiohttp has not had since 3.14
mockable = tuple(int(part) for part in aiohttp.__version__.split(".")[:2]) < (3, 14)
needs_old_aiohttp = pytest.mark.skipif(not mockable, reason="aioresponses does not know aiohttp 3.14")


@responses.activate
def test_the_blocking_face_under_responses() -> None:
    responses.post(QUEUE, status=503)
    responses.post(QUEUE, json={"status": "ok"})
    responses.post(f"{URL}/bc/v1/user/identify", json={"id": "jj"})
    responses.post(f"{URL}/bc/v1/user/alias", status=404, body="no such user")
    with Client(**SETTINGS) as client, client.create_session(id="jj") as session:
        session.track_event(event="e")
        assert {"id": "jj"} == client.user_identify(id="jj")
        with pytest.raises(MLHTTPError, match="404 - no such user"):
            client.user_alias(id="a", previous_id="b")
    posts = [call.request for call in responses.calls if call.request.url == QUEUE]
    assert ["track", "end_session"] == [event["type"] for event in json.loads(posts[-1].body)]
    assert posts[0].headers["Idempotency-Key"] == posts[1].headers["Idempotency-Key"]


@needs_old_aiohttp
async def test_the_asyncio_face_under_aioresponses() -> None:
    bodies: list[Any] = []

    def take(url: object, **request: Any) -> CallbackResult:
        bodies.append(json.loads(request["data"]))
        return CallbackResult(payload={"status": "ok"})

    with aioresponses() as mocked:
        mocked.post(QUEUE, status=503)
        mocked.post(QUEUE, callback=take)
        mocked.post(f"{URL}/bc/v1/user/identify", payload={"id": "jj"})
        mocked.post(f"{URL}/bc/v1/user/alias", status=404, body="no such user")
        async with AsyncClient(**SETTINGS) as client, client.create_session(id="jj") as session:
            await session.track_event(event="e")
            assert {"id": "jj"} == await client.user_identify(id="jj")
            with pytest.raises(MLHTTPError, match="404 - no such user"):
                await client.user_alias(id="a", previous_id="b")
    assert ["track", "end_session"] == [event["type"] for body in bodies for event in body]
