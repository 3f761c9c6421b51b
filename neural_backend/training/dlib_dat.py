"""Read dlib's serialized face recognition ResNet (dlib_face_recognition_resnet_model_v1.dat, CC0) without dlib.

dlib writes each layer as a version string ("con_4", "affine_", "fc_2"), its parameter tensor and its options, with
integers as one control byte (length, sign bit) and little-endian bytes (dlib/serialize.h). Only those three kinds of
layer carry parameters here; they come in the file in the order of the forward pass reversed to input first.
"""

from __future__ import annotations

import re

import numpy as np

LAYER = re.compile(rb"(con_[0-9]|affine_[0-9]?|fc_[0-9])")


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def integer(self) -> int:
        control = self.data[self.at]
        size = control & 0x0F
        value = int.from_bytes(self.data[self.at + 1 : self.at + 1 + size], "little")
        self.at += 1 + size
        return -value if control & 0x80 else value

    def tensor(self) -> np.ndarray:
        if self.integer() != 2:
            raise ValueError("Not a version 2 tensor: this is not the dlib file this reader knows.")
        count = int(np.prod([self.integer() for _ in range(4)]))
        values = np.frombuffer(self.data, "<f4", count, self.at).copy()
        self.at += 4 * count
        return values


def read_dlib_resnet(data: bytes) -> dict[str, np.ndarray]:
    """Parameters by name, input first, each affine (frozen batch norm) folded into the convolution before it.

    Returns:
        `conv{i}.weight` [O, I, k, k], `conv{i}.bias` [O] for 29 convolutions and `fc.weight` [256, 128].
    """
    layers: dict[str, np.ndarray] = {}
    pending: tuple[np.ndarray, list[int]] | None = None
    index = 0
    for match in LAYER.finditer(data):
        name, start = match.group().decode(), match.start()
        if data[start - 1] != len(name) or data[start - 2] != 1:
            continue  # the bytes happen to spell a name: a version string is preceded by its length
        reader = _Reader(data, match.end())
        if name.startswith("con_"):
            pending = (reader.tensor(), [reader.integer() for _ in range(7)])
        elif name.startswith("affine"):
            gain_shift = reader.tensor()
            values, (filters, rows, columns, *_) = pending
            gain, shift = gain_shift[:filters], gain_shift[filters:]
            weight = values[:-filters].reshape(filters, -1, rows, columns)
            layers[f"conv{index}.weight"] = weight * gain[:, None, None, None]
            layers[f"conv{index}.bias"] = values[-filters:] * gain + shift
            index += 1
        else:
            outputs = reader.integer()
            reader.integer()  # number of inputs, implied by the tensor
            layers["fc.weight"] = reader.tensor().reshape(-1, outputs)
    return layers
