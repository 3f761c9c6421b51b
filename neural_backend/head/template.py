"""The head template: our topology, its mean shape, its linear statistics and everything bound to its vertices.

Built by `neural_backend.training.template`; shipped as weights/template.safetensors; docs/template.md tells how it was
made. One vertex array (level 1) serves both levels of detail: level 0 is a subset of its vertices with its own quads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .weights_file import read_weights

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
TEMPLATE_FILE = WEIGHTS_FOLDER / "template.safetensors"

#: Parts a face can belong to; `Level.face_part` indexes this tuple.
PART_NAMES: tuple[str, ...] = (
    "skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril",
    "eye_left", "eye_right", "cornea_left", "cornea_right",
    "teeth_upper", "teeth_lower", "gums_upper", "gums_lower", "tongue", "lashes", "tear_line",
)  # fmt: skip
#: The texture set (and the UV square) of each part: maps of one set are named `<map>.png`, `eye_<map>.png`, ...
PART_TEXTURE_SET: tuple[str, ...] = (
    "skin", "skin", "skin", "skin", "skin", "eye", "eye", "cornea", "cornea",
    "mouth", "mouth", "mouth", "mouth", "mouth", "lashes", "tear_line",
)  # fmt: skip
JOINT_NAMES: tuple[str, ...] = ("neck", "head", "jaw", "eye_left", "eye_right")
JOINT_PARENTS: tuple[int, ...] = (-1, 0, 1, 1, 1)


@dataclass(frozen=True)
class Level:
    """One level of detail. Vertex ids in `quads` and `curves` count within this level's own vertices."""

    vertex_ids: np.ndarray  # [V_l] int64: which of the template's (level 1) vertices this level has, in order
    quads: np.ndarray  # [F, 4] int64
    uv: np.ndarray  # [T, 2] float32, origin bottom left; each texture set fills the unit square by itself
    face_uv: np.ndarray  # [F, 4] int64 into uv
    face_part: np.ndarray  # [F] uint8 into PART_NAMES
    curves: dict[str, np.ndarray]  # named vertex loops: mouth_00.., eye_left_00.., ear_.., nostril_.., neck_rim

    @cached_property
    def triangles(self) -> np.ndarray:  # [2F, 3] int64, quad f gives triangles f and F + f
        return np.concatenate([self.quads[:, [0, 1, 2]], self.quads[:, [0, 2, 3]]])

    @cached_property
    def triangle_uv(self) -> np.ndarray:  # [2F, 3] int64 into uv
        return np.concatenate([self.face_uv[:, [0, 1, 2]], self.face_uv[:, [0, 2, 3]]])

    @cached_property
    def triangle_part(self) -> np.ndarray:  # [2F] uint8
        return np.concatenate([self.face_part, self.face_part])

    def faces_of(self, *parts: str) -> np.ndarray:
        """[n] ids of the quads that belong to the named parts."""
        return np.flatnonzero(np.isin(self.face_part, [PART_NAMES.index(part) for part in parts]))


@dataclass(frozen=True)
class HeadTemplate:
    """Mean head in metres (+X the subject's left, +Y up, +Z out of the face) and its linear models."""

    vertices: np.ndarray  # [V, 3] float32 mean neutral head
    identity: np.ndarray  # [K, V, 3] float32 identity modes: coefficients are N(0, 1)
    arkit: np.ndarray  # [52, V, 3] float32 displacement of each ARKit shape at weight 1
    mirror: np.ndarray  # [V] int64: the vertex on the other side
    joint_weights: np.ndarray  # [V, 5] float32 rows sum to 1
    joint_positions: np.ndarray  # [5, 3] float32 of the mean head
    joint_identity: np.ndarray  # [K, 5, 3] float32 how identity moves the joints
    landmarks68_triangle: np.ndarray  # [68, 3] int64 level-1 vertices
    landmarks68_barycentric: np.ndarray  # [68, 3] float32
    levels: tuple[Level, Level]
    metadata: dict[str, str]

    @classmethod
    def load(cls, path: Path = TEMPLATE_FILE) -> HeadTemplate:
        """Read the shipped template.

        Raises:
            FileNotFoundError: no template at `path`; the sentence says how to build one.
        """
        data, metadata = read_weights(
            path, "head template", "'python -m neural_backend.training.template' (docs/training.md)"
        )
        levels = tuple(
            Level(
                vertex_ids=data[f"vertex_ids_{level}"].astype(np.int64),
                quads=data[f"quads_{level}"].astype(np.int64),
                uv=data[f"uv_{level}"].astype(np.float32),
                face_uv=data[f"face_uv_{level}"].astype(np.int64),
                face_part=data[f"face_part_{level}"],
                curves={
                    key.removeprefix(f"curve_{level}/"): value.astype(np.int64)
                    for key, value in data.items()
                    if key.startswith(f"curve_{level}/")
                },
            )
            for level in (0, 1)
        )

        def scaled(name: str) -> np.ndarray:  # [n, V, 3] int16 codes times one float32 scale per shape
            return data[name].astype(np.float32) * data[f"{name}_scale"][:, None, None]

        return cls(
            vertices=data["vertices"].astype(np.float32),
            identity=scaled("identity"),
            arkit=_arkit(data),
            mirror=data["mirror"].astype(np.int64),
            joint_weights=data["joint_weights"].astype(np.float32),
            joint_positions=data["joint_positions"],
            joint_identity=data["joint_identity"],
            landmarks68_triangle=data["landmarks68_triangle"].astype(np.int64),
            landmarks68_barycentric=data["landmarks68_barycentric"],
            levels=levels,
            metadata=metadata,
        )

    def shape(
        self,
        identity: np.ndarray | None = None,  # [<=K]
        expression: np.ndarray | None = None,  # [52]
    ) -> np.ndarray:
        """[V, 3] vertices of one head by the linear model alone (no eye refit, no contact corrective)."""
        vertices = self.vertices.copy()
        if identity is not None:
            vertices += np.tensordot(np.asarray(identity, np.float32), self.identity[: len(identity)], 1)
        if expression is not None:
            vertices += np.tensordot(np.asarray(expression, np.float32), self.arkit, 1)
        return vertices

    def joints(self, identity: np.ndarray | None = None) -> np.ndarray:
        """[5, 3] joint positions in metres, in the order of JOINT_NAMES."""
        if identity is None:
            return self.joint_positions.copy()
        return self.joint_positions + np.tensordot(
            np.asarray(identity, np.float32), self.joint_identity[: len(identity)], 1
        )

    def part_vertices(self, *parts: str) -> np.ndarray:
        """[n] sorted level-1 vertex ids used by the faces of the named parts."""
        return np.unique(self.levels[1].quads[self.levels[1].faces_of(*parts)])


def _arkit(data: dict[str, np.ndarray]) -> np.ndarray:
    """[52, V, 3] from the vertices that each shape moves: most shapes leave most of the head where it is."""
    shapes = np.zeros((len(data["arkit_scale"]), len(data["vertices"]), 3), np.float32)
    shape = np.repeat(np.arange(len(shapes)), data["arkit_count"])
    shapes[shape, data["arkit_vertex"]] = data["arkit"].astype(np.float32) * data["arkit_scale"][shape, None]
    return shapes


def metadata_entry(value: object) -> str:
    """safetensors metadata holds strings only."""
    return json.dumps(value)
