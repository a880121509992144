"""Webhooks and what is posted to them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("channel", sa.String(63), sa.ForeignKey("channels.name", ondelete="CASCADE")),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("lines_until", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.Float(53), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.Column("last_attempt_at", sa.Float(53)),
    )
    op.create_index("ix_webhooks_owner", "webhooks", ["owner"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("webhook_id", sa.String(36), sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("subject", sa.String(160), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("channel", sa.String(63), sa.ForeignKey("channels.name", ondelete="CASCADE")),
        sa.Column("transcription_id", sa.String(36), sa.ForeignKey("transcriptions.id", ondelete="CASCADE")),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.UniqueConstraint("webhook_id", "subject", name="uq_deliveries_webhook_id_subject"),
    )
    op.create_index("ix_deliveries_webhook_id_state_position", "deliveries", ["webhook_id", "state", "position"])
    op.create_index("ix_deliveries_channel", "deliveries", ["channel"])
    op.create_index("ix_deliveries_transcription_id", "deliveries", ["transcription_id"])
