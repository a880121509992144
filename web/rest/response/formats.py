"""Formats of transcriptions."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """Lines of text, the `done` message as JSON, or subtitles."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
