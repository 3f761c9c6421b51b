"""Normals and tangent frames of triangle meshes, differentiable in torch with numpy twins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Below this squared length (m^4 for areas) a normal has no direction; keeps gradients finite on degenerate triangles.
TINY = 1e-24


def vertex_normals(
    vertices: Tensor,  # [..., V, 3]
    triangles: Tensor,  # [F, 3] int64
) -> Tensor:
    """Area-weighted unit vertex normals [..., V, 3], differentiable; a vertex without triangles gets zero."""
    assert vertices.shape[-1] == 3 and triangles.shape[-1] == 3, (vertices.shape, triangles.shape)
    cross = _face_cross(vertices, triangles)  # [..., F, 3], length twice the area
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(-2, triangles[:, corner], cross)
    return normalize(total)


def _face_cross(vertices: Tensor, triangles: Tensor) -> Tensor:
    a, b, c = (vertices.index_select(-2, triangles[:, corner]) for corner in range(3))
    return torch.linalg.cross(b - a, c - a)


def normalize(vectors: Tensor) -> Tensor:
    """Unit vectors along the last axis; vectors of no length stay zero, with zero gradient instead of NaN."""
    squared = vectors.square().sum(-1, keepdim=True)
    return vectors * torch.where(squared > TINY, squared.clamp_min(TINY).rsqrt(), torch.zeros_like(squared))


def vertex_normals_numpy(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The numpy twin of `vertex_normals` for one mesh: [V, 3], [F, 3] -> [V, 3] in the dtype of the vertices."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    cross = np.cross(b - a, c - a)
    total = np.stack(
        [
            sum(np.bincount(triangles[:, k], cross[:, axis], minlength=len(vertices)) for k in range(3))
            for axis in range(3)
        ],
        axis=-1,
    )
    length = np.linalg.norm(total, axis=-1, keepdims=True)
    return (total / np.maximum(length, np.sqrt(TINY))).astype(vertices.dtype)


@dataclass(frozen=True)
class TangentFrames:
    """Tangents per corner group: corners of one vertex share a tangent where their UV and its handedness agree."""

    tangent: Tensor  # [G, 3] unit, orthogonal to the vertex normal, along +U
    sign: Tensor  # [G] +1 or -1: bitangent = sign * cross(normal, tangent), along +V
    corner: Tensor  # [F, 3] int64 into the groups


def tangent_frames(
    vertices: Tensor,  # [V, 3]
    normals: Tensor,  # [V, 3] unit
    triangles: Tensor,  # [F, 3] int64
    uv: Tensor,  # [T, 2]
    triangle_uv: Tensor,  # [F, 3] int64
) -> TangentFrames:
    """Tangent frames after MikkTSpace, so that baked normal maps read the same in Blender and in game engines.

    Each corner's triangle tangent is projected on the vertex normal's plane and summed, weighted by the corner's angle,
    over the corners that share vertex, UV and orientation (Mikkelsen, "Simulation of Wrinkled Surfaces Revisited",
    2008).
    Differentiable in vertices and normals. Triangles without UV area get a tangent that depends on the normal only.
    """
    position = vertices[triangles]  # [F, 3, 3]
    coordinate = uv[triangle_uv]  # [F, 3, 2]
    edge1, edge2 = position[:, 1] - position[:, 0], position[:, 2] - position[:, 0]
    duv1, duv2 = coordinate[:, 1] - coordinate[:, 0], coordinate[:, 2] - coordinate[:, 0]
    area = duv1[:, 0] * duv2[:, 1] - duv1[:, 1] * duv2[:, 0]  # [F] twice the signed UV area
    orientation = torch.where(area < 0, -1.0, 1.0).to(vertices.dtype)
    along_u = normalize((edge1 * duv2[:, 1:] - edge2 * duv1[:, 1:]) * orientation[:, None])  # [F, 3]

    keys = torch.stack([triangles, triangle_uv, (orientation > 0).long()[:, None].expand(-1, 3)], -1).reshape(-1, 3)
    groups, corner = torch.unique(keys, dim=0, return_inverse=True)  # [G, 3], [3F]
    group_normal = normals[groups[:, 0]]

    normal = normals[triangles]  # [F, 3, 3]
    following, previous = position.roll(-1, 1) - position, position.roll(1, 1) - position
    following, previous = (normalize(_reject(side, normal)) for side in (following, previous))
    angle = torch.arccos((following * previous).sum(-1).clamp(-1 + 1e-6, 1 - 1e-6))  # [F, 3] in the normal's plane
    contribution = normalize(_reject(along_u[:, None], normal)) * angle[..., None]
    total = torch.zeros_like(group_normal).index_add(0, corner, contribution.reshape(-1, 3))
    # Any direction orthogonal to the normal will do where UV gives none.
    helper = torch.where(
        group_normal[:, :1].abs() < 0.9, group_normal.new_tensor([1.0, 0, 0]), group_normal.new_tensor([0, 1.0, 0])
    )
    empty = total.square().sum(-1, keepdim=True) < 1e-12
    tangent = normalize(torch.where(empty, _reject(helper, group_normal), total))
    sign = groups[:, 2].to(vertices.dtype) * 2 - 1
    return TangentFrames(tangent, sign, corner.reshape(-1, 3))


def _reject(vectors: Tensor, normal: Tensor) -> Tensor:
    return vectors - normal * (vectors * normal).sum(-1, keepdim=True)
