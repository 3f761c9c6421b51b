"""MakeHuman's CC0 accessories (brows, lashes, hair, teeth, tongue) bound to its base mesh.

An .mhclo file binds each vertex of an .obj to three base-mesh vertices by weights and an offset that scales with the
base mesh. See MakeHuman's file format notes for "mhclo"; `delete_verts` and all of a material but its texture are
unused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Surface:
    """Any mesh to render: corners of quads carry their own UV; a triangle repeats its last corner."""

    vertices: np.ndarray  # [N, 3] metres
    quads: np.ndarray  # [F, 4]
    corner_uv: np.ndarray  # [F, 4, 2]

    def moved(self, vertices: np.ndarray) -> Surface:
        return Surface(vertices, self.quads, self.corner_uv)


@dataclass(frozen=True)
class Proxy:
    """One accessory: how to place it on any shape of the base mesh."""

    name: str
    anchors: np.ndarray  # [N, 3] base-mesh vertices
    weights: np.ndarray  # [N, 3]
    offsets: np.ndarray  # [N, 3] decimetres on the unscaled base mesh
    scale_edges: np.ndarray  # [3, 2] base-mesh vertices whose distance along x, y, z scales the offsets
    scale_lengths: np.ndarray  # [3] decimetres of those distances where the offsets were made
    quads: np.ndarray  # [F, 4]
    corner_uv: np.ndarray  # [F, 4, 2]
    texture: Path | None

    def fit(self, base_vertices: np.ndarray) -> Surface:
        """Place the accessory on a base mesh ([19158, 3], any unit, y up, z forward)."""
        ends = base_vertices[self.scale_edges]  # [3, 2, 3]
        scale = np.abs([ends[axis, 0, axis] - ends[axis, 1, axis] for axis in range(3)]) / self.scale_lengths
        vertices = (base_vertices[self.anchors] * self.weights[..., None]).sum(1) + self.offsets * scale
        return Surface(vertices, self.quads, self.corner_uv)


@lru_cache(maxsize=64)
def load_proxy(folder: Path) -> Proxy:
    """Read `folder/<name>.mhclo` and its .obj; the texture is None where the collection does not carry it."""
    folder = Path(folder)
    name = folder.name
    edges, lengths, rows, reading = np.zeros((3, 2), np.int64), np.ones(3), [], False
    material = f"{name}.mhmat"
    for line in (folder / f"{name}.mhclo").read_text(encoding="utf-8").splitlines():
        word = line.split()
        if not word or word[0].startswith("#"):
            continue
        if word[0] in ("x_scale", "y_scale", "z_scale"):
            axis = "xyz".index(word[0][0])
            edges[axis], lengths[axis] = (int(word[1]), int(word[2])), float(word[3])
        elif word[0] == "verts":
            reading = True
        elif word[0] == "material":
            material = word[1]
        elif reading and len(word) in (1, 9) and word[0].isdigit():
            rows.append([float(x) for x in word])
        elif reading and rows:
            reading = False
    anchors = np.array([[row[0]] * 3 if len(row) == 1 else row[:3] for row in rows], np.int64)
    weights = np.array([[1.0, 0.0, 0.0] if len(row) == 1 else row[3:6] for row in rows])
    offsets = np.array([[0.0] * 3 if len(row) == 1 else row[6:9] for row in rows])
    count, quads, corner_uv = read_obj(folder / f"{name}.obj")
    if count != len(rows):
        raise ValueError(f"{name}.mhclo binds {len(rows)} vertices and {name}.obj has {count}: the asset is damaged.")
    return Proxy(name, anchors, weights, offsets, edges, lengths, quads, corner_uv, _texture(folder / material))


def read_obj(path: Path) -> tuple[int, np.ndarray, np.ndarray]:
    """(vertex count, [F, 4] quads, [F, 4, 2] UV) of an .obj of triangles and quads."""
    count, uv, quads, quad_uv = 0, [], [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        word = line.split()
        if not word:
            continue
        if word[0] == "v":
            count += 1
        elif word[0] == "vt":
            uv.append([float(word[1]), float(word[2])])
        elif word[0] == "f":
            corners = [corner.split("/") for corner in word[1:5]]
            corners += corners[-1:] * (4 - len(corners))
            quads.append([int(corner[0]) - 1 for corner in corners])
            quad_uv.append([int(corner[1]) - 1 for corner in corners])
    return count, np.array(quads), np.array(uv)[np.array(quad_uv)]


def _texture(material: Path) -> Path | None:
    for line in material.read_text(encoding="utf-8", errors="replace").splitlines():
        word = line.split()
        if len(word) == 2 and word[0] == "diffuseTexture":
            path = material.parent / word[1]
            return path if path.is_file() else None
    return None
