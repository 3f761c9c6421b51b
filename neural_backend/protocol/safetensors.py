"""The header of a safetensors file, read with the standard library: both halves then view the tensors with numpy."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

#: safetensors' names -> the letters of numpy's (and struct's) little-endian types. bfloat16 has none and is refused.
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_LARGEST_HEADER = 100_000_000  # bytes, the format's own limit


@dataclass(frozen=True)
class Tensor:
    """Where one tensor lies in the file."""

    dtype: str  # little endian, as numpy writes it
    shape: tuple[int, ...]
    begin: int  # bytes from the file's start
    end: int


def read_header(path: Path | str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors by name, metadata) of a safetensors file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a safetensors file, or it is cut short.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
            raise ValueError(f"{Path(path).name} is not a safetensors file")
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + int(offset) for offset in entry["data_offsets"])
        if entry["dtype"] not in DTYPES or not 8 + length <= begin <= end <= size:
            raise ValueError(f"{Path(path).name} is cut short, or {name} has a type that is not known here")
        tensors[name] = Tensor(DTYPES[entry["dtype"]], tuple(map(int, entry["shape"])), begin, end)
    return tensors, dict(metadata)
