"""The types of the Conversations API, made of their classes in ``antonnia/types.py``."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec
from attrs import NOTHING, fields

from ...antonnia import types
from ...antonnia.codec import KINDS
from ..parameters import ref

Schema = dict[str, Any]

MODELS = (types.Session, types.Message, types.SessionSchedule, types.SurveySubmission)


def schemas() -> dict[str, Schema]:
    """The schema of each type."""
    unions = {base: kinds for base, kinds in KINDS.items() if base.__module__ == types.__name__}  # not those of compat
    return {
        **{_name(base): {"oneOf": [_ref(kind) for kind in kinds.values()]} for base, kinds in unions.items()},
        **{_name(kind): _model(kind) for kinds in unions.values() for kind in kinds.values()},
        **{_name(kind): _model(kind) for kind in MODELS},
    }


def _name(kind: type[Any]) -> str:
    return f"antonnia.{kind.__name__}"


def _ref(kind: type[Any]) -> Schema:
    return ref(_name(kind))


def _model(kind: type[types.Model]) -> Schema:
    """The schema of an object of this class. Unknown fields are kept."""
    hints = get_type_hints(kind)
    own = [attribute for attribute in fields(kind) if attribute.name != "extra"]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {attribute.name: _of(hints[attribute.name]) for attribute in own},
        "required": [attribute.name for attribute in own if attribute.default is NOTHING or attribute.name == "type"],
    }


def _of(hint: Any) -> Schema:
    """The schema of a field, by its type."""
    if type(None) in get_args(hint):
        return {"anyOf": [_of(each) for each in get_args(hint)]}
    if hint is type(None):
        return {"type": "null"}
    if isinstance(hint, type) and issubclass(hint, types.Model):
        return _ref(hint)
    return msgspec.json.schema(hint)
