"""Caption channels and their lines."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("languages", sa.JSON, nullable=False),
        sa.Column("is_public", sa.Boolean, nullable=False),
        sa.Column("retention_seconds", sa.Float(53), nullable=False),
        sa.Column("glossary", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("began_at", sa.Float(53)),
        sa.Column("next_number", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_channels_owner", "channels", ["owner"])
    op.create_table(
        "channel_lines",
        sa.Column("channel", sa.String(63), sa.ForeignKey("channels.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("change_id", sa.BigInteger, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("speaker", sa.String(255), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("recognized", sa.Text),
        sa.Column("is_hidden", sa.Boolean, nullable=False),
        sa.Column("transcription_id", sa.String(36), nullable=False),
        sa.Column("utterance", sa.Integer, nullable=False),
    )
    op.create_index("ix_channel_lines_channel_change_id", "channel_lines", ["channel", "change_id"])
