"""Alembic runs this file. The steps use the given connection, within its transaction."""

from __future__ import annotations

from alembic import context

from mindlytics.server.schema import alembic_version

context.configure(connection=context.config.attributes["connection"], version_table=alembic_version.name)
context.run_migrations()
