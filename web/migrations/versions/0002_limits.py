"""What is counted of a recording, tokens that were used, notes of processes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transcriptions", sa.Column("minutes", sa.Float(53)))
    op.add_column("transcriptions", sa.Column("counted_samples", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "token_uses",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Float(53), nullable=False),
    )
    op.create_index("ix_token_uses_expires_at", "token_uses", ["expires_at"])
    op.create_table(
        "notes",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
