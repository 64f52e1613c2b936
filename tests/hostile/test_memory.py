"""Replies that unpack to gigabytes, or never end: what a program holds stays small, whichever client it uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..programs import run
from .service import Answer, HostileService, endless, gzip_of_zeros, plain

PROGRAM = Path(__file__).parent / "programs" / "one_call.py"
BOMB = gzip_of_zeros(2**30)
ANSWERS: dict[str, Answer] = {
    "a bomb, delivered": plain("200 OK", BOMB, "Content-Encoding: gzip"),
    "a bomb, refused": plain("403 Forbidden", BOMB, "Content-Encoding: gzip"),
    "a bomb in a bomb": plain("200 OK", BOMB, "Content-Encoding: gzip, gzip"),
    "without end": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"[" + b" " * 65535),
}

CALLS = (
    "Client",
    "AsyncClient",
    "a caller's own requests.Session",
    "a caller's own aiohttp.ClientSession",
    "HTTPClient",
    "AsyncHTTPClient",
    "Conversations",
    "AsyncConversations",
    "an own httpx.Client",
    "an own httpx.AsyncClient",
    "live events",
)
"""The calls of ``programs/one_call.py``."""

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
    settings = {"MLSDK_REQUEST_TIMEOUT": "5", "MLSDK_RETRY_FOR": "0", "MLSDK_MAX_RETRY_WAIT": "0.1"}
    where: Any = hostile
    ran = run(where, PROGRAM, CALL=name, **settings)
    assert 0 == ran.returncode, ran.stderr
    asks_for_the_body = name not in ("Client", "AsyncClient", "live events") and "a caller's" not in name
    assert json.loads(ran.stdout) < (LIMIT if asks_for_the_body else 40)
