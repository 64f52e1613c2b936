"""The SQL that SQLite and PostgreSQL say differently: JSON, the text of a number, upserts. All else is the same.

Maps and lists are kept as JSON text. The values of a map are compared by their JSON type: what is of another is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Numeric, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class has_key(FunctionElement[bool]):
    """Whether a map has this key."""

    type = Boolean()
    inherit_cache = True


class json_string(FunctionElement[str]):
    """The string at a key of a map."""

    type = Text()
    inherit_cache = True


class json_number(FunctionElement[Any]):
    """The number at a key of a map."""

    type = Numeric(asdecimal=False)
    inherit_cache = True


class json_boolean(FunctionElement[int]):
    """The boolean at a key of a map, as 1 or 0."""

    inherit_cache = True


class json_value(FunctionElement[Any]):
    """Whatever is at a key of a map, to sort by."""

    inherit_cache = True


class json_items(FunctionElement[str]):
    """The strings of a list, as a table of one column ``value``."""

    inherit_cache = True


class unindexed(FunctionElement[Any]):
    """A column that leads SQLite to no index. PostgreSQL knows by its statistics which index is worth it."""

    inherit_cache = True


class greatest(FunctionElement[int]):
    """The greatest of some numbers."""

    inherit_cache = True


class hexadecimal(FunctionElement[str]):
    """A number in 16 hexadecimal digits."""

    type = Text()
    inherit_cache = True


def upsert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that may say what is to be done where there is such a row.

    :param dialect: the name of a connection's dialect.
    """
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


Texts = Mapping[type[FunctionElement[Any]], str]

_SQLITE: Texts = {
    has_key: "EXISTS (SELECT 1 FROM json_each({}) WHERE key = {})",
    json_string: "(SELECT value FROM json_each({}) WHERE key = {} AND type = 'text')",
    json_number: "(SELECT value FROM json_each({}) WHERE key = {} AND type IN ('integer', 'real'))",
    json_boolean: "(SELECT value FROM json_each({}) WHERE key = {} AND type IN ('true', 'false'))",
    json_value: "(SELECT value FROM json_each({}) WHERE key = {})",
    json_items: "json_each({})",
    unindexed: "+{}",
    greatest: "max({}, {})",
    hexadecimal: "printf('%016x', {})",
}
_JSON = r"CAST(replace({0}, '\u0000', '\ufffd') AS jsonb)"
"""``jsonb`` takes no U+0000."""
_AT = f"{_JSON} -> {{1}}"
_POSTGRESQL: Texts = {
    has_key: f"({_JSON} -> {{1}}) IS NOT NULL",
    json_string: f"(CASE jsonb_typeof({_AT}) WHEN 'string' THEN {_JSON} ->> {{1}} END COLLATE \"C\")",
    json_number: f"CASE jsonb_typeof({_AT}) WHEN 'number' THEN CAST({_JSON} ->> {{1}} AS numeric) END",
    json_boolean: f"CASE {_AT} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END",
    json_value: f"({_AT})",
    json_items: f"jsonb_array_elements_text({_JSON})",
    unindexed: "{}",
    greatest: "CASE WHEN {0} IS NOT NULL THEN greatest({0}, {1}) END",
    hexadecimal: "lpad(to_hex({}), 16, '0')",
}


def _teach(dialect: str, texts: Texts) -> None:
    """Let SQLAlchemy write each function in this way."""
    for function, text in texts.items():

        def write(
            element: FunctionElement[object], compiler: SQLCompiler, *, text: str = text, **options: object
        ) -> str:
            arguments = [compiler.process(clause, **options) for clause in element.clauses]
            return text.format(*arguments)

        compiles(function, dialect)(write)


_teach("sqlite", _SQLITE)
_teach("postgresql", _POSTGRESQL)
