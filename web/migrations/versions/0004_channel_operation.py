"""Pauses and ends of caption channels, and corrections of stored utterances."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channels", sa.Column("is_paused", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("channels", sa.Column("ended_at", sa.Float(53)))
    op.add_column("utterances", sa.Column("corrections", sa.JSON))
