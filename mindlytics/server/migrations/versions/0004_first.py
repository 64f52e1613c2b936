"""The first version that is carried over."""

from __future__ import annotations

revision = "0004"
down_revision = None


def upgrade() -> None:
    """Nothing: files of this version were made without Alembic."""
