"""Who may look at the page: everybody on a server without keys, else who has signed in.

One signs in by an API key, or by the address that ``mindlytics serve`` prints, whose token works once. From then on a
cookie says which key it was. It is signed with the database's own salt, so it holds across restarts, and it ends with
the key. ``guard.py`` has refused pages of other sites before.
"""

from __future__ import annotations

import secrets
import time

from aiohttp import web

from ..http import ANY_KEY, API_KEY, STORE, accepts_any_key, is_issued, is_key, is_own, same
from ..store import Store

COOKIE_SECONDS = 7 * 24 * 3600
"""How long one stays signed in."""

MOST_TOKENS = 100


class Tokens:
    """The one-time tokens of one server, each with the key that it stands for, by its hash."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def make(self, key_hash: str) -> str:
        """Make a token for the page."""
        if len(self._keys) >= MOST_TOKENS:
            del self._keys[next(iter(self._keys))]
        token = secrets.token_urlsafe(24)
        self._keys[token] = key_hash
        return token

    def take(self, token: str) -> str | None:
        """The hash of the key that a token stands for, once."""
        return self._keys.pop(token, None)


TOKENS: web.AppKey[Tokens] = web.AppKey("page_tokens", Tokens)


def page_address(app: web.Application, url: str) -> str:
    """The address of the page, with a token if the server has an API key of its own."""
    return f"{url}/?token={app[TOKENS].make(app[STORE].hashed(app[API_KEY]))}" if app[API_KEY] else f"{url}/"


async def looker(request: web.Request) -> str | None:
    """The hash of the key of who looks, or None if nobody has signed in."""
    if accepts_any_key(request):
        return request.app[STORE].hashed(ANY_KEY)
    key_hash, _, rest = request.cookies.get(cookie_name(request), "").partition(".")
    until, _, signature = rest.partition(".")
    if not same(_sign(request.app[STORE], key_hash, until), signature) or int(until) < time.time():
        return None
    return key_hash if await _is_accepted(request, key_hash) else None


async def check(request: web.Request, key: str) -> str | None:
    """The hash of an API key that was typed in, or None if it is none of this server's."""
    if not is_key(key):
        return None
    key_hash = request.app[STORE].hashed(key)
    return key_hash if is_own(request, key) or await _is_accepted(request, key_hash) else None


def sign_in(request: web.Request, response: web.StreamResponse, key_hash: str) -> None:
    """Give the cookie to who signs in."""
    until = str(int(time.time()) + COOKIE_SECONDS)
    response.set_cookie(
        cookie_name(request),
        f"{key_hash}.{until}.{_sign(request.app[STORE], key_hash, until)}",
        httponly=True,
        samesite="Strict",
        secure=request.secure,
        max_age=COOKIE_SECONDS,
        path="/",
    )


def sign_out(request: web.Request, response: web.StreamResponse) -> None:
    """Take the cookie back."""
    response.del_cookie(cookie_name(request), path="/", httponly=True, samesite="Strict", secure=request.secure)


def cookie_name(request: web.Request) -> str:
    """The name of the cookie. Browsers send a host's cookies to all of its ports, so the port is in the name."""
    return f"mindlytics-{request.url.port}"


def _sign(store: Store, key_hash: str, until: str) -> str:
    return store.hashed(f"page {key_hash} {until}")  # a key has no spaces, so no key has this hash


async def _is_accepted(request: web.Request, key_hash: str) -> bool:
    own = request.app[API_KEY]
    is_own_hash = bool(own) and same(request.app[STORE].hashed(own), key_hash)
    return is_own_hash or await is_issued(request, key_hash)
