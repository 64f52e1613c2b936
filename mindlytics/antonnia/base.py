"""What both faces share: their options, how a call becomes a request, and what its replies mean. The faces wait."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from attrs import Attribute, frozen
from tenacity import RetryCallState

from ..copying import Copied
from ..delivery.reply import MAX_MESSAGE, RETRIED, message, retry_after
from ..delivery.retry import policy
from ..delivery.verdict import Fate, Verdict
from ..errors import InvalidSetting
from ..secret import NO_SECRET, Secret
from ..setting_rules import LONGEST
from ..settings import Settings, check_face
from ..transport import NoReply, Reply
from ..transport.httpx import is_httpx
from .calls import Call
from .codec import Misfit, from_json, parse, to_json
from .exceptions import (
    AntonniaError,
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    NotFoundError,
    RateLimitError,
    ValidationError,
)

BASE_URL = "https://api.antonnia.com"
LONGEST_RETRY_WAIT = 60.0
"""Seconds. If the service asks for a longer wait, the call raises at once, and the error says how long that is."""

_NAMES = {"server_endpoint": "base_url", "request_timeout": "timeout"}
"""The names of settings in this API."""


def _renamed(_: type, attributes: list[Attribute[object]]) -> list[Attribute[object]]:
    """Settings under this API's names. Only arguments set them."""
    return [
        each.evolve(metadata={**each.metadata, "argument": _NAMES.get(each.name), "read": None}) for each in attributes
    ]


@frozen(field_transformer=_renamed)
class _ConversationsSettings(Settings):
    """The package's settings, with this API's names in error messages."""


class BaseConversations(Copied):
    """A client of the Conversations API."""

    _is_async: bool

    def __init__(
        self,
        token: str,
        base_url: str = BASE_URL,
        timeout: float = 60.0,
        http_client: object = None,
        *,
        max_retries: int = 2,
        verify: bool | str = True,
        trust_env: bool = True,
    ) -> None:
        """
        :param token: your API token.
        :param base_url: the address before the paths of the API.
        :param timeout: seconds for one attempt.
        :param http_client: your own ``requests.Session`` or ``httpx.Client`` (asyncio: ``aiohttp.ClientSession`` or
            ``httpx.AsyncClient``). It is used and stays open. A hook of httpx that raises for bad statuses has to read
            the reply first, or the service's message is lost.
        :param max_retries: how often a call that is safe to repeat is retried: without a reply, on 408, 425, 429, 5xx.
        :param verify: TLS verification: True, False, or the path of a CA bundle.
        :param trust_env: take proxies from the environment.
        :raises InvalidSetting: a value breaks a rule (a ``ValueError``).
        """
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidSetting("token must be a str of printable ASCII characters without spaces")
        if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
            raise InvalidSetting("max_retries must be an int of at least 0")
        check_face(http_client, is_async=self._is_async)
        self._max_retries = max_retries
        self._settings = _ConversationsSettings(
            api_key=Secret(token),
            project_id="-",
            server_endpoint=base_url,
            request_timeout=timeout,
            retry_for=LONGEST,
            max_retry_wait=LONGEST_RETRY_WAIT,
            verify=verify,
            trust_env=trust_env,
            http_client=None if is_httpx(http_client) else http_client,
        )
        self._httpx = http_client if is_httpx(http_client) else None
        self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """Make what the face needs."""

    @property
    def base_url(self) -> str:
        """The address before the paths of the API."""
        return self._settings.server_endpoint

    def _copied(self, settings: Settings, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._begin()

    def _settings_of_copy(self) -> Settings:
        return self._settings

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"{type(self).__name__} holds a token and cannot be pickled; make one in each process")

    def __repr__(self) -> str:
        where = self.base_url if "_settings" in vars(self) else "(incomplete)"
        return f"<{type(self).__name__} {where}>"


class Exchange:
    """One call: its request and its replies."""

    def __init__(self, face: BaseConversations, call: Call[object]) -> None:
        settings = face._settings
        bearer = Secret(f"Bearer {settings.api_key.reveal()}")
        headers: dict[str, str | Secret] = {"Authorization": bearer, "Accept": "application/json"}
        body = None
        if call.json is not None:
            headers["Content-Type"] = "application/json"
            body = _encoded(call.json)
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        self.request = call.method, settings.server_endpoint + call.path, body, headers, settings.request_timeout
        self._call = call
        self._settings = settings
        self._max_retries = face._max_retries
        self._attempts = 0
        self._reply: Reply | NoReply = NoReply("not sent")

    def judge(self, reply: Reply | NoReply) -> Verdict:
        """Decide from the reply to one attempt whether to make another."""
        self._reply = reply
        self._attempts += 1
        repeatable = self._call.repeatable or self._call.key is not None
        if isinstance(reply, NoReply):
            again = repeatable or reply.unsent
            return Verdict(Fate.RETRY if again else Fate.REFUSED, stale=reply.stale and not reply.unsent)
        again = repeatable and (reply.status in RETRIED or reply.status >= 500 or bool(reply.problem))
        return Verdict(Fate.RETRY if again else Fate.REFUSED, reply.status, wait=_wait(reply) if again else None)

    def rules(self, sleep: Callable[[float], object]) -> dict[str, Any]:
        """The arguments of ``tenacity.Retrying`` and ``AsyncRetrying``: delivery's policy, with ``max_retries``."""
        rules = policy(self._settings, sleep=sleep, clock=time.monotonic, spent=lambda: 0.0, deadline=lambda: math.inf)

        def stop(state: RetryCallState) -> bool:
            assert state.outcome is not None
            return self._attempts > self._max_retries or (state.outcome.result().wait or 0.0) > LONGEST_RETRY_WAIT

        return {**rules, "stop": stop}

    def answer(self) -> object:
        """The service's answer.

        :raises AntonniaError: the call failed, or there was no reply.
        """
        call, reply = self._call, self._reply
        if isinstance(reply, NoReply):
            kind = APITimeoutError if reply.timed_out else APIConnectionError
            raise kind(f"no reply from {self._settings.server_endpoint} ({reply.cause})")
        if call.method == "DELETE" and reply.status == 404 and self._attempts > 1:
            return None  # an earlier attempt deleted it, and its reply was lost
        if not 200 <= reply.status < 300:
            raise error_of(reply, self._settings.api_key)
        if reply.problem:
            raise APIError(reply.problem, reply.status)
        if call.answer is None:
            return None
        try:
            parsed = parse(reply.body)
        except ValueError:
            text = reply.body.decode("utf-8", "replace").strip()[:MAX_MESSAGE]
            raise APIError(
                f"the reply is not JSON: {len(reply.body)} bytes", reply.status, response_text=text
            ) from None
        if parsed is None:
            return None
        try:
            return from_json(call.answer, parsed)
        except Misfit as error:
            data = parsed if isinstance(parsed, dict) else None
            raise APIError(f"the reply is not as expected: {error}", reply.status, data) from None


def _encoded(body: Mapping[str, object]) -> bytes:
    fields = []
    for name, value in body.items():
        try:
            fields.append(orjson.dumps({name: to_json(value)})[1:-1])
        except (TypeError, RecursionError):
            raise ValidationError(f"{name} must hold only what JSON can hold") from None
    return b"{" + b",".join(fields) + b"}"


_ERRORS: Mapping[int, Callable[[str, int, Mapping[str, object]], AntonniaError]] = {
    401: AuthenticationError,
    404: NotFoundError,
    422: ValidationError,
}


def error_of(reply: Reply, token: Secret = NO_SECRET) -> AntonniaError:
    """The error for a reply."""
    parsed = _json_of(reply)
    data: dict[str, object] = parsed if isinstance(parsed, dict) else {}
    if 300 <= reply.status < 400:
        words = f"redirected to {reply.headers.get('Location', 'nowhere')}, which is not followed"
    else:
        words = token.mask_in(_detail(data.get("detail"))) or message(reply.status, reply.body, token)
    if reply.status == 429:
        return RateLimitError(words, _wait(reply), reply.status, data)
    return _ERRORS.get(reply.status, APIError)(words, reply.status, data)


def _detail(detail: object) -> str:
    """The message in ``detail``: a text, or a list of places and rules. It omits ``input``, which may be private."""
    if isinstance(detail, str):
        return detail
    if not isinstance(detail, list):
        return ""
    messages = []
    for item in detail:
        if isinstance(item, dict) and isinstance(item.get("msg"), str):
            place = item.get("loc")
            where = ".".join(map(str, place)) if isinstance(place, list) else ""
            messages.append(f"{where}: {item['msg']}".lstrip(": "))
    return "; ".join(messages)


def _wait(reply: Reply) -> float | None:
    """Seconds that the service asks to wait: ``retry_after`` of the body, or the header in either form."""
    parsed = _json_of(reply)
    seconds = parsed.get("retry_after") if isinstance(parsed, dict) else None
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0:
        return seconds
    return retry_after(reply.headers, time.time())


def _json_of(reply: Reply) -> object:
    """The JSON of a reply, or None."""
    try:
        return parse(reply.body)
    except ValueError:
        return None
