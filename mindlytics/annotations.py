"""Names for annotations that ``typing`` of Python 3.10 lacks.

They are imported at run time too, since frameworks read annotations. On 3.10, cattrs installs ``typing_extensions``.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    from typing import NotRequired, Self, TypedDict, Unpack
else:
    from typing_extensions import NotRequired, Self, TypedDict, Unpack

__all__ = ["Awaited", "JsonMapping", "JsonObject", "NotRequired", "Self", "TypedDict", "Unpack"]

T = TypeVar("T")

Awaited = Coroutine[Any, Any, T]
"""What a call of the asyncio face returns: to be awaited, or to be passed to ``create_task``."""

JsonObject = dict[str, Any]
"""A JSON object of a service's reply, whose names and values the service decides."""

JsonMapping = Mapping[str, Any]
"""The same as a field of an immutable object."""
