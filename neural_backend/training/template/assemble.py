"""Puts skin and anatomy together and writes the template file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from .anatomy.build import Anatomy
from .skin import SkinTemplate

log = logging.getLogger(__name__)

_IDENTITY_MODES = 80


def write_template(
    path: Path,
    skin: SkinTemplate,
    anatomy: Anatomy,
    landmarks: tuple[np.ndarray, np.ndarray],
    metadata: dict[str, str],
) -> None:
    """Write the file that `head.template.HeadTemplate.load` reads, by way of a temporary file beside it."""
    skin_count, modes = len(skin.vertices), min(_IDENTITY_MODES, len(skin.identity))
    vertex_ids = (
        np.concatenate([np.arange(skin.level_0_count), skin_count + anatomy.levels[0].vertex_ids]),
        np.concatenate([np.arange(skin_count), skin_count + anatomy.levels[1].vertex_ids]),
    )
    if not np.array_equal(vertex_ids[1], np.arange(len(vertex_ids[1]))):
        raise ValueError("Level 1 must use every vertex of the anatomy, in order.")
    data: dict[str, np.ndarray] = {
        "vertices": np.concatenate([skin.vertices, anatomy.vertices]).astype(np.float32),
        "mirror": np.concatenate([skin.mirror, skin_count + anatomy.mirror]),
        "joint_weights": np.concatenate([skin.joint_weights, anatomy.joint_weights]).astype(np.float16),
        "joint_positions": anatomy.joint_positions.astype(np.float32),
        "joint_identity": anatomy.joint_identity[:modes].astype(np.float32),
        "landmarks68_triangle": landmarks[0],
        "landmarks68_barycentric": landmarks[1].astype(np.float32),
    }
    identity = np.concatenate([skin.identity[:modes], anatomy.identity[:modes]], axis=1)
    data["identity"], data["identity_scale"] = coded(identity)
    codes, data["arkit_scale"] = coded(np.concatenate([skin.arkit, anatomy.arkit], axis=1))
    shape, vertex = np.nonzero(codes.any(2))
    data["arkit"], data["arkit_vertex"] = codes[shape, vertex], vertex  # only what each shape moves
    data["arkit_count"] = np.bincount(shape, minlength=len(codes))
    for number, level in enumerate(anatomy.levels):
        skin_level = len(skin.vertices) if number else skin.level_0_count
        data[f"vertex_ids_{number}"] = vertex_ids[number]
        data[f"quads_{number}"] = np.concatenate([skin.quads[number], skin_level + level.quads])
        data[f"uv_{number}"] = np.concatenate([skin.uv[number], level.uv]).astype(np.float32)
        data[f"face_uv_{number}"] = np.concatenate([skin.face_uv[number], len(skin.uv[number]) + level.face_uv])
        data[f"face_part_{number}"] = np.concatenate([skin.face_part[number], level.face_part]).astype(np.uint8)
        curves = skin.curves[number] | {name: skin_level + loop for name, loop in level.curves.items()}
        data |= {f"curve_{number}/{name}": loop for name, loop in curves.items()}
    data = {name: value.astype(np.int32) if value.dtype == np.int64 else value for name, value in data.items()}
    data = {name: np.ascontiguousarray(value) for name, value in data.items()}
    temporary = Path(path).with_suffix(".partial")
    save_file(data, str(temporary), metadata=metadata)
    temporary.replace(path)
    log.info("%s: %.1f MB", path, Path(path).stat().st_size / 1e6)


def coded(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int16 codes [n, V, 3], float32 scale [n]): an empty shape gets scale 0."""
    scale = np.abs(shapes).reshape(len(shapes), -1).max(1).astype(np.float64) / 32767
    codes = np.round(shapes / np.maximum(scale, 1e-30)[:, None, None]).astype(np.int16)
    return codes, scale.astype(np.float32)
