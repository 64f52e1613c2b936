"""What all routes of the local server share: credentials, bodies in, JSON out, errors as JSON.

``app.py`` lists the routes.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from sqlalchemy import select

from ..errors import InvalidEvent, MindlyticsError
from ..transport.body import too_long, unpack
from ..transport.limit import timeout
from .decoding import RefusedEvent
from .idempotency import RequestKey, ReusedKey
from .parameters import MAX_HEADER
from .query import InvalidQuery
from .schema import orgkeys
from .store import Store
from .unavailable import RETRY_SECONDS, Unavailable
from .users import UnknownUser

MAX_BODY = 1024 * 1024
"""Bytes. A longer body is answered with 413."""

CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
"""The encodings of a body that are unpacked step by step, within a limit."""

BODY_SECONDS = 60
"""Seconds in which a whole body has to come. Otherwise the answer is 408."""

MAX_LINE = 64 * 1024
"""Bytes of an address with its query, or of one header. A longer one is answered with 400."""

HEADER_RULE = f"1 to {MAX_HEADER} printable characters"
KEY_RULE = f"{HEADER_RULE} without spaces"

ANY_KEY = "local"
"""The organization behind every key, if the server accepts any key."""

STORE: web.AppKey[Store] = web.AppKey("store", Store)
API_KEY: web.AppKey[str] = web.AppKey("api_key", str)
SUPER_KEY: web.AppKey[str] = web.AppKey("super_key", str)

logger = logging.getLogger("mindlytics.server")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Caller(NamedTuple):
    """The sender of a request. Its key is named by its hash."""

    key_hash: str
    app_id: str


class InvalidKey(MindlyticsError, ValueError):
    """A key for a server that no header could hold."""


class Problem(Exception):
    """A request is answered with an error.

    :param status: the HTTP status.
    :param error: the kind of error, in a word or two.
    :param details: further members of the JSON body.
    """

    def __init__(self, status: int, error: str, message: str, **details: object) -> None:
        self.status = status
        self.body = {"error": error, "message": message, **details}
        super().__init__(message)


async def caller_of(request: web.Request) -> Caller:
    """The credentials of a request.

    :raises Problem: 401 if one is missing, 403 if the key is rejected.
    """
    key_hash = await key_of(request)
    app_id = request.headers.get("X-App-ID", "").strip()
    if not app_id:
        raise Problem(401, "unauthorized", "the header X-App-ID must hold a project id")
    check_header("X-App-ID", app_id)
    return Caller(key_hash, app_id)


async def key_of(request: web.Request) -> str:
    """The hash of a request's API key.

    A server that was started without a key and super key accepts any key, and treats all as the same one, so that
    programs with different keys share their data. Otherwise it accepts its own key and issued ones (``keys.py``).

    :raises Problem: 401 if there is none, 403 if it is rejected.
    """
    key = bearer(request)
    if not key:
        raise Problem(401, "unauthorized", "the header Authorization must hold an API key")
    check_header("Authorization", key)
    accepts_any = accepts_any_key(request)
    key_hash = request.app[STORE].hashed(ANY_KEY if accepts_any else key)
    if accepts_any or is_own(request, key):
        return key_hash
    if is_super(request, key):
        raise Problem(403, "forbidden", "the super key manages keys, and reads and writes nothing else")
    if not await is_issued(request, key_hash):
        raise Problem(403, "forbidden", "no organization has this API key")
    return key_hash


def accepts_any_key(request: web.Request) -> bool:
    """Whether the server was started without a key and super key."""
    return not (request.app[API_KEY] or request.app[SUPER_KEY])


def is_own(request: web.Request, key: str) -> bool:
    """Whether it is the API key that the server was started with."""
    own_key = request.app[API_KEY]
    return bool(own_key) and same(own_key, key)


def is_super(request: web.Request, key: str) -> bool:
    """Whether it is the key that manages all keys."""
    super_key = request.app[SUPER_KEY]
    return bool(super_key) and same(super_key, key)


async def is_issued(request: web.Request, key_hash: str) -> bool:
    """Whether it is the hash of an issued key (``keys.py``)."""
    query = select(orgkeys.c.seq).where(orgkeys.c.hash == key_hash, orgkeys.c.issued == 1)
    return await request.app[STORE].look_up(query) is not None


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, compared in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def bearer(request: web.Request) -> str:
    """The content of the header Authorization, without the word ``Bearer``, or an empty text."""
    header = request.headers.get("Authorization", "").strip()
    token = header[7:].strip() if header[:7].lower() == "bearer " else header
    return "" if token.lower() == "bearer" else token


def fits_header(text: str) -> bool:
    """Whether a text may be an app id or an Idempotency-Key."""
    return 0 < len(text) <= MAX_HEADER and text.isprintable()


def is_key(text: str) -> bool:
    """Whether a text may be an API key."""
    return fits_header(text) and " " not in text


def check_key(name: str, key: str | None) -> None:
    """Check a key for a server, or None.

    :raises InvalidKey: it is empty, too long, or holds characters that a header cannot hold.
    """
    if key is not None and not is_key(key):
        raise InvalidKey(f"the {name} must be {KEY_RULE}" if key else f"the {name} is empty")


def check_header(name: str, value: str) -> None:
    """Refuse a header that is empty, too long or not a text.

    :raises Problem: 400.
    """
    if not fits_header(value):
        raise Problem(400, "invalid header", f"{name} must be {HEADER_RULE}", field=name)


async def body_of(request: web.Request) -> bytes:
    """The unpacked body of a request, of at most ``MAX_BODY`` bytes.

    Call it after checking the credentials. aiohttp would unpack the body of anyone while it reads, and some codings
    turn kilobytes into gigabytes in one step. So it is unpacked here, within the limit.

    :raises Problem: 400 if it is incomplete or contradicts its headers.
    :raises web.HTTPException: 413 if it is too long, 408 if it does not come.
    """
    length, coding = request.content_length or 0, request.headers.get("Content-Encoding", "").strip().lower()
    if length > MAX_BODY:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY, length)
    if coding not in CODINGS:
        raise Problem(400, "invalid body", "Content-Encoding must be gzip or deflate")
    try:
        async with timeout(BODY_SECONDS):
            body = await request.read()
    except asyncio.TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise Problem(400, "invalid body", "the body is not encoded as its headers say") from None
    except ConnectionError:  # the client is gone, which is no error of the server
        raise Problem(400, "invalid body", "the body broke off") from None
    unpacked, wrong = unpack(body, coding, MAX_BODY)
    if len(body) > MAX_BODY or wrong == too_long(MAX_BODY):  # aiohttp's own limit is a byte lower in some versions
        raise web.HTTPRequestEntityTooLarge(MAX_BODY, len(body))
    if wrong:
        raise Problem(400, "invalid body", "the body is not encoded as its headers say")
    return unpacked


def request_key(request: web.Request, key: str | None, body: bytes) -> RequestKey | None:
    """The key under which a request is remembered: its Idempotency-Key together with its address, hashed, or None."""
    if key is None:
        return None
    name = request.app[STORE].hashed(f"{request.method} {request.rel_url.raw_path} {key}")
    return RequestKey(name, blake2b(body, digest_size=16).digest())


async def json_body(request: web.Request) -> object:
    """The JSON in the body of a request.

    :raises Problem: 400 if it is not JSON, is incomplete, or contradicts its headers.
    """
    return json_of(await body_of(request))


def json_of(body: bytes) -> object:
    """Parse a body.

    :raises Problem: 400 if it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "invalid JSON", f"the body is not JSON: {error}") from None


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body of a request that must be a JSON object.

    :raises InvalidEvent: it is another value.
    """
    parsed = await json_body(request)
    if not isinstance(parsed, dict):
        raise InvalidEvent("body", "a JSON object", parsed)
    return parsed


def reply(content: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def unavailable(error: Unavailable, **details: object) -> web.Response:
    """The answer to a request while the store is unavailable."""
    response = reply({"error": "unavailable", "message": str(error), **details}, 503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn any exception of a handler into a status and a JSON object with ``error`` and ``message``."""
    try:
        return await handler(request)
    except Problem as problem:
        return reply(problem.body, problem.status)
    except RefusedEvent as refused:
        cause = refused.cause
        message = f"event {refused.index}: {cause}"
        body = {"error": "invalid event", "index": refused.index, "field": cause.field, "message": message}
        return reply(body, 400)
    except InvalidEvent as error:
        return reply({"error": "invalid event", "field": error.field, "message": str(error)}, 400)
    except InvalidQuery as error:
        return reply({"error": "invalid query", "field": error.parameter, "message": str(error)}, 400)
    except ReusedKey as error:
        return reply({"error": "reused key", "field": "Idempotency-Key", "message": str(error)}, 422)
    except Unavailable as error:
        return unavailable(error)
    except UnknownUser as error:
        return reply({"error": "not found", "field": "previous_id", "message": str(error)}, 404)
    except web.HTTPRequestEntityTooLarge:
        return reply({"error": "too large", "message": f"the body must be at most {MAX_BODY} bytes"}, 413)
    except web.HTTPException as error:
        message = f"{request.method} {request.path[:200]}: {error.reason}"
        response = reply({"error": error.reason.lower(), "message": message}, error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        logger.exception("%s failed", request.path)
        return reply({"error": "internal error", "message": "the server failed; its log says why"}, 500)
