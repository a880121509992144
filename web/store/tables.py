"""The tables of the database; `web/migrations` brings a database to this state."""

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
    UniqueConstraint,
)

# Migrations need names that are the same on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Kind(StrEnum):
    """The interface that made a transcription."""

    LIVE = "live"
    SHORT = "short"
    LONG = "long"


class Status(StrEnum):
    """The progress of a transcription; a `FAILED` one has an error."""

    QUEUED = "queued"
    PROCESSING = "processing"
    PARTIAL = "partial"
    DONE = "done"
    FAILED = "failed"


class Training(StrEnum):
    """The progress of a language model."""

    QUEUED = "queued"
    TRAINING = "training"
    TRAINED = "trained"


OPEN = (Status.QUEUED, Status.PROCESSING, Status.PARTIAL)
"""The states of a transcription that is still growing."""

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
    # Of long recordings only: where they come from, how they are recognized, how much has arrived.
    Column("uri", Text),
    Column("config", JSON(none_as_null=True)),
    Column("options", JSON(none_as_null=True)),
    Column("received_bytes", BigInteger, nullable=False, default=0),
    Column("total_bytes", BigInteger),
    Column("is_received", Boolean, nullable=False, default=False),
    # The minutes of audio that the owner may have in a day, and how much of this recording was counted towards them.
    Column("minutes", Float(53)),
    Column("counted_samples", BigInteger, nullable=False, default=0, server_default="0"),
    # Of live ones: how many connections have resumed it, and what the last one is known to have delivered if its client
    # vanished; the caption channel that it is published to, and its first sample there.
    Column("generation", Integer, nullable=False, default=0, server_default="0"),
    Column("delivered_samples", BigInteger),
    Column("channel", String(63)),
    Column("channel_offset_ms", BigInteger),
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
    # The settled hypotheses as JSON, best first; NULL for a segment that is still to be recognized.
    Column("alternatives", LargeBinary),
    # What an operator of a caption channel made of it, by the number of its line there.
    Column("corrections", JSON(none_as_null=True)),
    # The audio of a segment until it is settled. Its digest stays, to compare a recording that is read again.
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

# Caption channels: their clock begins with the first audio of the first publisher. `next_number` is the first line
# number that no process has reserved.
channels = Table(
    "channels",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("owner", String(255), nullable=False, index=True),
    Column("title", String(255), nullable=False),
    Column("languages", JSON, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("retention_seconds", Float(53), nullable=False),
    Column("glossary", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("began_at", Float(53)),
    Column("next_number", BigInteger, nullable=False, default=1),
    # What its operator has done: nothing is published while it is paused, and nothing more once it has ended.
    Column("is_paused", Boolean, nullable=False, default=False),
    Column("ended_at", Float(53)),
)

# The settled lines of channels; a change id is the time of the last change, in milliseconds since 1970.
channel_lines = Table(
    "channel_lines",
    metadata,
    Column("channel", ForeignKey("channels.name", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("change_id", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("speaker", String(255), nullable=False),
    Column("text", Text, nullable=False),
    # The text before it was corrected.
    Column("recognized", Text),
    Column("is_hidden", Boolean, nullable=False, default=False),
    Column("transcription_id", String(36), nullable=False),
    Column("utterance", Integer, nullable=False),
    Index(None, "channel", "change_id"),
)

# Addresses to which events are posted. Lines up to the change id `lines_until` were collected; nothing is posted before
# `due_at`, which whoever posts sets ahead.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(255), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("secret", String(255), nullable=False),
    Column("events", JSON, nullable=False),
    Column("channel", ForeignKey("channels.name", ondelete="CASCADE")),
    Column("created_at", Float(53), nullable=False),
    Column("lines_until", BigInteger, nullable=False),
    Column("due_at", Float(53), nullable=False, default=0.0),
    Column("failures", Integer, nullable=False, default=0),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("last_attempt_at", Float(53)),
)

# What is posted, in the order of positions. The body is there until it is delivered or given up.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("subject", String(160), nullable=False),
    Column("event", String(16), nullable=False),
    Column("channel", ForeignKey("channels.name", ondelete="CASCADE"), index=True),
    Column("transcription_id", ForeignKey("transcriptions.id", ondelete="CASCADE"), index=True),
    Column("position", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("body", LargeBinary),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("webhook_id", "subject"),
    Index(None, "webhook_id", "state", "position"),
)

# Tokens for one use that were used, by digests of their ids; on PostgreSQL only, for all gateways together.
token_uses = Table(
    "token_uses",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires_at", Float(53), nullable=False, index=True),
)

# Short texts that processes leave for each other and for the next start.
notes = Table(
    "notes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
