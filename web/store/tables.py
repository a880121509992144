"""Owns the tables of the database; `web/migrations` brings a database to what is written here."""

from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

# Names that are the same on every database, so that migrations can speak of them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Kind(StrEnum):
    """How a transcription came about."""

    LIVE = "live"
    SHORT = "short"
    LONG = "long"


class Status(StrEnum):
    """Where a transcription is; `FAILED` has an error instead of a result."""

    QUEUED = "queued"
    PROCESSING = "processing"
    PARTIAL = "partial"
    DONE = "done"
    FAILED = "failed"


class Training(StrEnum):
    """Where a language model is."""

    QUEUED = "queued"
    TRAINING = "training"
    TRAINED = "trained"


OPEN = (Status.QUEUED, Status.PROCESSING, Status.PARTIAL)
"""The states in which something is still to come."""

# Times are seconds since 1970; positions are samples at 16 kHz.
transcriptions = Table(
    "transcriptions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("touched_at", Float(53), nullable=False),
    Column("expires_at", Float(53), nullable=False, index=True),
    Column("received_samples", BigInteger, nullable=False, default=0),
    Column("inference_seconds", Float(53), nullable=False, default=0.0),
    Column("whole_seconds", Boolean, nullable=False, default=False),
    Column("error_type", String(32)),
    Column("error_detail", Text),
    # What only a long recording has: where it comes from, how it is to be heard, how much of it has arrived.
    Column("uri", Text),
    Column("config", JSON(none_as_null=True)),
    Column("options", JSON(none_as_null=True)),
    Column("received_bytes", BigInteger, nullable=False, default=0),
    Column("total_bytes", BigInteger),
    Column("is_received", Boolean, nullable=False, default=False),
    # The minutes of audio that its owner may have in a day, and how much of this recording was counted towards them.
    Column("minutes", Float(53)),
    Column("counted_samples", BigInteger, nullable=False, default=0, server_default="0"),
    Index(None, "owner", "created_at", "id"),
    Index(None, "status", "kind"),
)

utterances = Table(
    "utterances",
    metadata,
    Column("transcription_id", ForeignKey("transcriptions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("channel", Integer, nullable=False, default=0),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    # The settled hypotheses as JSON, best first; none while it is only a segment of a recording.
    Column("alternatives", LargeBinary),
    # The segment's sound until it is settled, and its digest for good: a recording that is read again is compared.
    Column("pcm", LargeBinary),
    Column("digest", LargeBinary),
    Column("failures", Integer, nullable=False, default=0),
)

language_models = Table(
    "language_models",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("corpora", JSON, nullable=False),
    Column("phrases", JSON(none_as_null=True)),
    Index(None, "owner", "created_at"),
)

# Tokens for one use that were used, by a digest of their ids; PostgreSQL only, for all gateways together.
token_uses = Table(
    "token_uses",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires_at", Float(53), nullable=False, index=True),
)

# What processes note for each other and for those after them, by name.
notes = Table(
    "notes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
