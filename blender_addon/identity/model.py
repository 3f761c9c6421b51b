"""The identity modes of the head template, as arrays ready for live editing. numpy alone, no bpy.

float32 throughout: numpy multiplies float16 in software, a hundred times slower.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...neural_backend.protocol.safetensors import Tensor, read_header
from ..head.frames import to_blender
from ..later import Later

TEMPLATE_FILE = Path(__file__).resolve().parents[2] / "neural_backend" / "weights" / "template.safetensors"

_LEVELS = (0, 1)


class IdentityError(Exception):
    """An identity cannot be edited; the message is one sentence for the artist, with the remedy."""


@dataclass(frozen=True)
class IdentityModel:
    """Linear identity: displacements in Blender's axes and metres, for the vertices of each level of detail."""

    modes: tuple[np.ndarray, ...]  # per level [K, 3V] float32, coarse level first
    vertex_ids: tuple[np.ndarray, ...]  # per level [V] into the finest level's vertices

    @property
    def count(self) -> int:
        """K, the number of codes."""
        return len(self.modes[0])

    def displacement(self, level: int, codes: np.ndarray) -> np.ndarray:
        """[3V] float32 where a change of the codes [K] takes the level's vertices."""
        return np.asarray(codes, np.float32) @ self.modes[level]


@functools.lru_cache(maxsize=1)
def level_sizes(path: Path = TEMPLATE_FILE) -> tuple[int, ...]:
    """Vertices of each level, coarse first. Reads the file's header alone: panels ask for it at every redraw.

    Raises:
        IdentityError: the template is missing or damaged.
    """
    try:
        tensors, _ = read_header(path)
        return tuple(tensors[f"vertex_ids_{level}"].shape[0] for level in _LEVELS)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(error) from error


def level_of(vertex_count: int) -> int | None:
    """Which level a mesh of so many vertices is, or None."""
    sizes = level_sizes()
    return sizes.index(vertex_count) if vertex_count in sizes else None


@functools.lru_cache(maxsize=1)
def identity_model(path: Path = TEMPLATE_FILE) -> IdentityModel:
    """Read the modes, once in a session (a third of a second).

    Raises:
        IdentityError: the template is missing or damaged.
    """
    try:
        tensors, _ = read_header(path)
        with open(path, "rb") as file:

            def read(name: str) -> np.ndarray:
                return _read(file, tensors[name])

            scaled = read("identity").astype(np.float32) * read("identity_scale").astype(np.float32)[:, None, None]
            vertex_ids = tuple(read(f"vertex_ids_{level}").astype(np.int64) for level in _LEVELS)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(error) from error
    modes = to_blender(scaled)  # [K, V, 3]
    flat = tuple(np.ascontiguousarray(modes[:, ids]).reshape(len(modes), -1) for ids in vertex_ids)
    return IdentityModel(flat, vertex_ids)


@functools.lru_cache(maxsize=1)
def read_ahead() -> Later:
    """Begin to read the modes in a thread, so that the first slider need not wait for them."""
    return Later(identity_model)


def _unreadable(error: Exception) -> IdentityError:
    state = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({error})"
    return IdentityError(f"Mien's head template is {state}: install the extension again.")


def _read(file, tensor: Tensor) -> np.ndarray:
    file.seek(tensor.begin)
    return np.frombuffer(file.read(tensor.end - tensor.begin), tensor.dtype).reshape(tensor.shape)
