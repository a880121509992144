"""Read the metadata of an ONNX file without loading its weights."""

import os
from pathlib import Path
from typing import BinaryIO

# onnx.proto: `ModelProto.metadata_props`, and the key and the value of a `StringStringEntryProto`.
_METADATA_FIELD = 14
_KEY_FIELD, _VALUE_FIELD = 1, 2
# The wire types of Protocol Buffers.
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT_BYTES = 10
# SenseVoice keeps 1,120 numbers of a normalization in one value, 20 kB; vocabularies lie in files of their own.
_LARGEST_ENTRY_BYTES = 1 << 20
_MOST_ENTRIES = 1_000


class MetadataError(Exception):
    """The file is no ONNX model; the message says why."""


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file, whose weights are skipped; raises MetadataError, and OSError."""
    metadata: dict[str, str] = {}
    n_bytes = path.stat().st_size
    if not n_bytes:
        raise MetadataError("it is empty")
    with path.open("rb") as file:
        while file.tell() < n_bytes:
            field, wire_type = divmod(_varint(file), 8)
            if field == _METADATA_FIELD and wire_type == _LENGTH:
                key, value = _entry(file, n_bytes)
                metadata[key] = value
                if len(metadata) > _MOST_ENTRIES:
                    raise MetadataError(f"it has more than {_MOST_ENTRIES} entries of metadata")
            else:
                _skip(file, field, wire_type, n_bytes)
    return metadata


def _entry(file: BinaryIO, n_bytes: int) -> tuple[str, str]:
    length = _length(file, n_bytes)
    if length > _LARGEST_ENTRY_BYTES:
        raise MetadataError(f"an entry of its metadata has {length} bytes")
    end = file.tell() + length
    texts = {_KEY_FIELD: "", _VALUE_FIELD: ""}
    while file.tell() < end:
        field, wire_type = divmod(_varint(file), 8)
        if field in texts and wire_type == _LENGTH:
            texts[field] = file.read(_length(file, end)).decode(errors="replace")
        else:
            _skip(file, field, wire_type, end)
    return texts[_KEY_FIELD], texts[_VALUE_FIELD]


def _skip(file: BinaryIO, field: int, wire_type: int, end: int) -> None:
    if not field:
        raise MetadataError("it is no ONNX file")
    if wire_type == _VARINT:
        _varint(file)
    elif wire_type == _LENGTH:
        file.seek(_length(file, end), os.SEEK_CUR)
    elif wire_type in _FIXED_BYTES and file.tell() + _FIXED_BYTES[wire_type] <= end:
        file.seek(_FIXED_BYTES[wire_type], os.SEEK_CUR)
    else:
        raise MetadataError("it is no ONNX file")


def _length(file: BinaryIO, end: int) -> int:
    length = _varint(file)
    if length > end - file.tell():
        raise MetadataError("it ends too soon: it is damaged, or no ONNX file")
    return length


def _varint(file: BinaryIO) -> int:
    value = 0
    for place in range(_LONGEST_VARINT_BYTES):
        read = file.read(1)
        if not read:
            raise MetadataError("it ends too soon: it is damaged, or no ONNX file")
        value |= (read[0] & 0x7F) << (7 * place)
        if read[0] < 0x80:
            return value
    raise MetadataError("it is no ONNX file")
