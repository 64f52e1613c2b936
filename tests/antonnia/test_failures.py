"""What goes wrong: errors of the service, unreadable and missing replies, and what is retried."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from traceback import format_exception
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from mindlytics import MindlyticsError
from mindlytics.antonnia.base import Exchange
from mindlytics.antonnia.exceptions import (
    AntonniaError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
    RateLimitError,
    ValidationError,
)

from ..conftest import entered, result
from ..sink import hang, lose_reply, redirect, reset
from .answers import AGENT, AT, MESSAGE, SCHEDULE, SESSION, says
from .conftest import TOKEN, Face

TEXT = {"type": "text", "text": "Hello"}

READS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "sessions.get": (lambda c: c.sessions.get("s"), SESSION),
    "sessions.update": (lambda c: c.sessions.update("s", {"status": "open"}), SESSION),
    "sessions.search": (lambda c: c.sessions.search(), [SESSION]),
    "messages.get": (lambda c: c.sessions.messages.get("s", "m"), MESSAGE),
    "messages.update": (lambda c: c.sessions.messages.update("s", "m", delivery_status="read"), MESSAGE),
    "messages.search": (lambda c: c.sessions.messages.search("s"), [MESSAGE]),
    "agents.search": (lambda c: c.agents.search(), [AGENT]),
}
ACTS: dict[str, Callable[[Any], Any]] = {
    "sessions.create": lambda c: c.sessions.create("ada", "Ada"),
    "sessions.transfer": lambda c: c.sessions.transfer("s"),
    "sessions.finish": lambda c: c.sessions.finish("s"),
    "sessions.reply": lambda c: c.sessions.reply("s"),
    "sessions.schedule": lambda c: c.sessions.schedule("s", "2030-01-01T00:00Z", {"type": "node", "node_id": "n"}),
    "messages.create": lambda c: c.sessions.messages.create("s", TEXT),
    "agents.create": lambda c: c.agents.create("Ann", "ai", "a"),
    "surveys.reply": lambda c: c.sessions.survey_submissions.reply("s", "x"),
    "surveys.cancel": lambda c: c.sessions.survey_submissions.cancel("s", "x"),
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (404, NotFoundError),
        (422, ValidationError),
        (429, RateLimitError),
        (400, APIError),
        (403, APIError),
        (500, APIError),
        (503, APIError),
    ],
)
async def test_a_status_is_an_error_of_its_kind(face: Face, status: int, kind: type[AntonniaError]) -> None:
    body = {"detail": "no such thing", "more": 1}
    face.sink.always = says(body, status)
    with pytest.raises(MindlyticsError) as raised:
        await result(face.client(max_retries=0).sessions.get("s"))
    assert kind is type(raised.value)
    assert ("no such thing", status, body) == (
        raised.value.message,
        raised.value.status_code,
        raised.value.response_data,
    )


def raising(package: str, face: Face) -> Any:
    """A client of the caller's own that raises for bad statuses."""

    def of_requests(reply: requests.Response, **_: Any) -> None:
        reply.raise_for_status()

    def of_httpx(reply: httpx.Response) -> None:
        reply.raise_for_status()

    async def of_async_httpx(reply: httpx.Response) -> None:
        await reply.aread()
        reply.raise_for_status()

    if package == "httpx":
        if face.is_async:
            return httpx.AsyncClient(event_hooks={"response": [of_async_httpx]})
        return httpx.Client(event_hooks={"response": [of_httpx]})
    if face.is_async:
        return aiohttp.ClientSession(raise_for_status=True)
    session = requests.Session()
    session.hooks["response"].append(of_requests)
    return session


@pytest.mark.parametrize("package", ["of the face", "httpx"])
async def test_a_status_is_an_error_of_its_kind_where_an_own_client_raises_for_it(face: Face, package: str) -> None:
    face.sink.faults(says({"detail": "busy"}, 503, Retry_After="0"), says({"detail": "no such thing"}, 404))
    async with entered(raising(package, face)) as own:
        with pytest.raises(NotFoundError) as raised:
            await result(face.client(http_client=own).sessions.get("s"))
    unread = package == "httpx" and not face.is_async  # its hook has not read it
    assert ("status 404" if unread else "no such thing") == raised.value.message
    assert 2 == len(face.sink.requests)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"detail": [{"loc": ["body", "role"], "msg": "Required", "input": "hush"}]},
            "body.role: Required",
        ),
        ({"detail": [{"msg": "odd"}, {"loc": ["a"], "msg": "b"}]}, "odd; a: b"),
        ({"message": "of a proxy"}, "of a proxy"),
        ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        ("", "status 400"),
        ([1], "[1]"),
    ],
)
async def test_the_message_is_the_detail_or_what_there_is(face: Face, body: Any, words: str) -> None:
    face.sink.faults(says(body, 400))
    with pytest.raises(APIError) as raised:
        await result(face.client().sessions.get("s"))
    assert words == raised.value.message
    assert (body if isinstance(body, dict) else {}) == raised.value.response_data


async def test_a_rate_limit_says_how_long(face: Face) -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    face.sink.faults(
        says({"detail": "slowly", "retry_after": 7}, 429, Retry_After="3"),
        says({"detail": "slowly"}, 429, Retry_After="3"),
        says("slowly", 429, Retry_After=soon),
        says({}, 429),
    )
    waits = []
    client = face.client(max_retries=0)
    for _ in range(4):
        with pytest.raises(RateLimitError) as raised:
            await result(client.sessions.get("s"))
        waits.append(raised.value.retry_after)
    assert [7, 3, None] == [waits[0], waits[1], waits[3]]
    assert 60 < waits[2] <= 90


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html>all is well</html>", "the reply is not JSON: 24 bytes"),
        ("", "the reply is not JSON: 0 bytes"),
        ({"id": "s"}, "the reply is not as expected: contact_id is missing"),
        ([], "the reply is not as expected: the JSON must be an object, got list"),
        ({**SESSION, "created_at": "yesterday"}, "created_at must be an ISO 8601 date and time"),
    ],
)
async def test_a_reply_that_cannot_be_read_is_reported(face: Face, body: Any, words: str) -> None:
    face.sink.faults(says(body))
    with pytest.raises(APIError) as raised:
        await result(face.client().sessions.get("s"))
    assert words in raised.value.message
    assert 200 == raised.value.status_code


async def test_a_reply_other_than_json_is_quoted_nowhere_but_in_its_place(face: Face) -> None:
    body = json.dumps({**SESSION, "metadata": {"note": "my address is"}})[:-1]
    face.sink.faults(says(body), says(body + " " * 600 + "!"))
    for _ in range(2):
        with pytest.raises(APIError) as raised:
            await result(face.client().sessions.get("s"))
        assert "address" not in "".join(format_exception(raised.value))
        assert body == raised.value.response_text.strip()


async def test_what_python_writes_as_json_is_read(face: Face) -> None:
    metadata = {"score": math.nan, "most": -math.inf, "note": "half a \ud83d"}
    face.sink.faults(says({**SESSION, "metadata": metadata}), says({"detail": "no", "score": math.nan}, 422))
    session = await result(face.client().sessions.get("s"))
    assert {"score": None, "most": None, "note": "half a \ud83d"} == session.metadata
    with pytest.raises(ValidationError) as raised:
        await result(face.client().sessions.get("s"))
    assert ("no", {"detail": "no", "score": None}) == (raised.value.message, raised.value.response_data)


async def test_a_reply_other_than_a_list_is_an_error(face: Face) -> None:
    face.sink.faults(says({"sessions": []}))
    with pytest.raises(APIError, match="must be a list, got dict"):
        await result(face.client().sessions.search())


@pytest.mark.parametrize("name", READS)
async def test_what_is_safe_to_repeat_is_tried_again(face: Face, name: str) -> None:
    call, answer = READS[name]
    face.sink.faults(reset, says({"detail": "busy"}, 503), says(answer))
    returned = await result(call(face.client()))
    assert 3 == len(face.sink.requests)
    assert [r.body for r in face.sink.requests[1:]] == [r.body for r in face.sink.requests[:-1]]
    assert (answer if isinstance(answer, dict) else answer[0])["id"] == (
        returned[0] if isinstance(returned, list) else returned
    ).id


@pytest.mark.parametrize("fault", [reset, lose_reply, says("", 429), says("", 408), says("", 500)])
async def test_tries_come_to_an_end(face: Face, fault: Any) -> None:
    face.sink.always = fault
    with pytest.raises(AntonniaError):
        await result(face.client().sessions.search())
    assert 3 == len(face.sink.requests)
    with pytest.raises(AntonniaError):
        await result(face.client(max_retries=0).sessions.search())
    assert 4 == len(face.sink.requests)


@pytest.mark.parametrize("name", ACTS)
async def test_what_acts_is_sent_once(face: Face, name: str) -> None:
    client = face.client()
    for fault in (lose_reply, says({"detail": "busy"}, 503), says({"detail": "slowly"}, 429)):
        face.sink.faults(fault)
        with pytest.raises(AntonniaError):
            await result(ACTS[name](client))
    assert 3 == len(face.sink.requests)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda c: c.sessions.create("ada", "Ada", idempotency_key="k"), SESSION),
        (lambda c: c.sessions.messages.create("s", TEXT, idempotency_key="k"), MESSAGE),
        (lambda c: c.agents.create("Ann", "ai", "a", idempotency_key="k"), AGENT),
        (lambda c: c.sessions.schedule("s", AT, {"type": "node", "node_id": "n"}, idempotency_key="k"), SCHEDULE),
    ],
)
async def test_with_a_key_what_creates_is_tried_again(face: Face, call: Any, answer: Any) -> None:
    face.sink.faults(lose_reply, says({"detail": "busy"}, 503), says(answer))
    assert answer["id"] == (await result(call(face.client()))).id
    assert ["k", "k", "k"] == [request.key for request in face.sink.requests]


@pytest.mark.parametrize("host", ["127.0.0.1", "nobody.invalid"])
async def test_what_creates_is_tried_again_where_nothing_was_sent(face: Face, unused_port: int, host: str) -> None:
    client = face.client(f"http://{host}:{unused_port}", trust_env=False)
    judged = []
    with pytest.MonkeyPatch.context() as patch:
        judge = Exchange.judge
        patch.setattr(Exchange, "judge", lambda self, reply: (judged.append(reply), judge(self, reply))[1])
        with pytest.raises(APIConnectionError, match=f"no reply from http://{host}") as raised:
            await result(client.sessions.create("ada", "Ada"))
    assert [True, True, True] == [reply.unsent for reply in judged]
    assert raised.value.status_code is None


async def test_retry_after_is_honoured(face: Face) -> None:
    face.sink.faults(says({"detail": "busy"}, 503, Retry_After="1"), says(SESSION))
    assert "sess_1" == (await result(face.client().sessions.get("s"))).id
    first, second = face.sink.requests
    assert second.at - first.at >= 1


async def test_a_longer_wait_than_a_minute_is_left_to_the_caller(face: Face) -> None:
    face.sink.always = says({"detail": "tomorrow"}, 429, Retry_After="86400")
    with pytest.raises(RateLimitError) as raised:
        await result(face.client().sessions.get("s"))
    assert (86400, 1) == (raised.value.retry_after, len(face.sink.requests))


async def test_time_is_up(face: Face) -> None:
    face.sink.always = hang
    with pytest.raises(APITimeoutError, match="timed out"):
        await result(face.client(timeout=1, max_retries=1).sessions.get("s"))
    assert 2 == len(face.sink.requests)


async def test_a_deletion_whose_reply_was_lost_is_done(face: Face) -> None:
    if face.is_async and "_retry_connection" not in aiohttp.ClientSession.ATTRS:
        pytest.skip("this aiohttp repeats deletions by itself and cannot be told not to")
    face.sink.faults(lose_reply, says({"detail": "agent not found"}, 404))
    assert (await result(face.client().agents.delete("a"))) is None
    face.sink.faults(says({"detail": "agent not found"}, 404))
    with pytest.raises(NotFoundError):
        await result(face.client().agents.delete("a"))


async def test_the_token_follows_no_redirect(face: Face) -> None:
    face.sink.faults(redirect("http://127.0.0.2:9/elsewhere"))
    with pytest.raises(APIError, match=r"redirected to http://127.0.0.2:9/elsewhere, which is not followed"):
        await result(face.client().sessions.get("s"))
    assert 1 == len(face.sink.requests)


async def test_a_redirect_to_nowhere_is_reported(face: Face) -> None:
    face.sink.faults(redirect("http://[x/y"))
    with pytest.raises(APIError, match=r"redirected to http://\[x/y, which is not followed"):
        await result(face.client().sessions.get("s"))
    assert 1 == len(face.sink.requests)


async def test_a_retry_after_that_cannot_be_read_is_none(face: Face) -> None:
    face.sink.faults(says({"detail": "busy"}, 429, Retry_After="Sun, 06 Nov 99999 08:49:37 GMT"), says(SESSION))
    assert "sess_1" == (await result(face.client().sessions.get("s"))).id


async def test_the_token_appears_nowhere(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client = face.client(max_retries=0)
    texts = [repr(client), str(vars(client)), repr(client.sessions)]
    for fault in (says({"detail": "no"}, 401), reset, says("?")):
        face.sink.faults(fault)
        with pytest.raises(AntonniaError) as error:
            await result(client.sessions.get("s"))
        texts += [repr(error.value), str(error.value), repr(vars(error.value))]
    texts.append(caplog.text)
    assert [] == [text for text in texts if TOKEN in text]
