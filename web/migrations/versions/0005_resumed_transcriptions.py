"""What a transcription needs to be resumed at another gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transcriptions", sa.Column("generation", sa.Integer, nullable=False, server_default="0"))
    op.add_column("transcriptions", sa.Column("delivered_samples", sa.BigInteger))
    op.add_column("transcriptions", sa.Column("channel", sa.String(63)))
    op.add_column("transcriptions", sa.Column("channel_offset_ms", sa.BigInteger))
