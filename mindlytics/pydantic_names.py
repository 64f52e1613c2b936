"""Pydantic's names for the package's attrs classes, and the schema by which pydantic and FastAPI read and write them.

Other clients have models of pydantic. A program that comes from them may dump an object, make one of JSON, copy it, or
return it from a web framework. pydantic itself is imported only when it asks for the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy, deepcopy
from functools import cache
from typing import TYPE_CHECKING, Union, cast, get_type_hints

from attrs import NOTHING, Attribute, evolve, fields

from .annotations import JsonObject, Self

if TYPE_CHECKING:
    from attrs import AttrsInstance
    from pydantic import GetCoreSchemaHandler
    from pydantic_core.core_schema import CoreSchema, SerializationInfo

Names = Union[set[str], Mapping[str, object], None]
"""Which fields: their names, or a mapping of the names to True or to the names within that field."""

EXTRA = "extra"
"""The field for what is new to this version. A dump leaves it out, as pydantic does."""
KIND = "type"
"""The field that names the kind of an object. A dump always has it."""


class _Fields:
    """``model_fields``: the fields of a class by their names."""

    def __get__(self, _: object, owner: type) -> dict[str, Attribute[object]]:
        return {each.name: each for each in _fields(owner) if each.name != EXTRA}


class _DataclassFields:
    """The fields as those of a dataclass. FastAPI reads an argument from the body if it is one, else from the query."""

    def __get__(self, _: object, owner: type) -> object:
        return _dataclass_fields(owner)


class PydanticNames:
    """A class whose objects have pydantic's methods."""

    __slots__ = ()

    model_fields = _Fields()
    """The fields of the class by their names."""
    __dataclass_fields__ = _DataclassFields()

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Names = None,
        exclude: Names = None,
        exclude_none: bool = False,
        exclude_defaults: bool = False,
        exclude_unset: bool = False,
        **_: object,
    ) -> JsonObject:
        """The fields by their names, and those of objects within.

        :param mode: ``"json"`` turns times into texts. ``"python"`` leaves them as they are.
        :param include: only these fields.
        :param exclude: all but these fields.
        :param exclude_none: leave out what is None.
        :param exclude_defaults: leave out what has its default value.
        :param exclude_unset: the same, since an object does not know what it was made with.
        """
        dumped = _dumped(self, include, exclude, exclude_none, exclude_defaults or exclude_unset)
        return cast(JsonObject, _decoded(_encoded(dumped))) if mode == "json" else dumped

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        include: Names = None,
        exclude: Names = None,
        exclude_none: bool = False,
        exclude_defaults: bool = False,
        exclude_unset: bool = False,
        **_: object,
    ) -> str:
        """The JSON text of :meth:`model_dump`, with the same options.

        :param indent: spaces for each level. None writes one line.
        """
        text = _encoded(_dumped(self, include, exclude, exclude_none, exclude_defaults or exclude_unset))
        if indent is None:
            return text.decode()
        import json  # noqa: PLC0415  few programs ask for it

        return json.dumps(_decoded(text), indent=indent, ensure_ascii=False)

    @classmethod
    def model_validate(cls, document: object, **_: object) -> Self:
        """Make one of a JSON object. An object of the class is returned as it is.

        :raises ValueError: a field is missing, or breaks a rule.
        """
        if isinstance(document, cls):
            return document
        if not isinstance(document, Mapping):
            raise ValueError(f"{cls.__name__} must be an object, got {type(document).__name__}")
        return cls._read(document)

    @classmethod
    def model_validate_json(cls, text: str | bytes, **_: object) -> Self:
        """Make one of JSON text.

        :raises ValueError: it is not JSON, a field is missing, or one breaks a rule.
        """
        try:
            document = _decoded(text)
        except ValueError:
            raise ValueError(f"{cls.__name__} must be JSON") from None
        return cls.model_validate(document)

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """A copy.

        :param update: fields to change in it.
        :param deep: copy what the fields hold too.
        """
        copied = deepcopy(self) if deep else copy(self)
        return evolve(copied, **update) if update else copied  # type: ignore[misc]

    def _left_out(self) -> Collection[str]:
        """The fields that a dump leaves out."""
        return (EXTRA,)

    @classmethod
    def _read(cls, document: Mapping[str, object]) -> Self:
        """Make one of its fields. Other names are ignored."""
        own = _fields(cls)
        missing = [each.name for each in own if each.default is NOTHING and each.name not in document]
        if missing:
            raise ValueError(f"{cls.__name__} lacks {', '.join(missing)}")
        try:
            return cls(**{each.name: document[each.name] for each in own if each.name in document})
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads, writes and describes these objects."""
        from pydantic_core import core_schema  # noqa: PLC0415  whoever asks has it

        hints, field_of = get_type_hints(cls), core_schema.typed_dict_field
        own = {
            name: field_of(handler.generate_schema(hints[name]), required=not _has_default(each))
            for name, each in cls.model_fields.items()
        }
        described = core_schema.typed_dict_schema(own, extra_behavior="allow")

        def read(value: object, check: Callable[[object], object]) -> object:
            return value if isinstance(value, cls) else cls.model_validate(check(value))

        return core_schema.no_info_wrap_validator_function(
            read,
            described,
            serialization=core_schema.plain_serializer_function_ser_schema(_serialized, info_arg=True),
            ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        )


def _serialized(value: PydanticNames, info: SerializationInfo) -> JsonObject:
    return value.model_dump(
        mode=info.mode,
        include=cast(Names, info.include),
        exclude=cast(Names, info.exclude),
        exclude_none=info.exclude_none,
        exclude_defaults=info.exclude_defaults,
        exclude_unset=info.exclude_unset,
    )


def _fields(kind: type) -> tuple[Attribute[object], ...]:
    return cast("tuple[Attribute[object], ...]", fields(cast("type[AttrsInstance]", kind)))


def _has_default(each: Attribute[object]) -> bool:
    return each.default is not NOTHING


def _factory(each: Attribute[object]) -> Callable[[], object] | None:
    return getattr(each.default, "factory", None)


@cache
def _dataclass_fields(owner: type) -> object:
    import dataclasses  # noqa: PLC0415  it takes a while to import

    made: list[tuple[str, type, object]] = []
    for each in _fields(owner):
        factory, own = _factory(each), dataclasses.field(repr=bool(each.repr))
        if factory is not None:
            own.default_factory = factory
        elif _has_default(each):
            own.default = each.default
        made.append((each.name, cast(type, each.type), own))
    return vars(dataclasses.make_dataclass("Fields", made, kw_only=True))["__dataclass_fields__"]


def _dumped(value: PydanticNames, include: Names, exclude: Names, no_none: bool, no_defaults: bool) -> JsonObject:
    dumped: JsonObject = {}
    left_out = value._left_out()
    for each in _fields(type(value)):
        name, held = each.name, getattr(value, each.name)
        wanted, unwanted = _within(include, name), _within(exclude, name)
        is_out = exclude is not None and name in exclude and unwanted is None
        if name in left_out or is_out or (include is not None and name not in include):
            continue
        if (no_none and held is None) or (no_defaults and name != KIND and held == _default(each)):
            continue
        dumped[name] = _plain(held, wanted, unwanted, no_none, no_defaults)
    return dumped


def _within(names: Names, name: str) -> Names:
    """Which fields of the object in that field are named."""
    found = names.get(name) if isinstance(names, Mapping) else None
    return found if isinstance(found, (set, Mapping)) else None


def _default(each: Attribute[object]) -> object:
    factory = _factory(each)
    return each.default if factory is None else factory()


def _plain(value: object, include: Names, exclude: Names, no_none: bool, no_defaults: bool) -> object:
    if isinstance(value, PydanticNames):
        return _dumped(value, include, exclude, no_none, no_defaults)
    if isinstance(value, Mapping):
        return {name: _plain(held, None, None, no_none, no_defaults) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held, None, None, no_none, no_defaults) for held in value]
    return value


def _encoded(value: object) -> bytes:
    from orjson import OPT_UTC_Z, dumps  # noqa: PLC0415  it takes a while to import

    return dumps(value, option=OPT_UTC_Z)


def _decoded(text: str | bytes) -> object:
    from orjson import loads  # noqa: PLC0415  it takes a while to import

    return loads(text)
