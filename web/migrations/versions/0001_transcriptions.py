"""The first tables: transcriptions, their utterances, language models."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transcriptions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("touched_at", sa.Float(53), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        sa.Column("received_samples", sa.BigInteger, nullable=False),
        sa.Column("inference_seconds", sa.Float(53), nullable=False),
        sa.Column("whole_seconds", sa.Boolean, nullable=False),
        sa.Column("error_type", sa.String(32)),
        sa.Column("error_detail", sa.Text),
        sa.Column("uri", sa.Text),
        sa.Column("config", sa.JSON),
        sa.Column("options", sa.JSON),
        sa.Column("received_bytes", sa.BigInteger, nullable=False),
        sa.Column("total_bytes", sa.BigInteger),
        sa.Column("is_received", sa.Boolean, nullable=False),
    )
    op.create_index("ix_transcriptions_expires_at", "transcriptions", ["expires_at"])
    op.create_index("ix_transcriptions_owner_created_at_id", "transcriptions", ["owner", "created_at", "id"])
    op.create_index("ix_transcriptions_status_kind", "transcriptions", ["status", "kind"])
    op.create_table(
        "utterances",
        sa.Column(
            "transcription_id",
            sa.String(36),
            sa.ForeignKey("transcriptions.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("channel", sa.Integer, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("alternatives", sa.LargeBinary),
        sa.Column("pcm", sa.LargeBinary),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    op.create_table(
        "language_models",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("corpora", sa.JSON, nullable=False),
        sa.Column("phrases", sa.JSON),
    )
    op.create_index("ix_language_models_owner_created_at", "language_models", ["owner", "created_at"])
