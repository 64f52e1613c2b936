"""The middleware of Flask, ASGI and Django: the session of a request is current while it is served."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import mindlytics

from ..conftest import Face, result
from ..sink import Sink


def record(text: str) -> str:
    """Record a turn in the current session, and return its id."""
    session: Any = mindlytics.current_session()
    if session is None:
        return "none"
    session.track_conversation_turn(user=text, assistant="A")
    return str(session.session_id)


async def events(face: Face, sink: Sink) -> list[dict[str, Any]]:
    for client in face.clients:
        await result(client.flush(20))
    return sink.events


class FlaskSite:
    def __init__(self, **options: Any) -> None:
        flask = pytest.importorskip("flask")
        from mindlytics.integrations.flask import Mindlytics

        app = flask.Flask("app")
        Mindlytics(app, **options)

        @app.get("/stream")
        def stream() -> Any:
            return flask.Response(flask.stream_with_context(record(text) + " " for text in ("a", "b")))

        app.add_url_rule("/<text>", view_func=record)
        self._client = app.test_client(use_cookies=False)

    async def get(self, path: str, **headers: str) -> str:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return str(self._client.get(path, headers=headers).text)


class AsgiSite:
    def __init__(self, **options: Any) -> None:
        starlette = pytest.importorskip("starlette.applications")
        from starlette.responses import PlainTextResponse, StreamingResponse
        from starlette.routing import Route

        from mindlytics.integrations.asgi import MindlyticsMiddleware

        async def stream(_: Any) -> Any:
            async def pieces() -> AsyncIterator[str]:
                for text in ("a", "b"):
                    await asyncio.sleep(0)
                    yield record(text) + " "

            return StreamingResponse(pieces())

        async def one(request: Any) -> Any:
            return PlainTextResponse(record(request.path_params["text"]))

        app = starlette.Starlette(routes=[Route("/stream", stream), Route("/{text}", one)])
        self._app = MindlyticsMiddleware(app, **options)

    async def get(self, path: str, **headers: str) -> str:
        httpx = pytest.importorskip("httpx")
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return str((await client.get(path, headers=headers)).text)


class DjangoSite:
    is_async = False

    def __init__(self, **options: Any) -> None:
        django = pytest.importorskip("django")
        from django.conf import settings
        from django.http import HttpResponse, StreamingHttpResponse
        from django.urls import path

        if not settings.configured:
            settings.configure(
                ROOT_URLCONF="tests_urls",
                ALLOWED_HOSTS=["*"],
                MIDDLEWARE=["mindlytics.integrations.django.MindlyticsMiddleware"],
            )
            django.setup()
        settings.MINDLYTICS = options

        def one(_: Any, text: str) -> Any:
            return HttpResponse(record(text))

        def pieces() -> Iterator[str]:
            for text in ("a", "b"):
                yield record(text) + " "

        async def async_one(_: Any, text: str) -> Any:
            return HttpResponse(record(text))

        async def async_pieces() -> AsyncIterator[str]:
            for text in ("a", "b"):
                await asyncio.sleep(0)
                yield record(text) + " "

        async def async_stream(_: Any) -> Any:
            return StreamingHttpResponse(async_pieces())

        urls: Any = types.ModuleType("tests_urls")
        stream = async_stream if self.is_async else lambda _: StreamingHttpResponse(pieces())
        urls.urlpatterns = [path("stream", stream), path("<text>", async_one if self.is_async else one)]
        sys.modules["tests_urls"] = urls
        from django.test import AsyncClient, Client
        from django.urls import clear_url_caches

        clear_url_caches()
        self._client: Any = AsyncClient() if self.is_async else Client()

    async def get(self, path: str, **headers: str) -> str:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if "Cookie" in headers:
            name, _, value = headers.pop("Cookie").partition("=")
            self._client.cookies[name] = value
        response = await result(self._client.get(path, headers=headers))
        if not response.streaming:
            return str(response.content.decode())
        if hasattr(response.streaming_content, "__aiter__"):
            return b"".join([piece async for piece in response.streaming_content]).decode()
        return b"".join(response.streaming_content).decode()


class AsyncDjangoSite(DjangoSite):
    is_async = True


@pytest.fixture(params=[FlaskSite, AsgiSite, DjangoSite, AsyncDjangoSite])
def site(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_requests_share_a_session_by_header_or_cookie(site: Any, face: Face, sink: Sink) -> None:
    made = site(client=face.client())
    assert "s-1" == await made.get("/one", X_Session_ID="s-1")
    assert "s-1" == await made.get("/two", Cookie="session_id=s-1")
    assert mindlytics.current_session() is None
    found = await events(face, sink)
    assert [("s-1", "one"), ("s-1", "two")] == [(each["session_id"], each["properties"]["user"]) for each in found]
    assert 1 == len({each["conversation_id"] for each in found})


async def test_a_request_without_an_id_has_a_session_that_ends_with_it(site: Any, face: Face, sink: Sink) -> None:
    made = site(client=face.client())
    ids = [await made.get("/one"), await made.get("/two")]
    found = await events(face, sink)
    assert 2 == len({*ids})
    assert [(ids[0], "track"), (ids[0], "end_session"), (ids[1], "track"), (ids[1], "end_session")] == [
        (each["session_id"], each["type"]) for each in found
    ]


async def test_functions_find_session_and_user(site: Any, face: Face, sink: Sink) -> None:
    made = site(client=face.client(), session_id=lambda _: 7, user_id=lambda _: "ada")
    assert "7" == await made.get("/one")
    assert ["ada"] == [each["user_id"] for each in await events(face, sink)]


async def test_a_streamed_body_belongs_to_the_request(site: Any, face: Face, sink: Sink) -> None:
    made = site(client=face.client())
    ids = (await made.get("/stream")).split()
    assert 2 == len(ids)
    assert 1 == len({*ids})
    assert ["track", "track", "end_session"] == [each["type"] for each in await events(face, sink)]


async def test_nothing_is_current_without_a_client(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLSDK_API_KEY", raising=False)
    assert "none" == await site().get("/one", X_Session_ID="s-1")


async def test_a_function_that_fails_fails_no_request(site: Any, face: Face, sink: Sink) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("no")

    made = site(client=face.client(), session_id=fail, user_id=fail)
    assert len(await made.get("/one")) > 30
    assert ["track", "end_session"] == [each["type"] for each in await events(face, sink)]


async def test_two_hundred_requests_at_once_are_kept_apart(site: Any, face: Face) -> None:
    made = site(client=face.client())
    ids = [f"s-{number}" for number in range(200)]
    assert ids == await asyncio.gather(*(made.get("/one", X_Session_ID=id) for id in ids))


class Pieces:
    """A body that knows whether it was closed."""

    is_closed = False

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_body_that_nobody_reads_is_closed_and_ends_the_session(face: Face, sink: Sink, method: str) -> None:
    flask = pytest.importorskip("flask")
    from mindlytics.integrations.flask import Mindlytics

    app, pieces = flask.Flask("app"), Pieces()
    Mindlytics(app, client=face.client())

    @app.get("/stream")
    def stream() -> Any:
        record("Q")
        return flask.Response(pieces)

    response = app.test_client().open("/stream", method=method, buffered=False)
    response.close()
    assert pieces.is_closed
    assert ["track", "end_session"] == [each["type"] for each in await events(face, sink)]


def test_a_file_of_django_is_still_sent_by_the_server(face: Face) -> None:
    DjangoSite(client=face.client())
    from django.http import FileResponse, HttpRequest

    from mindlytics.integrations.django import MindlyticsMiddleware

    with open(__file__, "rb") as file:
        response: Any = MindlyticsMiddleware(lambda _: FileResponse(file))(HttpRequest())
        assert file is response.file_to_stream
        response.close()
