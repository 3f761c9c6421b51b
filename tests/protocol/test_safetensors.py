"""Our reader of safetensors' header against the library that wrote the file."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from neural_backend.head.weights_file import read_weights
from neural_backend.protocol.safetensors import read_header


def test_reads_what_the_library_wrote(tmp_path):
    rng = np.random.default_rng(1)
    types = ("float32", "float16", "float64", "int16", "int32", "int64", "uint8", "bool")
    arrays = {name: (rng.normal(size=(3, 5, 2)) * 10).astype(name) for name in types} | {
        "empty": np.zeros((0, 3), "f4")
    }
    path = tmp_path / "a.safetensors"
    save_file(arrays, path, metadata={"unit": "metre"})
    read, metadata = read_weights(path, "test", "nothing")
    assert metadata == {"unit": "metre"} and read.keys() == arrays.keys()
    for name, array in load_file(path).items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("damage", ["text", "short", "cut", "unknown type"])
def test_refuses_what_is_damaged(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    save_file({"x": np.arange(100, dtype=np.float32)}, path)
    content = path.read_bytes()
    if damage == "text":
        content = b"this is not a tensor file at all, but a text"
    elif damage == "short":
        content = content[:5]
    elif damage == "cut":
        content = content[:-8]
    else:
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + length])
        header["x"]["dtype"] = "F8_E4M3"
        text = json.dumps(header).encode()
        content = struct.pack("<Q", len(text)) + text + content[8 + length :]
    path.write_bytes(content)
    with pytest.raises(ValueError):
        read_header(path)
