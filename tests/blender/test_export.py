"""FBX and GLB out and in again: names, shapes, weights, bones and pictures, measured after Blender's own importers."""

from __future__ import annotations

import json
import struct

import bpy
import numpy as np
import pytest
from scipy_free import nearest

MILLIMETRE = 1e-3


def read_glb(path):
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + size])
