"""Find open sessions without reading all."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("CREATE INDEX open_sessions ON sessions (ended_at) WHERE ended_at IS NULL")
