"""Values whose fields a program may assign, as those of other clients are."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, cast

from attrs import Attribute, fields_dict

from ..errors import InvalidEvent

if TYPE_CHECKING:
    from attrs import AttrsInstance


class Settable:
    """An attrs class whose fields all have a validator. It converts a value or refuses it, as for a new object."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        own = fields_dict(cast("type[AttrsInstance]", type(self)))
        if name not in own:
            raise InvalidEvent(name, f"one of {', '.join(own)}", value)
        check = cast("Callable[[object, Attribute[object], object], object]", own[name].validator)
        copied = copy(self)
        object.__setattr__(copied, name, value)
        check(copied, own[name], value)
        object.__setattr__(self, name, getattr(copied, name))
