"""The values of ``mlsdk.types`` that programs make or get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ... import usage
from ...delivery.account import APIResponse
from ...live import event as live
from ...pydantic_names import PydanticNames
from ..reading import Reading
from ..settable import Settable

__all__ = ["APIResponse", "ClientConfig", "Cost", "MLEvent", "TokenBasedCost"]

NO_REPLY = -1
"""The status without a reply. The rest of the package uses 0."""


def with_status(error: APIResponse) -> APIResponse:
    """The same loss, with the status that this client uses if no reply caused it."""
    return error if error.status else evolve(error, status=NO_REPLY)


class Cost(Settable, usage.Cost):
    """A :class:`mindlytics.Cost` whose fields you may assign."""


class TokenBasedCost(Settable, usage.TokenBasedCost):
    """A :class:`mindlytics.TokenBasedCost` whose fields you may assign."""


if TYPE_CHECKING:
    MLEvent = live.MLEvent
else:

    class MLEvent(live.MLEvent, metaclass=Reading):
        pass


@frozen(kw_only=True)
class ClientConfig(PydanticNames):
    """What a client was made with."""

    api_key: str = field(repr=False)
    project_id: str
    server_endpoint: str
    wss_endpoint: str
    debug: bool = False
