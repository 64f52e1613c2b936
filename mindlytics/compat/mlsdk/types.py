"""The values of ``mlsdk.types`` that programs make or get."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from attrs import Attribute, evolve, field, frozen

from ... import usage
from ...delivery.account import APIResponse
from ...errors import InvalidEvent
from ...live import event as live
from ...pydantic_names import PydanticNames
from ..reading import Reading

__all__ = ["APIResponse", "ClientConfig", "Cost", "MLEvent", "TokenBasedCost"]

NO_REPLY = -1
"""The status without a reply. The rest of the package uses 0."""


def with_status(error: APIResponse) -> APIResponse:
    """The same loss, with the status that this client uses if no reply caused it."""
    return error if error.status else evolve(error, status=NO_REPLY)


class _Settable:
    """Fields that you may assign. A value that breaks a rule is refused."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        own = cast("type[PydanticNames]", type(self)).model_fields
        if name not in own:
            raise InvalidEvent(name, f"one of {', '.join(own)}", value)
        check = cast("Callable[[object, Attribute[object], object], object]", own[name].validator)
        check(self, own[name], value)
        object.__setattr__(self, name, value)


class Cost(_Settable, usage.Cost):
    """A :class:`mindlytics.Cost` whose fields you may assign."""


class TokenBasedCost(_Settable, usage.TokenBasedCost):
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
