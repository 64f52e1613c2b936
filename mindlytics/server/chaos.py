"""Misbehaviour on demand, to test that programs survive it: a text says what goes wrong, and how often.

``429:20%,latency:50ms`` answers one request in five with 429, and delays all of them. :func:`parse` reads such a text,
and :class:`Chaos` applies it to each request. You give the text at the start, or by a request while the server runs.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, TypedDict

from aiohttp import web
from attrs import Factory, frozen
from msgspec import Meta

from ..errors import MindlyticsError
from .http import Handler, Problem, accepts_any_key, bearer, body_of, is_own, is_super, reply
from .routes import Route

CHAOS_PATH = "/_chaos"
UNTOUCHED = (CHAOS_PATH, "/healthz")
"""Requests to these paths always work, so that you can check a misbehaving server and stop the chaos."""

RESET, LOSE_ACK, TRUNCATE = "reset", "lose-ack", "truncate"
LATENCY, SEED = "latency", "seed"

MAX_LATENCY = 60.0
"""Seconds."""

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
_SECONDS = re.compile(r"(\d{1,5}(?:\.\d{1,6})?)(ms|s)", re.ASCII)
_SEED = re.compile(r"\d{1,18}", re.ASCII)
_STATUS = re.compile(r"[45]\d\d", re.ASCII)
_RST = struct.pack("ii", 1, 0)


class InvalidChaos(MindlyticsError, ValueError):
    """A text that does not describe chaos.

    :param item: the wrong part of it.
    :param rule: what it must be.
    """

    def __init__(self, item: str, rule: str) -> None:
        self.item = item
        super().__init__(f"chaos: {item or 'an empty item'}: {rule}")


@frozen
class Plan:
    """What goes wrong.

    :param text: the text that describes it. Empty: nothing goes wrong.
    :param shares: the percentage of requests for each fault.
    :param latency: seconds for which each request waits.
    :param seed: the random seed. The same series of requests meets the same faults.
    """

    text: str = ""
    shares: Mapping[str, float] = Factory(dict)
    latency: float = 0.0
    seed: int = 0


def parse(text: str) -> Plan:
    """Read a text such as ``429:20%,503:5%,latency:2s,reset:1%,lose-ack:5%,truncate:1%,seed:7``.

    :raises InvalidChaos: an item breaks a rule. The message names both.
    """
    text = text.strip()
    shares: dict[str, float] = {}
    latency, seed = 0.0, 0
    seen = set()
    for item in map(str.strip, text.split(",") if text else ()):
        name, _, value = item.partition(":")
        if name in seen:
            raise InvalidChaos(item, f"{name} must be there once")
        seen.add(name)
        if name == LATENCY:
            latency = _latency(item, value)
        elif name == SEED:
            if not _SEED.fullmatch(value):
                raise InvalidChaos(item, "a seed must be a whole number of 18 digits at most")
            seed = int(value)
        elif name in (RESET, LOSE_ACK, TRUNCATE) or _STATUS.fullmatch(name):
            shares[name] = _share(item, value)
        else:
            raise InvalidChaos(
                item, f"must begin with a status from 400 to 599, {RESET}, {LOSE_ACK}, {TRUNCATE}, {LATENCY} or {SEED}"
            )
    total = round(sum(shares.values()), 6)
    if total > 100:
        raise InvalidChaos(text, f"all shares together must be at most 100%, not {total:g}%")
    return Plan(text, shares, latency, seed)


def _share(item: str, value: str) -> float:
    found = _PERCENT.fullmatch(value)
    if found is None or float(found[1]) > 100:
        raise InvalidChaos(item, "a share must be from 0% to 100%, as in 2.5%")
    return float(found[1])


def _latency(item: str, value: str) -> float:
    found = _SECONDS.fullmatch(value)
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else -1.0
    if not 0 <= seconds <= MAX_LATENCY:
        raise InvalidChaos(item, f"latency must be from 0s to {MAX_LATENCY:g}s, as in 2s or 50ms")
    return seconds


class Chaos:
    """Applies faults to a server's requests, and counts them."""

    def __init__(self, text: str = "") -> None:
        self.plan = parse(text)
        self._begin()

    def _begin(self) -> None:
        self._random = random.Random(self.plan.seed)
        self._requests = 0
        self._met: Counter[str] = Counter()

    @web.middleware
    async def misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on to its handler, or apply a fault."""
        if not self.plan.text or request.path in UNTOUCHED:
            return await handler(request)
        fate = self._fate()
        if self.plan.latency:
            await asyncio.sleep(self.plan.latency)
        if fate is None:
            return await handler(request)
        if fate == RESET or (fate in (LOSE_ACK, TRUNCATE) and "Upgrade" in request.headers):
            return _reset(request)
        if fate == LOSE_ACK:
            await handler(request)
            return _reset(request)
        if fate == TRUNCATE:
            return await _truncated(request, await handler(request))
        return reply({"error": "chaos", "message": f"chaos makes this server answer with {fate} at times"}, int(fate))

    def _fate(self) -> str | None:
        """The fault for the next request, if any."""
        self._requests += 1
        drawn = self._random.random() * 100
        for fate, share in self.plan.shares.items():
            drawn -= share
            if drawn < 0:
                self._met[fate] += 1
                return fate
        return None

    # -- requests about it

    def show(self) -> ChaosState:
        """The text, the number of requests since it was set, and the number of each fault."""
        return {"chaos": self.plan.text, "requests": self._requests, "met": dict(self._met)}

    async def change(self, request: web.Request) -> ChaosState:
        """Set another text, and reset the counts."""
        try:
            self.plan = parse((await body_of(request)).decode())
        except UnicodeDecodeError:
            raise Problem(400, "invalid chaos", "the body must be text in UTF-8", field="body") from None
        except InvalidChaos as error:
            raise Problem(400, "invalid chaos", str(error), field=error.item) from None
        self._begin()
        return self.show()


CHAOS: web.AppKey[Chaos] = web.AppKey("chaos", Chaos)


class ChaosState(TypedDict):
    """What goes wrong, and how often it did."""

    chaos: str
    requests: int
    met: dict[str, int]


async def show(request: web.Request) -> ChaosState:
    """What goes wrong, and how often it did."""
    return request.app[CHAOS].show()


async def change(request: web.Request) -> ChaosState:
    """Have something go wrong from now on, or nothing."""
    return await request.app[CHAOS].change(request)


async def own_key(request: web.Request) -> None:
    """Check the key if the server requires one. Issued keys are not enough.

    :raises Problem: 401 or 403.
    """
    key = bearer(request)
    if accepts_any_key(request) or is_own(request, key) or is_super(request, key):
        return
    if not key:
        raise Problem(401, "unauthorized", "the header Authorization must hold the server's own key")
    raise Problem(403, "forbidden", "only a key that the server was started with can change its behaviour")


def _reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        transport.abort()
    return web.Response()  # goes nowhere


async def _truncated(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send the first half of an answer, and close the connection."""
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes):
        return _reset(request)
    half = web.StreamResponse(status=response.status, headers=response.headers)
    half.content_length = len(body)
    with suppress(ConnectionError):  # the client has left
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


ChaosText = Annotated[str, Meta(examples=["429:20%,latency:50ms", ""])]
ROUTES = (
    Route("GET", CHAOS_PATH, show, credentials=own_key),
    Route("PUT", CHAOS_PATH, change, credentials=own_key, body=ChaosText, takes="text/plain"),
)
