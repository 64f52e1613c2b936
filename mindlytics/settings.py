"""All settings: one frozen class, and the only reader of the environment.

A setting's metadata describes it. The reference page and ``--help`` are made from that. An argument wins over the
environment, and the environment over the default. An argument of None counts as missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypedDict

from attrs import Attribute, field, fields, frozen

from .errors import DeliveryError, InvalidSetting
from .secret import NO_SECRET, Secret
from .setting_rules import (
    REDACTABLE,
    address,
    as_redact,
    as_secret,
    at_least_one,
    boolean,
    ca_bundle,
    directory_or_none,
    function_or_none,
    label_or_none,
    one_of,
    one_word,
    plain_function,
    positive_seconds,
    read_flag,
    read_flag_or_text,
    redactable,
    seconds,
    session_or_none,
    share,
    spool_bytes,
    stripped,
    stripped_or_none,
    variable,
)
from .values import present

PRODUCTION = "https://app.mindlytics.ai"

DOTENV = "MLSDK_DOTENV"
"""The variable that names a file with further variables."""


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
    http_client: object
    before_send: Callable[[Any], object] | None
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
    on_error: Callable[[DeliveryError], object] | None


def as_directory(value: object) -> object:
    """The absolute path of a directory. ``"auto"`` is a directory for the state of the user's programs."""
    if value == "auto":
        state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        return os.path.join(state, "mindlytics")
    if isinstance(value, (str, os.PathLike)) and value:
        path = os.fspath(value)
        return os.path.abspath(os.path.expanduser(path)) if isinstance(path, str) else path
    return value


def _setting(
    default: object,
    validator: Callable[..., None],
    help: str,
    *,
    read: object = None,
    name: str = "",
    argument: str = "",
    repr: bool = True,
    converter: Callable[[object], object] | None = None,
) -> Any:
    return field(
        default=default,
        validator=validator,
        metadata={"help": help, "read": read, "variable": name, "argument": argument},
        kw_only=True,
        repr=repr,
        converter=converter,
    )


def credential(
    help: str, variable: str, *, repr: bool = True, converter: Callable[[object], object] | None = None
) -> Any:
    """The field of a key or other credential, which may come from the environment."""
    return _setting("", one_word, help, read=str, name=variable, repr=repr, converter=converter)


def base_address(default: str, variable: str, argument: str = "") -> Any:
    """The field of a service's address.

    :param argument: the name of the argument in the client's signature.
    """
    return _setting(
        default,
        address("https", "http"),
        "The service's base address.",
        read=str,
        name=variable,
        argument=argument,
        converter=lambda value: value.strip().rstrip("/") if isinstance(value, str) else value,
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
        lambda self, attribute, value: address("wss", "ws")(self, attribute, value) if value else None,
        "The address of live events. Default: derived from the base address.",
        read=str,
        name="MLSDK_WSS_ENDPOINT",
        converter=stripped,
    )
    debug: bool = _setting(False, boolean, "Log each step to the logger `mindlytics`.", read=read_flag)
    flush_interval: float = _setting(0.5, seconds, "Seconds that an event lingers to be batched, at most.", read=float)
    max_batch_events: int = _setting(500, at_least_one, "At most so many events in one request.", read=int)
    max_batch_bytes: int = _setting(512 * 1024, at_least_one, "At most so many bytes in one request's body.", read=int)
    max_queue_events: int = _setting(10_000, at_least_one, "Events that may be pending at once.", read=int)
    max_queue_bytes: int = _setting(
        64 * 1024 * 1024, at_least_one, "Bytes of memory that pending events may hold, approximately.", read=int
    )
    on_full: str = _setting(
        "drop_newest",
        one_of("drop_newest", "drop_oldest", "block"),
        "What happens when too much is pending: `drop_newest`, `drop_oldest`, or `block` the caller for a while.",
        read=str,
    )
    block_timeout: float = _setting(
        1.0, seconds, 'Seconds that `on_full="block"` waits for room before the event is dropped.', read=float
    )
    request_timeout: float = _setting(10.0, positive_seconds, "Seconds for one request.", read=float)
    retry_for: float = _setting(
        60.0, seconds, "Seconds for which a batch is retried, from its first attempt.", read=float
    )
    max_retry_wait: float = _setting(
        30.0, seconds, "Seconds between two attempts, at most. Also the cap of `Retry-After`.", read=float
    )
    shutdown_timeout: float = _setting(
        5.0,
        seconds,
        "Seconds that the end of the program, of a session's block or `close()` waits for delivery.",
        read=float,
    )
    live_timeout: float = _setting(
        30.0,
        seconds,
        "Seconds that the last flush of a session with `on_event` waits for its `Session Ended`.",
        read=float,
    )
    strict: bool = _setting(
        False,
        boolean,
        "Raise if a conversion loses something of an argument or property value, and for events after `close()`.",
        read=read_flag,
    )
    enabled: bool = _setting(
        True,
        boolean,
        "False: send nothing and need no credentials. Arguments are still checked.",
        read=read_flag,
    )
    verify: bool | str = _setting(
        True, ca_bundle, "TLS verification: True, False, or the path of a CA bundle.", read=read_flag_or_text
    )
    trust_env: bool = _setting(True, boolean, "Take proxies from the environment.", read=read_flag)
    http_client: Any = _setting(
        None,
        session_or_none,
        "A `requests.Session` or `aiohttp.ClientSession` of your own. The client uses it and leaves it open.",
    )
    before_send: Callable[[Any], object] | None = _setting(
        None,
        plain_function,
        "Called with every event before it is sent. Return the event or a changed copy, or None to drop it.",
    )
    content_mode: str = _setting(
        "full",
        one_of("full", "metadata_only"),
        "`metadata_only` sends the lengths of what was said and of arguments and results instead of the texts.",
        read=str,
    )
    redact: tuple[str | re.Pattern[str], ...] = _setting(
        (),
        redactable,
        "What is replaced in texts, properties and traits before it leaves: kinds of personal data "
        f"({', '.join(f'`{kind}`' for kind in REDACTABLE)}, or `all`) and compiled patterns of your own.",
        read=str,
        converter=as_redact,
    )
    sample_rate: float = _setting(
        1.0,
        share,
        "The share of sessions that are recorded, 0 to 1. A session is recorded whole or skipped.",
        read=float,
    )
    environment: str | None = _setting(
        None,
        label_or_none,
        "Where the program runs, such as `production` or `staging`: a property of every event.",
        read=str,
        converter=stripped_or_none,
    )
    release: str | None = _setting(
        None,
        label_or_none,
        "The version of your program, such as `1.4.2` or a commit: a property of every event.",
        read=str,
        converter=stripped_or_none,
    )
    flush_on_sigterm: bool = _setting(
        False,
        boolean,
        "On SIGTERM, deliver what is pending before the former handler is called. "
        "A handler of an event loop's `add_signal_handler` is called at once.",
        read=read_flag,
    )
    spool: str | None = _setting(
        None,
        directory_or_none,
        'A directory that keeps events until they are delivered; `"auto"` is `$XDG_STATE_HOME/mindlytics`.',
        read=str,
        converter=as_directory,
    )
    spool_max_bytes: int = _setting(
        256 * 1024 * 1024, spool_bytes, "Bytes on disk that the spool of a service and project may hold.", read=int
    )
    spool_max_age: float = _setting(
        7 * 24 * 3600.0, positive_seconds, "Seconds after which an event of the spool is dropped.", read=float
    )
    spool_sync: float = _setting(
        1.0,
        seconds,
        "Seconds between two syncs of the spool to the disk: what a loss of power can cost. 0: before each request.",
        read=float,
    )
    on_error: Callable[[DeliveryError], object] | None = _setting(
        None,
        function_or_none,
        "A function or a coroutine function. It is called with a `DeliveryError` for every loss.",
    )

    @classmethod
    def load(cls, arguments: Mapping[str, object]) -> Settings:
        """Settings from arguments, the environment and the defaults, in this order.

        :raises InvalidSetting: a value breaks a rule, or a credential is missing.
        """
        values: dict[str, Any] = {}
        environment = read_environment()
        for attribute in fields(cls):
            value = arguments.get(attribute.name)
            if value is None:
                value = _from_environment(attribute, environment)
            if value is not None:
                values[attribute.name] = as_secret(value) if attribute.name == "api_key" else value
        missing = []
        for name, convert in (("api_key", as_secret), ("project_id", stripped)):
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

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Where each setting with a variable comes from: the variable, and the file if it is in that. Empty: neither.

        :raises InvalidSetting: the file cannot be read.
        """
        environment = read_environment()
        named = {each.name: variable(each) for each in fields(cls) if each.metadata["read"] is not None}
        in_file = f" in {os.environ.get(DOTENV)}"
        return {
            setting: (name if os.environ.get(name) else name + in_file) if environment.get(name) else ""
            for setting, name in named.items()
        }

    def without_key(self) -> dict[str, object]:
        """The arguments from which :meth:`load` makes these settings in another process. Its environment holds the key.

        :raises TypeError: this environment holds another key or none, or there is an ``http_client``, which stays
            in its process.
        """
        if self.http_client is not None:
            raise TypeError("a client with its own http_client cannot be pickled; make one in each process")
        attribute = fields(type(self)).api_key
        if self.enabled and as_secret(_from_environment(attribute, read_environment())) != self.api_key:
            name = variable(attribute)
            raise TypeError(f"a client is pickled without its API key: set {name} in the environment to that key")
        return {each.name: getattr(self, each.name) for each in fields(type(self)) if each.name != attribute.name}

    @property
    def origin(self) -> dict[str, str]:
        """The properties that say where events come from: ``environment`` and ``release``, if set."""
        return present(environment=self.environment, release=self.release)

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


def read_environment() -> Mapping[str, str]:
    """The environment, and below it the variables of the file that ``MLSDK_DOTENV`` names.

    :raises InvalidSetting: the file cannot be read, or python-dotenv is missing.
    """
    file = os.environ.get(DOTENV)
    if not file:
        return os.environ
    from .dotenv_file import read  # noqa: PLC0415  few programs have one

    return {**os.environ, **{name: text for name, text in read(file).items() if not os.environ.get(name)}}


def _from_environment(attribute: Attribute[object], environment: Mapping[str, str]) -> object:
    read = attribute.metadata["read"]
    text = environment.get(variable(attribute)) if read is not None else None
    if text is None or text == "":
        return None
    try:
        return read(text)
    except ValueError:
        kind = {float: "a number", int: "an int", read_flag: "true or false"}.get(read, "of the right form")
        raise InvalidSetting(f"{attribute.name}: {variable(attribute)} in the environment must be {kind}") from None
