"""Classes whose call reads JSON fields, as that of a model of pydantic does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ..pydantic_names import PydanticNames


class Reading(type):
    """Makes a class that stands for its only base.

    A call makes an instance of the base from JSON fields: times are texts, and unknown fields are kept apart. The
    instances of the base are its own.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], names: dict[str, object]) -> Reading:
        (base,) = cast("tuple[type[PydanticNames]]", bases)
        return super().__new__(cls, name, bases, {"__doc__": base.__doc__, **names, "_read": base._read})

    def __call__(cls, **fields: object) -> object:
        return cast("type[PydanticNames]", cls.__base__).model_validate(fields)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cast(type, cls.__base__))


def replace_with_readings(module: dict[str, object], names: Sequence[str]) -> None:
    """Replace classes of a module by classes that stand for them. Base classes, which have subclasses, stay."""
    for name in names:
        kind = module[name]
        if isinstance(kind, type) and issubclass(kind, PydanticNames) and not kind.__subclasses__():
            module[name] = Reading(name, (kind,), {"__module__": module["__name__"]})
