"""What the clients of all services share: settings, an entry in a pipeline, an account."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable
from functools import reduce
from operator import add
from typing import Any, Generic, TypeVar

from .copying import Copied
from .delivery.account import APIResponse, FlushResult, Stats
from .delivery.verdict import Wire
from .pipeline import sharing
from .pipeline.base import Pipeline
from .settings import Settings, check_face

P = TypeVar("P", bound=Pipeline)

logger: logging.Logger = logging.getLogger("mindlytics")
logger.addHandler(logging.NullHandler())


class ServiceClient(Copied, Generic[P]):
    """A client of a service. Clients of equal settings share one pipeline and its account."""

    name = "mindlytics"
    settings: Settings
    is_closed: bool = False
    """Whether :meth:`close` was called."""
    _pipeline_type: type[P]

    def _open(self, settings: Settings, make_wire: Callable[[Settings], Wire]) -> None:
        """Join the pipeline. The sender calls ``make_wire``, so that callers need not wait for its imports."""
        make = self._pipeline_type
        check_face(settings.http_client, is_async=make.is_async)
        self.settings = settings
        if settings.debug:
            log_to_stderr()
        if settings.flush_on_sigterm:
            from .pipeline.signals import flush_on_sigterm  # noqa: PLC0415  few programs ask for it

            flush_on_sigterm()
        self.pipeline: P = sharing.acquire(
            self, _key(make, settings), lambda: make(settings, lambda: make_wire(settings))
        )
        self.pipeline.begin()

    def _settings_of_copy(self) -> Settings:
        return self.settings

    def stats(self) -> Stats:
        """The account of every event since this client's pipeline began. It always adds up."""
        self.pipeline.check_process()
        return self.pipeline.ledger.stats()

    def has_errors(self) -> bool:
        """Whether events were lost: refused by the service, or dropped."""
        return bool(self.get_errors())

    def get_errors(self) -> list[APIResponse]:
        """The losses, oldest first, at most the last 100."""
        return self.pipeline.ledger.errors()

    def __repr__(self) -> str:
        if "pipeline" not in vars(self):
            return f"<{type(self).__name__} (incomplete)>"
        state = "closed" if self.is_closed else "open"
        return f"<{type(self).__name__} {self.settings.server_endpoint} {state}>"

    def _close(self, timeout: float, *, ending: bool) -> Any:
        """Close, and with the last client its pipeline too. Returns a result, or an awaitable of it.

        :param ending: the program gave no timeout of its own, so a wait in vain is cut short.
        """
        first = not self.is_closed
        self.is_closed = True
        last = first and sharing.release(self, self.pipeline)
        return (self.pipeline.close if last else self.pipeline.flush)(timeout, ending=ending)


def _key(kind: type[Pipeline], settings: Settings) -> Hashable:
    """The key of the shared pipeline. A client with unhashable handlers gets a pipeline of its own."""
    try:
        hash(settings)
    except TypeError:
        return kind, id(settings)
    return kind, settings


def total(results: Iterable[FlushResult]) -> FlushResult:
    """The sum of several accounts."""
    return reduce(add, results)


def log_to_stderr() -> None:
    """Show the package's log, including debug messages, unless the program has set up logging itself."""
    logger.setLevel(logging.DEBUG)
    shown = any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    if not shown and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
