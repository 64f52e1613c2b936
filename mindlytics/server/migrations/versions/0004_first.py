"""The first version that can be upgraded."""

from __future__ import annotations

revision = "0004"
down_revision = None


def upgrade() -> None:
    """Do nothing: files of this version were made without Alembic."""
