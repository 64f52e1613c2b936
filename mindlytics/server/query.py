"""Filters, MongoDB style, as expressions of SQLAlchemy. ``ordering.py`` has sort orders.

``collection.py`` has the collections and columns. As in MongoDB, values of different types are never equal and have no
order, and a missing or unknown field equals null.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from ..errors import MindlyticsError
from .dialects import has_key, hexadecimal, json_boolean, json_items, json_number, json_string
from .schema import INTEGERS, events, microseconds, store

TEXT, NUMBER, TIME, MAP, LIST, EVENT = "text", "number", "time", "map", "list", "event"

MAX_CONDITIONS = 500
MAX_DEPTH = 20

_COMPARISONS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_EVENT_ID = re.compile("([0-9a-f]{16})([0-7][0-9a-f]{15})")

Condition = ColumnElement[bool]
Expression = ColumnElement[Any]


class Column(NamedTuple):
    """A column of a collection.

    :param expression: what it is read from. Of the kind ``EVENT``: the table of events, whose id it is.
    """

    kind: str
    expression: Any


class InvalidQuery(MindlyticsError):
    """A filter, a sort order, a projection or another parameter of a read breaks a rule.

    :param parameter: its name.
    """

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(f"{parameter}: {message}")


def event_id(table: FromClause = events) -> ColumnElement[str]:
    """The id of an event: made from its number, unless an earlier version gave it one. Null without an event."""
    own = select(store.c.ids).scalar_subquery().concat(hexadecimal(table.c.seq))
    return case((table.c.seq.is_not(None), func.coalesce(table.c.former_id, own)))


def has_event_id(table: FromClause, wanted: str) -> Condition:
    """Whether an event has this id, so that an index answers it."""
    found = _EVENT_ID.fullmatch(wanted)
    former: Condition = table.c.former_id == wanted
    if found is None:
        return former
    ids = select(store.c.ids).scalar_subquery()
    own = and_(table.c.seq == int(found[2], 16), table.c.former_id.is_(None), ids == found[1])
    return or_(own, former)


class Filter:
    """One filter over the columns of a collection, as a ``condition``.

    ``names`` are those of the columns in it, and ``equal`` those that equal a text in each row that it finds.

    :param columns: the kind and the expression of each.
    :raises InvalidQuery: an operator is unknown or its operand is not what it needs.
    """

    def __init__(self, wanted: Any, columns: Mapping[str, Column]) -> None:
        self._columns = columns
        self._left = MAX_CONDITIONS
        self.names: set[str] = set()
        self.condition = self._all_of(wanted, 0)
        self.equal = {name for name, value in wanted.items() if isinstance(value, str)}

    def _all_of(self, wanted: object, depth: int) -> Condition:
        if not isinstance(wanted, dict):
            raise InvalidQuery("filter", "must be a JSON object")
        if depth > MAX_DEPTH:
            raise InvalidQuery("filter", f"is nested more than {MAX_DEPTH} deep")
        parts = []
        for name, operand in wanted.items():
            if name in ("$and", "$or"):
                if not isinstance(operand, list) or not operand:
                    raise InvalidQuery("filter", f"{name} must be a list of at least one filter")
                join = and_ if name == "$and" else or_
                parts.append(join(*[self._all_of(item, depth + 1) for item in operand]))
            elif name.startswith("$"):
                raise InvalidQuery("filter", f"unknown operator {name}")
            elif isinstance(operand, dict):
                if not operand:
                    raise InvalidQuery("filter", f"{name} needs an operator")
                parts += [self._condition(name, sign, value) for sign, value in operand.items()]
            else:
                parts.append(self._condition(name, "$eq", operand))
        return and_(*parts) if parts else self._constant(true())

    def _condition(self, name: str, sign: str, operand: object) -> Condition:
        if sign == "$exists":
            if operand not in (True, False, 0, 1):
                raise InvalidQuery("filter", "$exists must be true or false")
            present = self._present(name)
            return present if operand else not_(present)
        if sign in ("$in", "$nin"):
            if not isinstance(operand, list):
                raise InvalidQuery("filter", f"{sign} must be a list")
            same = [self._compare(name, "$eq", item) for item in operand]
            found = or_(*same) if same else self._constant(false())
            return found if sign == "$in" else _not(found)
        if sign == "$ne":
            return _not(self._compare(name, "$eq", operand))
        if sign in _COMPARISONS:
            return self._compare(name, sign, operand)
        raise InvalidQuery("filter", f"unknown operator {sign}")

    def _constant(self, condition: Condition) -> Condition:
        """The value of an empty list, as a condition that takes its place in the expression."""
        self._count()
        return condition

    def _column(self, name: str) -> tuple[str | None, Any, str]:
        column, _, key = name.partition(".")
        self.names.add(column)
        kind, expression = self._columns.get(column, (None, None))
        return kind, expression, key

    def _present(self, name: str) -> Condition:
        self._count()
        kind, expression, key = self._column(name)
        if kind is None or (key and kind != MAP):
            return false()
        if key:
            return has_key(expression, _text(key))
        present: Condition = (expression.c.seq if kind == EVENT else expression).is_not(None)
        return present

    def _compare(self, name: str, sign: str, operand: object) -> Condition:  # noqa: PLR0912  one for each kind
        self._count()
        if isinstance(operand, (dict, list)):
            raise InvalidQuery("filter", f"{name} must be compared with a string, a number, a boolean or null")
        if operand is None:
            return not_(self._present(name)) if sign in ("$eq", "$gte", "$lte") else false()
        kind, expression, key = self._column(name)
        compare = _COMPARISONS[sign]
        condition: Condition = false()
        if kind == MAP and key:
            if isinstance(operand, bool):
                condition = compare(json_boolean(expression, _text(key)), int(operand))
            elif isinstance(operand, str):
                condition = compare(json_string(expression, _text(key)), _text(operand))
            else:
                condition = compare(json_number(expression, _text(key)), _number(operand))
        elif key or kind in (None, MAP) or isinstance(operand, bool):
            pass
        elif kind == LIST and isinstance(operand, str):
            items = json_items(expression).table_valued("value")
            condition = exists(select(1).select_from(items).where(compare(items.c.value, _text(operand))))
        elif kind == EVENT and isinstance(operand, str):
            equal = sign == "$eq"
            condition = has_event_id(expression, operand) if equal else compare(event_id(expression), _text(operand))
        elif kind == TIME and isinstance(operand, str):
            try:
                condition = compare(expression, _time(name, operand))
            except ValueError:
                rule = f"{name} must be compared with an ISO 8601 date, with or without a time"
                raise InvalidQuery("filter", rule) from None
        elif kind == TEXT and isinstance(operand, str):
            condition = compare(expression, _text(operand))
        elif kind == NUMBER and isinstance(operand, (int, float)):
            condition = compare(expression, _number(operand))
        return condition

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise InvalidQuery("filter", f"has more than {MAX_CONDITIONS} conditions")


def _not(condition: Condition) -> Condition:
    """The negation of a condition. Null counts as false."""
    return not_(func.coalesce(condition, false()))


def _text(text: str) -> ColumnElement[str]:
    return literal(text, Text())


def time_of(name: str, text: str) -> int:
    """A parameter that is a date, with or without a time, in its stored form.

    :raises InvalidQuery: it is no date.
    """
    try:
        return _time(name, text)
    except ValueError:
        raise InvalidQuery(name, "must be an ISO 8601 date, with or without a time") from None


def _time(name: str, text: str) -> int:
    return microseconds(text if len(text) > 10 else f"{text}T00:00:00Z", name)


def _number(operand: object) -> object:
    """The operand for SQLite, with integers beyond 64 bits as floats."""
    return float(operand) if isinstance(operand, int) and operand not in INTEGERS else operand
