"""The order of rows: sort orders, MongoDB style, and the condition of what comes after a place in one.

Null comes before all else, and after it where the order descends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, String, Text, and_, false, literal, or_

from .cursors import Value
from .dialects import json_value
from .query import EVENT, MAP, MAX_DEPTH, Column, Condition, Expression, InvalidQuery, event_id


class Term(NamedTuple):
    """A term of an order.

    :param plain: whether its values are plain, so that a place can name them. Those of a map may be of any type.
    """

    expression: Expression
    descends: bool = False
    plain: bool = True

    def clause(self) -> ColumnElement[object]:
        """The term of ORDER BY. A column without null is named alone, so that an index can be used."""
        clause = self.expression.desc() if self.descends else self.expression.asc()
        if self._has_null:
            clause = clause.nulls_last() if self.descends else clause.nulls_first()
        return clause

    @property
    def _has_null(self) -> bool:
        return bool(getattr(self.expression, "nullable", True))

    def _same(self, value: Value) -> Condition:
        same: Condition = self.expression.is_(None) if value is None else self.expression == value
        return same

    def _after(self, value: Value) -> Condition:
        if value is None:
            return false() if self.descends else self.expression.is_not(None)
        after: Condition = self.expression < value if self.descends else self.expression > value
        return or_(after, self.expression.is_(None)) if self.descends and self._has_null else after

    def not_before(self, value: Value) -> Condition:
        """The condition of what has this value, which is not null, or comes after it: one comparison for an index."""
        found: Condition = self.expression <= value if self.descends else self.expression >= value
        return or_(found, self.expression.is_(None)) if self.descends and self._has_null else found

    def accepts(self, value: Value) -> bool:
        """Whether it has such values."""
        return value is None or isinstance(value, str) == isinstance(self.expression.type, String)


Order = Sequence[Term]


def order_by(sort: object, columns: Mapping[str, Column]) -> list[Term]:
    """The order of a sort such as ``{"timestamp": -1}``.

    :raises InvalidQuery: a direction is not 1 or -1.
    """
    if not isinstance(sort, dict):
        raise InvalidQuery("sort", "must be a JSON object")
    if len(sort) > MAX_DEPTH:
        raise InvalidQuery("sort", f"has more than {MAX_DEPTH} fields")
    terms: list[Term] = []
    for name, direction in sort.items():
        if isinstance(direction, bool) or direction not in (1, -1):
            raise InvalidQuery("sort", f"the direction of {name} must be 1 or -1")
        column, _, key = name.partition(".")
        if column not in columns:
            continue
        kind, expression = columns[column]
        if key and kind != MAP:
            continue
        if key:
            expression = json_value(expression, literal(key, Text()))
        elif kind == EVENT:
            expression = event_id(expression)
        terms.append(Term(expression, direction == -1, plain=not key))
    return terms


def after(order: Order, place: Sequence[Value]) -> Condition:
    """The condition under which a row comes after the one with these values.

    :raises InvalidQuery: the values are not those of such an order.
    """
    if len(place) != len(order) or not all(term.accepts(value) for term, value in zip(order, place, strict=True)):
        raise InvalidQuery("cursor", "must be the next of an earlier answer")
    found: Condition = false()
    for term, value in zip(reversed(order), reversed(place), strict=True):
        found = or_(term._after(value), and_(term._same(value), found))
    if place[0] is None:
        return found
    return and_(order[0].not_before(place[0]), found)  # an index answers the first part
