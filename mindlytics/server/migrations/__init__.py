"""Upgrades a database of an earlier version with Alembic. Each step is a file in ``versions/``.

``schema.py`` has the tables of a new database. A test checks that both ways lead to the same tables.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, made without a file."""
    found = Config(attributes={"connection": connection})
    found.set_main_option("script_location", "mindlytics.server:migrations")
    found.set_main_option("path_separator", "os")
    return found


def upgrade(connection: Connection, revision: str) -> bool:
    """Upgrade the tables to the current version, within the open transaction. Returns whether that is possible.

    :param revision: their version. Before ``0007``, Alembic had no table to note it in.
    """
    chosen = config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(chosen).walk_revisions()}
    if revision not in known:
        return False
    if not inspect(connection).has_table("alembic_version"):
        command.stamp(chosen, revision)
    command.upgrade(chosen, "head")
    return True
