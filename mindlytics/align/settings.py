"""The settings of an Align AI client: the package's settings under this service's names and variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from attrs import Attribute, field, fields, frozen

from ..errors import InvalidSetting
from ..secret import Secret
from ..setting_rules import as_secret
from ..settings import Settings, base_address, credential

COLLECT_PATH = "/ingestion.v1alpha.IngestionService/CollectEvents"
PRODUCTION = "https://api.impaction.ai"

REQUEST_SECONDS = 10
"""Seconds. The service's own client allows one request that long, and waits 1, 2, 4 … seconds between attempts."""
MAX_RETRIES = 20


def _at_least(least: int) -> Callable[[object, Attribute[int], object], None]:
    def check(_: object, attribute: Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InvalidSetting(f"{attribute.name} must be an int of at least {least}")

    return check


def _seconds(_: object, attribute: Attribute[float], value: object) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
        raise InvalidSetting(f"{attribute.name} must be a number of seconds of at least 0")


@frozen
class Config:
    """How an Align AI client delivers.

    :param flush_interval_ms: milliseconds that an event lingers at most, to be batched.
    :param flush_batch_size: events in one request at most.
    :param flush_timeout_seconds: default timeout of ``flush()`` and ``close()`` in seconds.
    :param max_buffer_size: events that linger at most. This many are sent at once. It makes no call wait: the setting
        ``max_queue_events`` limits the pending events, and is at least this.
    :param api_max_retries: a batch is retried for as long as that many attempts of ten seconds take, with pauses of 1,
        2, 4 … seconds between them. So 3 means 33 seconds.
    :raises InvalidSetting: a value breaks a rule.
    """

    flush_interval_ms: int = field(default=3000, validator=_at_least(0))
    flush_batch_size: int = field(default=50, validator=_at_least(1))
    flush_timeout_seconds: float = field(default=5.0, validator=_seconds)
    max_buffer_size: int = field(default=200, validator=_at_least(1))
    api_max_retries: int = field(default=3, validator=_at_least(0))

    @property
    def settings(self) -> dict[str, float]:
        """The same, as settings of the package."""
        retries = min(self.api_max_retries, MAX_RETRIES)
        chosen = {
            "flush_interval": self.flush_interval_ms / 1000,
            "max_batch_events": min(self.flush_batch_size, self.max_buffer_size),
            "shutdown_timeout": self.flush_timeout_seconds,
            "retry_for": retries * REQUEST_SECONDS + 2 ** max(retries - 1, 0) - 1,
        }
        least = fields(Settings).max_queue_events.default
        if least is not None and self.max_buffer_size > least:
            chosen["max_queue_events"] = self.max_buffer_size
        return chosen


def _of_config(_: type, attributes: list[Attribute[Any]]) -> list[Attribute[Any]]:
    defaults = Config().settings
    return [each.evolve(default=defaults.get(each.name, each.default)) for each in attributes]


@frozen(field_transformer=_of_config)
class AlignSettings(Settings):
    """The package's settings, with the credentials and the address of Align AI, and the defaults of :class:`Config`."""

    service: ClassVar[str] = "align"

    api_key: Secret = credential("The API key.", "ALIGNAI_API_KEY", repr=False, converter=as_secret)
    project_id: str = credential("The project.", "ALIGNAI_PROJECT_ID")
    server_endpoint: str = base_address(PRODUCTION, "ALIGNAI_HOST", "api_host")
