"""Frames on a pipe: u32 header length, u64 blob length (little endian), a JSON object, raw bytes.

Lengths are bounded, so that garbage on the pipe is an error at once and never an attempt to read a terabyte.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import BinaryIO

_LENGTHS = struct.Struct("<IQ")
MAX_HEADER = 4 << 20
MAX_BLOB = 1 << 30


class FramingError(Exception):
    """What came through the pipe is not a frame."""


@dataclass(frozen=True)
class Frame:
    header: dict[str, object]
    blob: bytes = b""


def pack(frame: Frame) -> bytes:
    """The bytes of a frame.

    Raises:
        FramingError: header or blob are longer than any reader accepts.
    """
    header = json.dumps(frame.header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(header) > MAX_HEADER or len(frame.blob) > MAX_BLOB:
        raise FramingError(f"a frame of {len(header)} + {len(frame.blob)} bytes is too long to send")
    return _LENGTHS.pack(len(header), len(frame.blob)) + header + frame.blob


def read(stream: BinaryIO) -> Frame | None:
    """The next frame, or None at the orderly end of the stream. Blocks.

    Raises:
        FramingError: the stream ends inside a frame, or holds something else.
    """
    lengths = _read_exactly(stream, _LENGTHS.size, may_end=True)
    if lengths is None:
        return None
    header_length, blob_length = _LENGTHS.unpack(lengths)
    if not 2 <= header_length <= MAX_HEADER or blob_length > MAX_BLOB:
        raise FramingError(f"lengths {header_length} and {blob_length} are not those of a frame")
    try:
        header = json.loads(_read_exactly(stream, header_length))
    except ValueError as error:
        raise FramingError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise FramingError("the header is not a JSON object")
    return Frame(header, _read_exactly(stream, blob_length) if blob_length else b"")


def _read_exactly(stream: BinaryIO, count: int, may_end: bool = False) -> bytes | None:
    parts, missing = [], count
    while missing:
        part = stream.read(missing)  # a raw pipe may give less than asked
        if not part:
            if may_end and missing == count:
                return None
            raise FramingError("the stream ended inside a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
