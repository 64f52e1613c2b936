"""Filters and sort orders, MongoDB style, as SQL. Values and paths always travel as parameters.

Which collections and columns there are is in ``find.py``. As in MongoDB, values of different types are never equal and
have no order among each other, an absent field equals null, and a field that does not exist is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MindlyticsError
from .schema import microseconds

TEXT, NUMBER, TIME, MAP, LIST = "text", "number", "time", "map", "list"

MAX_CONDITIONS = 500
MAX_DEPTH = 20
INT64 = range(-(2**63), 2**63)

_COMPARISONS = {"$eq": "=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class InvalidQuery(MindlyticsError):
    """A filter, a sort order, a projection or another parameter of a read breaks a rule.

    :param parameter: its name.
    """

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(f"{parameter}: {message}")


class Filter:
    """One filter over the columns of a collection, compiled: ``sql`` is a condition, ``parameters`` fill it.

    :param columns: the kind of each column.
    :raises InvalidQuery: an operator is unknown or its operand is not what it needs.
    """

    def __init__(self, given: object, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._left = MAX_CONDITIONS
        self.parameters: list[Any] = []
        self.sql = self._all_of(given, 0)

    def _all_of(self, given: object, depth: int) -> str:
        if not isinstance(given, dict):
            raise InvalidQuery("filter", "must be a JSON object")
        if depth > MAX_DEPTH:
            raise InvalidQuery("filter", f"is nested more than {MAX_DEPTH} deep")
        parts = []
        for name, operand in given.items():
            if name in ("$and", "$or"):
                if not isinstance(operand, list) or not operand:
                    raise InvalidQuery("filter", f"{name} must be a list of at least one filter")
                word = " AND " if name == "$and" else " OR "
                parts.append("(" + word.join(self._all_of(item, depth + 1) for item in operand) + ")")
            elif name.startswith("$"):
                raise InvalidQuery("filter", f"unknown operator {name}")
            elif isinstance(operand, dict):
                if not operand:
                    raise InvalidQuery("filter", f"{name} needs an operator")
                parts += [self._condition(name, operator, value) for operator, value in operand.items()]
            else:
                parts.append(self._condition(name, "$eq", operand))
        return " AND ".join(parts) if parts else self._constant("1")

    def _condition(self, name: str, operator: str, operand: object) -> str:
        if operator == "$exists":
            if operand not in (True, False, 0, 1):
                raise InvalidQuery("filter", "$exists must be true or false")
            present = self._present(name)
            return present if operand else f"NOT {present}"
        if operator in ("$in", "$nin"):
            if not isinstance(operand, list):
                raise InvalidQuery("filter", f"{operator} must be a list")
            same = " OR ".join(self._compare(name, "$eq", item) for item in operand)
            found = f"({same})" if same else self._constant("0")
            return found if operator == "$in" else f"NOT coalesce({found}, 0)"
        if operator == "$ne":
            return f"NOT coalesce({self._compare(name, '$eq', operand)}, 0)"
        if operator in _COMPARISONS:
            return self._compare(name, operator, operand)
        raise InvalidQuery("filter", f"unknown operator {operator}")

    def _constant(self, sql: str) -> str:
        """What a list without items comes to: a condition as well, as it takes its place in the expression."""
        self._count()
        return sql

    def _present(self, name: str) -> str:
        self._count()
        column, _, key = name.partition(".")
        kind = self._columns.get(column)
        if kind is None or (key and kind != MAP):
            return "0"
        if not key:
            return f'("{column}" IS NOT NULL)'
        self.parameters.append(key)
        return f'EXISTS (SELECT 1 FROM json_each("{column}") WHERE key = ?)'

    def _compare(self, name: str, operator: str, operand: object) -> str:
        self._count()
        if isinstance(operand, (dict, list)):
            raise InvalidQuery("filter", f"{name} must be compared with a string, a number, a boolean or null")
        if operand is None:
            return f"NOT {self._present(name)}" if operator in ("$eq", "$gte", "$lte") else "0"
        column, _, key = name.partition(".")
        kind = self._columns.get(column)
        sign = _COMPARISONS[operator]
        if kind == MAP and key:
            self.parameters.append(key)
            return f'EXISTS (SELECT 1 FROM json_each("{column}") WHERE key = ? AND {self._json_value(sign, operand)})'
        if kind == LIST and not key:
            return f'EXISTS (SELECT 1 FROM json_each("{column}") WHERE {self._json_value(sign, operand)})'
        if key or kind in (None, MAP) or isinstance(operand, bool):
            return "0"
        if kind == TIME and isinstance(operand, str):
            try:
                operand = _moment(name, operand)
            except ValueError:
                rule = f"{name} must be compared with an ISO 8601 date, with or without a time"
                raise InvalidQuery("filter", rule) from None
        elif kind == TIME or isinstance(operand, str) != (kind == TEXT):
            return "0"
        self.parameters.append(_number(operand))
        return f'"{column}" {sign} ?'

    def _json_value(self, sign: str, operand: object) -> str:
        """The comparison of a row of ``json_each`` with the operand, of the same JSON type only."""
        if isinstance(operand, bool):
            types = "'true', 'false'"
        elif isinstance(operand, str):
            types = "'text'"
        else:
            types = "'integer', 'real'"
        self.parameters.append(_number(operand))
        return f"type IN ({types}) AND value {sign} ?"

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise InvalidQuery("filter", f"has more than {MAX_CONDITIONS} conditions")


def order_by(given: object, columns: Mapping[str, str]) -> tuple[str, list[Any]]:
    """The terms of ORDER BY for a sort such as ``{"timestamp": -1}``, each with a comma after it, and their parameters.

    :raises InvalidQuery: a direction is neither 1 nor -1.
    """
    if not isinstance(given, dict):
        raise InvalidQuery("sort", "must be a JSON object")
    if len(given) > MAX_DEPTH:
        raise InvalidQuery("sort", f"has more than {MAX_DEPTH} fields")
    sql, parameters = "", []
    for name, direction in given.items():
        if isinstance(direction, bool) or direction not in (1, -1):
            raise InvalidQuery("sort", f"the direction of {name} must be 1 or -1")
        column, _, key = name.partition(".")
        kind = columns.get(column)
        way = "ASC" if direction == 1 else "DESC"
        if kind == MAP and key:
            parameters.append(key)
            sql += f'(SELECT value FROM json_each("{column}") WHERE key = ?) {way}, '
        elif kind is not None and not key:
            sql += f'"{column}" {way}, '
    return sql, parameters


def moment(parameters: Mapping[str, str], name: str) -> int:
    """A required parameter that is a date, with or without a time, as it is stored.

    :raises InvalidQuery: it is missing, or no date.
    """
    try:
        return _moment(name, parameters.get(name, ""))
    except ValueError:
        raise InvalidQuery(name, "must be an ISO 8601 date, with or without a time") from None


def whole(parameters: Mapping[str, str], name: str, default: int = 0) -> int:
    """A parameter that counts something.

    :raises InvalidQuery: it is no whole number, or below 0.
    """
    text = parameters.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidQuery(name, "must be a whole number of at least 0")
    return int(text)


def _moment(name: str, text: str) -> int:
    return microseconds(text if len(text) > 10 else f"{text}T00:00:00Z", name)


def _number(operand: object) -> object:
    """The operand as SQLite takes it: integers beyond 64 bits as floats."""
    return float(operand) if isinstance(operand, int) and operand not in INT64 else operand
