"""All settings: one frozen class, and the only reader of the environment.

A setting's metadata describes it. The reference page and ``--help`` are made from that. An argument wins over the
environment, and the environment over the default. An argument of None counts as missing.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypedDict
from urllib.parse import urlsplit

from attrs import Attribute, field, fields, frozen

from .errors import DeliveryError, InvalidSetting
from .secret import NO_SECRET, Secret

LONGEST = 1_000_000_000
"""Most seconds for a setting. A longer time is a mistake, and overflows system calls."""

PRODUCTION = "https://app.mindlytics.ai"

LABEL = 100
"""Most characters in the name of an environment or a release."""

LEAST_SPOOL = 1024 * 1024
"""Fewest bytes for a spool."""


REDACTABLE = ("card", "email", "iban", "key", "phone")
"""The kinds of personal data that ``redact`` knows, see ``redaction.py``."""


class Options(TypedDict, total=False):
    """The settings that a client takes as keyword arguments, besides credentials and addresses."""

    flush_interval: float | None
    max_batch_events: int | None
    max_batch_bytes: int | None
    max_queue_events: int | None
    max_queue_bytes: int | None
    on_full: str | None
    block_timeout: float | None
    request_timeout: float | None
    retry_for: float | None
    max_retry_wait: float | None
    shutdown_timeout: float | None
    live_timeout: float | None
    strict: bool | None
    enabled: bool | None
    verify: bool | str | None
    trust_env: bool | None
    http_client: Any
    before_send: Callable[[Any], Any] | None
    content_mode: str | None
    redact: bool | str | re.Pattern[str] | Iterable[str | re.Pattern[str]] | None
    sample_rate: float | None
    environment: str | None
    release: str | None
    flush_on_sigterm: bool | None
    spool: str | os.PathLike[str] | None
    spool_max_bytes: int | None
    spool_max_age: float | None
    spool_sync: float | None
    on_error: Callable[[DeliveryError], Any] | None


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError(text)


def _flag_or_text(text: str) -> bool | str:
    try:
        return _flag(text)
    except ValueError:
        return text


def _wrong(attribute: Attribute[object], rule: str, value: object) -> InvalidSetting:
    shown = repr(value) if isinstance(value, (int, float)) else f"a {type(value).__name__}"
    return InvalidSetting(f"{label(attribute)} must be {rule}, got {shown}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _seconds(_: object, attribute: Attribute[object], value: Any) -> None:
    if not _is_number(value) or not 0 <= value <= LONGEST:
        raise _wrong(attribute, f"a number of seconds from 0 to {LONGEST:_}", value)


def _positive_seconds(_: object, attribute: Attribute[object], value: Any) -> None:
    if not _is_number(value) or not 0 < value <= LONGEST:
        raise _wrong(attribute, f"a number of seconds above 0, up to {LONGEST:_}", value)


def _at_least_one(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(attribute, "an int of at least 1", value)


def _boolean(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, bool):
        raise _wrong(attribute, "True or False", value)


def _callable(_: object, attribute: Attribute[object], value: object) -> None:
    if value is not None and not callable(value):
        raise _wrong(attribute, "a function or None", value)


def _plain_function(self: object, attribute: Attribute[object], value: object) -> None:
    _callable(self, attribute, value)
    if inspect.iscoroutinefunction(value):
        raise InvalidSetting(f"{attribute.name} must be a plain function, not a coroutine function")


def _some_bytes(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < LEAST_SPOOL:
        raise _wrong(attribute, f"an int of at least {LEAST_SPOOL:_}", value)


def _directory(_: object, attribute: Attribute[object], value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value or "\0" in value):
        raise _wrong(attribute, 'the path of a directory or "auto"', value)


def as_directory(value: object) -> Any:
    """The absolute path of a directory. ``"auto"`` is a directory for the state of the user's programs."""
    if value == "auto":
        state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        return os.path.join(state, "mindlytics")
    if isinstance(value, (str, os.PathLike)) and value:
        path = os.fspath(value)
        return os.path.abspath(os.path.expanduser(path)) if isinstance(path, str) else path
    return value


def _share(_: Any, attribute: Attribute[object], value: Any) -> None:
    if not _is_number(value) or not 0 <= value <= 1:
        raise _wrong(attribute, "a number from 0 to 1", value)


def _label(_: object, attribute: Attribute[object], value: object) -> None:
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= LABEL or not value.isprintable()):
        raise _wrong(attribute, f"a str of 1 to {LABEL} printable characters", value)


def as_redact(value: Any) -> object:
    """Patterns and kinds, each once and in one order. True is all kinds, and so is ``"all"``."""
    if value is None or isinstance(value, bool):
        return REDACTABLE if value else ()
    if isinstance(value, str):
        value = [each.strip() for each in value.split(",") if each.strip()]
    elif isinstance(value, re.Pattern):
        value = [value]
    try:
        chosen = list(dict.fromkeys(value))
    except TypeError:
        return value
    patterns = [each for each in chosen if not isinstance(each, str)]
    return (*patterns, *(REDACTABLE if "all" in chosen else sorted(each for each in chosen if isinstance(each, str))))


def _redactable(_: object, attribute: Attribute[object], value: object) -> None:
    rule = f"compiled patterns, or some of {', '.join(REDACTABLE)}, or all"
    if not isinstance(value, tuple):
        raise _wrong(attribute, rule, value)
    for each in value:
        if isinstance(each, re.Pattern) and isinstance(each.pattern, str):
            if each.search(""):
                raise InvalidSetting(f"{label(attribute)} must hold patterns that match no empty text")
        elif each not in REDACTABLE:
            raise InvalidSetting(f"{label(attribute)} must be {rule}")


def _verify(_: object, attribute: Attribute[object], value: object) -> None:
    if not isinstance(value, bool) and not (isinstance(value, str) and os.path.exists(value)):
        raise InvalidSetting(f"{label(attribute)} must be True, False or a CA bundle's path")


def _session(_: object, attribute: Attribute[object], value: object) -> None:
    if value is None:
        return
    is_blocking, is_async = hasattr(value, "mount"), hasattr(value, "__aenter__")
    if not (hasattr(value, "request") and hasattr(value, "close") and is_blocking is not is_async):
        rule = "a requests.Session or an aiohttp.ClientSession"
        raise InvalidSetting(f"{attribute.name} must be {rule}, got a {type(value).__module__}.{type(value).__name__}")


def _one_of(*allowed: str) -> Callable[[object, Attribute[object], object], None]:
    def check(_: object, attribute: Attribute[object], value: object) -> None:
        if value not in allowed:
            raise InvalidSetting(f"{label(attribute)} must be one of {', '.join(allowed)}")

    return check


def _is_one_word(text: str) -> bool:
    """Whether it is free of spaces and control characters."""
    return text.isprintable() and " " not in text


def _stripped(value: object) -> Any:
    """Strip whitespace, which mounted secrets and variables often have at the end."""
    return value.strip() if isinstance(value, str) else value


def _stripped_or_none(value: object) -> object:
    """Strip whitespace. An empty text becomes None."""
    return _stripped(value) or None


def as_secret(value: object) -> object:
    """A text as a :class:`~mindlytics.secret.Secret`, stripped of whitespace. Other values stay as they are."""
    return Secret(value.strip()) if isinstance(value, str) else value


def _credential(_: object, attribute: Attribute[object], value: object) -> None:
    value = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(value, str) or not value.isascii() or not _is_one_word(value):
        rule = "a str of printable ASCII characters without spaces"
        raise InvalidSetting(f"{label(attribute)} must be {rule}")


def _address(*schemes: str) -> Callable[[object, Attribute[object], object], None]:
    def check(_: object, attribute: Attribute[object], value: Any) -> None:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except (ValueError, AttributeError, TypeError):
            usable = False
        if not usable or parts.query or parts.fragment or parts.username is not None or not _is_one_word(value):
            example = f"{schemes[0]}://host[:port][/path]"
            raise InvalidSetting(f"{label(attribute)} must be of the form {example}")

    return check


def _setting(
    default: object, validator: Any, help: str, *, read: object = None, name: str = "", argument: str = "", **more: Any
) -> Any:
    return field(
        default=default,
        validator=validator,
        metadata={"help": help, "read": read, "variable": name, "argument": argument},
        kw_only=True,
        **more,
    )


def credential(help: str, variable: str, **more: Any) -> Any:
    """The field of a key or other credential, which may come from the environment."""
    return _setting("", _credential, help, read=str, name=variable, **more)


def base_address(default: str, variable: str, argument: str = "") -> Any:
    """The field of a service's address.

    :param argument: the name of the argument in the client's signature.
    """
    return _setting(
        default,
        _address("https", "http"),
        "The service's base address.",
        read=str,
        name=variable,
        argument=argument,
        converter=lambda value: _stripped(value).rstrip("/") if isinstance(value, str) else value,
    )


@frozen
class Settings:
    """A client's settings, made by :meth:`load`. Clients of equal settings share one pipeline."""

    service: ClassVar[str] = "mindlytics"
    """The name of the service's folder in a spool."""

    api_key: Secret = credential("The workspace's API key.", "MLSDK_API_KEY", repr=False, converter=as_secret)
    project_id: str = credential("The project that events belong to.", "MLSDK_PROJECT_ID")
    server_endpoint: str = base_address(PRODUCTION, "MLSDK_SERVER_BASE")
    wss_endpoint: str = _setting(
        "",
        lambda self, attribute, value: _address("wss", "ws")(self, attribute, value) if value else None,
        "The address of live events. Default: derived from the base address.",
        read=str,
        name="MLSDK_WSS_ENDPOINT",
        converter=_stripped,
    )
    debug: bool = _setting(False, _boolean, "Log each step to the logger `mindlytics`.", read=_flag)
    flush_interval: float = _setting(0.5, _seconds, "Seconds that an event lingers to be batched, at most.", read=float)
    max_batch_events: int = _setting(500, _at_least_one, "At most so many events in one request.", read=int)
    max_batch_bytes: int = _setting(512 * 1024, _at_least_one, "At most so many bytes in one request's body.", read=int)
    max_queue_events: int = _setting(10_000, _at_least_one, "Events that may be pending at once.", read=int)
    max_queue_bytes: int = _setting(
        64 * 1024 * 1024, _at_least_one, "Bytes of memory that pending events may hold, approximately.", read=int
    )
    on_full: str = _setting(
        "drop_newest",
        _one_of("drop_newest", "drop_oldest", "block"),
        "What happens when too much is pending: `drop_newest`, `drop_oldest`, or `block` the caller for a while.",
        read=str,
    )
    block_timeout: float = _setting(
        1.0, _seconds, 'Seconds that `on_full="block"` waits for room before the event is dropped.', read=float
    )
    request_timeout: float = _setting(10.0, _positive_seconds, "Seconds for one request.", read=float)
    retry_for: float = _setting(
        60.0, _seconds, "Seconds for which a batch is retried, from its first attempt.", read=float
    )
    max_retry_wait: float = _setting(
        30.0, _seconds, "Seconds between two attempts, at most. Also the cap of `Retry-After`.", read=float
    )
    shutdown_timeout: float = _setting(
        5.0,
        _seconds,
        "Seconds that the end of the program, of a session's block or `close()` waits for delivery.",
        read=float,
    )
    live_timeout: float = _setting(
        30.0,
        _seconds,
        "Seconds that the last flush of a session with `on_event` waits for its `Session Ended`.",
        read=float,
    )
    strict: bool = _setting(
        False,
        _boolean,
        "Raise if a conversion loses something of an argument or property value, and for events after `close()`.",
        read=_flag,
    )
    enabled: bool = _setting(
        True,
        _boolean,
        "False: send nothing and need no credentials. Arguments are still checked.",
        read=_flag,
    )
    verify: bool | str = _setting(
        True, _verify, "TLS verification: True, False, or the path of a CA bundle.", read=_flag_or_text
    )
    trust_env: bool = _setting(True, _boolean, "Take proxies from the environment.", read=_flag)
    http_client: Any = _setting(
        None,
        _session,
        "A `requests.Session` or `aiohttp.ClientSession` of your own. The client uses it and leaves it open.",
    )
    before_send: Callable[[Any], Any] | None = _setting(
        None,
        _plain_function,
        "Called with every event before it is sent. Return the event or a changed copy, or None to drop it.",
    )
    content_mode: str = _setting(
        "full",
        _one_of("full", "metadata_only"),
        "`metadata_only` sends the lengths of what was said and of arguments and results instead of the texts.",
        read=str,
    )
    redact: tuple[str | re.Pattern[str], ...] = _setting(
        (),
        _redactable,
        "What is replaced in texts, properties and traits before it leaves: kinds of personal data "
        f"({', '.join(f'`{kind}`' for kind in REDACTABLE)}, or `all`) and compiled patterns of your own.",
        read=str,
        converter=as_redact,
    )
    sample_rate: float = _setting(
        1.0,
        _share,
        "The share of sessions that are recorded, 0 to 1. A session is recorded whole or skipped.",
        read=float,
    )
    environment: str | None = _setting(
        None,
        _label,
        "Where the program runs, such as `production` or `staging`: a property of every event.",
        read=str,
        converter=_stripped_or_none,
    )
    release: str | None = _setting(
        None,
        _label,
        "The version of your program, such as `1.4.2` or a commit: a property of every event.",
        read=str,
        converter=_stripped_or_none,
    )
    flush_on_sigterm: bool = _setting(
        False,
        _boolean,
        "On SIGTERM, deliver what is pending before the former handler is called. "
        "A handler of an event loop's `add_signal_handler` is called at once.",
        read=_flag,
    )
    spool: str | None = _setting(
        None,
        _directory,
        'A directory that keeps events until they are delivered; `"auto"` is `$XDG_STATE_HOME/mindlytics`.',
        read=str,
        converter=as_directory,
    )
    spool_max_bytes: int = _setting(
        256 * 1024 * 1024, _some_bytes, "Bytes on disk that the spool of a service and project may hold.", read=int
    )
    spool_max_age: float = _setting(
        7 * 24 * 3600.0, _positive_seconds, "Seconds after which an event of the spool is dropped.", read=float
    )
    spool_sync: float = _setting(
        1.0,
        _seconds,
        "Seconds between two syncs of the spool to the disk: what a loss of power can cost. 0: before each request.",
        read=float,
    )
    on_error: Callable[[DeliveryError], Any] | None = _setting(
        None, _callable, "A function or a coroutine function. It is called with a `DeliveryError` for every loss."
    )

    @classmethod
    def load(cls, arguments: Mapping[str, object]) -> Settings:
        """Settings from arguments, the environment and the defaults, in this order.

        :raises InvalidSetting: a value breaks a rule, or a credential is missing.
        """
        values: dict[str, Any] = {}
        for attribute in fields(cls):
            value = arguments.get(attribute.name)
            if value is None:
                value = _from_environment(attribute)
            if value is not None:
                values[attribute.name] = as_secret(value) if attribute.name == "api_key" else value
        missing = []
        for name, convert in (("api_key", as_secret), ("project_id", _stripped)):
            values[name] = convert(values.get(name))
            if values[name] in (None, "", NO_SECRET):
                source = variable(getattr(fields(cls), name))
                missing.append(f"{name} is missing: pass {name}=… or set {source} in the environment")
                values[name] = "disabled"
        if missing and values.get("enabled", True) is not False:
            raise InvalidSetting("; ".join(missing))
        unknown = arguments.keys() - {attribute.name for attribute in fields(cls)}
        if unknown:
            raise TypeError(f"unknown setting: {', '.join(sorted(unknown))}")
        return cls(**values)

    def without_key(self) -> dict[str, object]:
        """The arguments from which :meth:`load` makes these settings in another process, whose
        environment holds the key.

        :raises TypeError: this environment holds another key or none, or there is an ``http_client``, which stays
            in its process.
        """
        if self.http_client is not None:
            raise TypeError("a client with its own http_client cannot be pickled; make one in each process")
        attribute = fields(type(self)).api_key
        if self.enabled and as_secret(_from_environment(attribute)) != self.api_key:
            name = variable(attribute)
            raise TypeError(f"a client is pickled without its API key: set {name} in the environment to that key")
        return {each.name: getattr(self, each.name) for each in fields(type(self)) if each.name != attribute.name}

    @property
    def origin(self) -> dict[str, str]:
        """The properties that say where events come from: ``environment`` and ``release``, if set."""
        named = {"environment": self.environment, "release": self.release}
        return {name: label for name, label in named.items() if label is not None}

    @property
    def tls(self) -> bool | str:
        """What to verify certificates with: ``verify``, or else the bundle that the environment names.

        The variables of requests count even if the path is missing. Those of OpenSSL count only if it exists.
        """
        if self.verify is not True or not self.trust_env:
            return self.verify
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        of_openssl = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        return bundle or next((path for path in of_openssl if path and os.path.exists(path)), True)


def check_face(http_client: object, *, is_async: bool) -> None:
    """Check that a caller's HTTP client is of the face's kind.

    :raises InvalidSetting: it is of the other kind.
    """
    if http_client is not None and hasattr(http_client, "__aenter__") is not is_async:
        raise InvalidSetting(f"http_client must be {'an asyncio' if is_async else 'a blocking'} client")


def variable(attribute: Attribute[object]) -> str:
    """The environment variable of a setting."""
    return attribute.metadata["variable"] or f"MLSDK_{attribute.name.upper()}"


def label(attribute: Attribute[Any]) -> str:
    """A setting's name in error messages: the argument, and the environment variable if it has one."""
    argument = attribute.metadata["argument"] or attribute.name
    return argument if attribute.metadata["read"] is None else f"{argument} (environment: {variable(attribute)})"


def _from_environment(attribute: Attribute[object]) -> object:
    read = attribute.metadata["read"]
    text = os.environ.get(variable(attribute)) if read is not None else None
    if text is None or text == "":
        return None
    try:
        return read(text)
    except ValueError:
        kind = {float: "a number", int: "an int", _flag: "true or false"}.get(read, "of the right form")
        raise InvalidSetting(f"{attribute.name}: {variable(attribute)} in the environment must be {kind}") from None
