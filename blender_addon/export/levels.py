"""Topology of the coarser levels of detail, from the shipped template. numpy alone, no bpy.

Each level's vertices are a subset of the head's own, so that positions, shapes and weights are taken over by index from
the head as it is now, with everything that was sculpted on it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...neural_backend.protocol.safetensors import read_header
from ..identity.model import TEMPLATE_FILE

LOD2_FILE = TEMPLATE_FILE.with_name("lod2.safetensors")


class LevelError(Exception):
    """The levels of detail cannot be had; the message is one sentence for the artist, with the remedy."""


@dataclass(frozen=True)
class LevelTopology:
    """Faces over some of the head's vertices."""

    vertex_ids: np.ndarray  # [V] int64 into the head's vertices
    faces: np.ndarray  # [F, 4] int64 into vertex_ids; a triangle repeats its last vertex
    uv: np.ndarray  # [T, 2] float32
    face_uv: np.ndarray  # [F, 4] int64 into uv
    texture_set: np.ndarray  # [F] int64 into `set_names`
    set_names: tuple[str, ...]  # the head's material slots, in their order
    head_vertices: int  # how many the head has

    @property
    def triangles(self) -> np.ndarray:
        """[n, 6]: three vertices, three UV ids."""
        both = np.concatenate([self.faces, self.face_uv], 1)
        halves = np.concatenate([both[:, [0, 1, 2, 4, 5, 6]], both[:, [0, 2, 3, 4, 6, 7]]])
        sets = np.concatenate([self.texture_set, self.texture_set])
        real = (halves[:, 0] != halves[:, 1]) & (halves[:, 1] != halves[:, 2]) & (halves[:, 2] != halves[:, 0])
        return np.concatenate([halves, sets[:, None]], 1)[real]


@functools.lru_cache(maxsize=1)
def coarser_levels(template: Path = TEMPLATE_FILE, lod2: Path = LOD2_FILE) -> tuple[LevelTopology, LevelTopology]:
    """LOD1 and LOD2.

    Raises:
        LevelError: a shipped file is missing, damaged, or was made for another template.
    """
    try:
        shapes, _ = read_header(template)
        tensors, metadata = read_header(lod2)
        digest = hashlib.sha256()
        for name in ("vertex_ids_0", "quads_0", "uv_0", "face_uv_0", "face_part_0"):
            digest.update(_read(template, shapes[name]).tobytes())
        if metadata["topology_sha256"] != digest.hexdigest():
            raise ValueError("lod2 was made for another template")
        part_sets = json.loads(metadata["texture_sets"])
        names = tuple(dict.fromkeys(part_sets))
        set_of_part = np.array([names.index(name) for name in part_sets])
        count = shapes["vertices"].shape[0]
        first = LevelTopology(
            vertex_ids=_read(template, shapes["vertex_ids_0"]).astype(np.int64),
            faces=_read(template, shapes["quads_0"]).astype(np.int64),
            uv=_read(template, shapes["uv_0"]).astype(np.float32),
            face_uv=_read(template, shapes["face_uv_0"]).astype(np.int64),
            texture_set=set_of_part[_read(template, shapes["face_part_0"])],
            set_names=names,
            head_vertices=count,
        )
        second = LevelTopology(
            vertex_ids=_read(lod2, tensors["vertex_ids"]).astype(np.int64),
            faces=_as_quads(_read(lod2, tensors["triangles"])),
            uv=_read(lod2, tensors["uv"]).astype(np.float32),
            face_uv=_as_quads(_read(lod2, tensors["face_uv"])),
            texture_set=set_of_part[_read(lod2, tensors["face_part"])],
            set_names=names,
            head_vertices=count,
        )
    except (OSError, ValueError, KeyError, IndexError) as error:
        state = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({error})"
        raise LevelError(f"Mien's levels of detail are {state}: install the extension again.") from error
    return first, second


def _as_quads(triangles: np.ndarray) -> np.ndarray:
    return triangles[:, [0, 1, 2, 2]].astype(np.int64)


def _read(path: Path, tensor) -> np.ndarray:
    with open(path, "rb") as file:
        file.seek(tensor.begin)
        return np.frombuffer(file.read(tensor.end - tensor.begin), tensor.dtype).reshape(tensor.shape)
