"""Where primitives sit: the UV grid of the template's skin, and the frames it gives on a base mesh.

MVP, section 3.1: primitive n is attached to a texel of the base mesh's UV map; its frame there is the tangent, the
bitangent and the normal. Grid rows go down as a picture's do: row 0 is the largest V.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from ...geometry.normals import normalize, vertex_normals
from ...head.template import PART_NAMES, PART_TEXTURE_SET, HeadTemplate, Level
from ...rendering.rasterizer import rasterize_uv

#: Parts of the template that the base mesh consists of: all that share the skin's UV square.
SKIN_PARTS = tuple(part for part, textures in zip(PART_NAMES, PART_TEXTURE_SET, strict=True) if textures == "skin")
#: A texel centre this far from the chart, in texels, still belongs to it: the gaps of lids and lips are such.
REACH = 1.0
#: Half sides exceed half the texels' spacing by this much, since opacity fades towards a primitive's sides.
OVERLAP = 1.4
SMALLEST_M, LARGEST_M = 0.003, 0.022
#: Half side along the normal: thin on the face, deep where eyes, teeth and hair must be reached.
DEPTH_M = (0.008, 0.016)
FINER = 8  # UV samples along the side of a texel when looking for its chart


@dataclass(frozen=True)
class BaseMesh:
    """The template's level 0 cut down to the skin's parts."""

    vertex_ids: np.ndarray  # [N0] int64 into the template's vertices
    triangles: np.ndarray  # [F, 3] int64 into the N0
    uv: np.ndarray  # [T, 2]
    triangle_uv: np.ndarray  # [F, 3] int64
    deep: np.ndarray  # [F] bool: eye sockets and mouth bag

    @classmethod
    def of(cls, template: HeadTemplate) -> BaseMesh:
        level: Level = template.levels[0]
        parts = [PART_NAMES.index(name) for name in SKIN_PARTS]
        faces = np.flatnonzero(np.isin(level.triangle_part, parts))
        triangles = level.triangles[faces]
        local, renumbered = np.unique(triangles, return_inverse=True)
        deep = [PART_NAMES.index(name) for name in ("mouth_bag", "eye_socket_left", "eye_socket_right")]
        return cls(
            level.vertex_ids[local],
            renumbered.reshape(-1, 3),
            level.uv,
            level.triangle_uv[faces],
            np.isin(level.triangle_part[faces], deep),
        )


@dataclass(frozen=True)
class GridPoints:
    """The texels of a UV grid that lie on the mesh, as points of its triangles."""

    texel: np.ndarray  # [P] int64, row * size + column
    triangle: np.ndarray  # [P] int64
    barycentric: np.ndarray  # [P, 3] float32
    tangent: np.ndarray  # [P, 3] float32: weights of the triangle's corners that give dP/dU

    @classmethod
    def of(cls, mesh: BaseMesh, size: int) -> GridPoints:
        fine = rasterize_uv(torch.from_numpy(mesh.uv), torch.from_numpy(mesh.triangle_uv), size * FINER, size * FINER)
        covered = fine.covered.numpy()
        row, column = np.divmod(covered, size * FINER)
        at = np.stack([column, row], 1) + 0.5  # fine texels
        texel_row, texel_column = np.divmod(np.arange(size * size), size)
        centre = (np.stack([texel_column, texel_row], 1) + 0.5) * FINER
        length, nearest = cKDTree(at).query(centre)
        on = length <= REACH * FINER
        nearest = nearest[on]
        triangle = fine.covered_triangle.numpy()[nearest]
        corner = mesh.uv[mesh.triangle_uv[triangle]].astype(np.float64)  # [P, 3, 2]
        edges = np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], 2)  # [P, 2, 2] columns
        along = np.linalg.inv(edges)[:, :, 0]  # [P, 2]: barycentric change of corners 1 and 2 per unit of U
        tangent = np.concatenate([-along.sum(1, keepdims=True), along], 1)
        return cls(np.flatnonzero(on), triangle, fine.covered_barycentric.numpy()[nearest], tangent.astype(np.float32))


@dataclass(frozen=True)
class Frames:
    """Points of a base mesh and their orthonormal frames."""

    positions: Tensor  # [B, P, 3] metres
    rotations: Tensor  # [B, P, 3, 3] head_from_anchor: columns along +U, along +V as far as possible, along the normal


class Anchors(nn.Module):
    """A UV grid over the base mesh: frames of its points on any base mesh."""

    def __init__(self, template: HeadTemplate, size: int):
        super().__init__()
        mesh = BaseMesh.of(template)
        grid = GridPoints.of(mesh, size)
        self.size, self.count = size, len(grid.texel)
        buffers = {
            "triangles": mesh.triangles,
            "texel": grid.texel,
            "corners": mesh.triangles[grid.triangle],
            "barycentric": grid.barycentric,
            "tangent": grid.tangent,
            "scales": _scales(template.vertices[mesh.vertex_ids], mesh, grid, size),
            "deep": mesh.deep[grid.triangle],
        }
        for name, value in buffers.items():  # made from the template again when weights are read
            self.register_buffer(name, torch.from_numpy(value), persistent=False)

    def frames(self, vertices: Tensor) -> Frames:
        """[B, N0, 3] base mesh vertices -> frames of the P grid points on the mesh; differentiable."""
        normals = vertex_normals(vertices, self.triangles)
        corners = vertices[:, self.corners]  # [B, P, 3, 3]
        position = (corners * self.barycentric[..., None]).sum(2)
        normal = normalize((normals[:, self.corners] * self.barycentric[..., None]).sum(2))
        along_u = (corners * self.tangent[..., None]).sum(2)
        tangent = normalize(along_u - normal * (along_u * normal).sum(-1, keepdim=True))
        return Frames(position, torch.stack([tangent, torch.linalg.cross(normal, tangent), normal], -1))

    def scatter(self, values: Tensor) -> Tensor:
        """[B, P, C] values of the points -> [B, C, size, size] map, 0 off the mesh."""
        full = values.new_zeros(len(values), self.size * self.size, values.shape[-1])
        return full.index_copy(1, self.texel, values).transpose(1, 2).unflatten(2, (self.size, self.size))

    def gather(self, maps: Tensor) -> Tensor:
        """[B, C, size, size] -> [B, P, C]."""
        return maps.flatten(2).index_select(2, self.texel).transpose(1, 2)


def _scales(vertices: np.ndarray, mesh: BaseMesh, grid: GridPoints, size: int) -> np.ndarray:
    """[P, 3] float32 half side lengths in metres on the mean head."""
    corner = vertices[mesh.triangles[grid.triangle]]  # [P, 3, 3]
    along_u = np.linalg.norm((corner * grid.tangent[..., None]).sum(1), axis=1)
    uv = mesh.uv[mesh.triangle_uv[grid.triangle]].astype(np.float64)
    across, along = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    cross = across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    along_v = area / np.abs(cross) / np.maximum(along_u, 1e-9)  # so that the texel's area is kept
    sides = np.stack([along_u, along_v], 1) * (0.5 * OVERLAP / size)
    sides = np.clip(sides, SMALLEST_M, LARGEST_M)
    depth = np.clip(sides.mean(1), *DEPTH_M)
    depth[mesh.deep[grid.triangle]] = DEPTH_M[1]
    return np.concatenate([sides, depth[:, None]], 1).astype(np.float32)
