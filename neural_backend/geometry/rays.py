"""Rays against a triangle mesh (embree, numpy) and closest points on it (warp's BVH, on the CPU or on CUDA).

Embree answers about 5 million rays a second on one core; it is a CPU library, and what is asked here (occlusion, who is
hit, distances between surfaces) is asked once per mesh, so it stays there whatever device the rest runs on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import warp as wp
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from torch import Tensor

from ..protocol.cancellation import checkpoint
from .kernels import launch, to_warp

wp.set_module_options({"enable_backward": False})

#: Rays per call into embree: bounds the memory of a query (its buffers take about 150 bytes a ray).
CHUNK = 1 << 20


@dataclass(frozen=True)
class Hits:
    """Where rays met the surface first."""

    triangle: np.ndarray  # [N] int32, -1 where nothing was hit
    barycentric: np.ndarray  # [N, 3] float32 of that triangle's corners
    distance: np.ndarray  # [N] float32 in lengths of the direction, inf where nothing was hit


@dataclass(frozen=True)
class Closest:
    """Closest points on the surface."""

    triangle: np.ndarray  # [N] int32
    barycentric: np.ndarray  # [N, 3] float32
    point: np.ndarray  # [N, 3] float32
    distance: np.ndarray  # [N] float32


class Surface:
    """A mesh prepared for ray and closest-point queries. Vertices are copied: build a new one when they move."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray):
        """Raises ValueError when the vertices are not finite or a triangle names a vertex that does not exist."""
        self.vertices = np.ascontiguousarray(vertices, np.float32)  # [V, 3]
        self.triangles = np.ascontiguousarray(triangles, np.int32)  # [F, 3]
        if not np.isfinite(self.vertices).all():
            raise ValueError("The mesh has vertices that are not finite numbers: check the fit that made it.")
        if len(self.triangles) and not 0 <= self.triangles.min() <= self.triangles.max() < len(self.vertices):
            raise ValueError("The mesh has triangles that name missing vertices: pass matching arrays.")
        self._scene: EmbreeScene | None = None
        self._warp_mesh: tuple[torch.device, wp.Mesh, tuple[Tensor, Tensor]] | None = None

    def first_hit(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """[N, 3] origins and directions (any length) -> the first triangle hit from either side."""
        origins, directions = _rays(origins, directions)
        triangle = np.full(len(origins), -1, np.int32)
        barycentric = np.zeros((len(origins), 3), np.float32)
        distance = np.full(len(origins), np.inf, np.float32)
        for part in _chunks(len(origins)):
            checkpoint()
            found = self._embree().run(origins[part], directions[part], output=1)
            hit = found["primID"] >= 0
            triangle[part] = found["primID"]
            barycentric[part] = np.where(
                hit[:, None], np.stack([1 - found["u"] - found["v"], found["u"], found["v"]], 1), 0
            )
            distance[part] = np.where(hit, found["tfar"], np.inf)
        return Hits(triangle, barycentric, distance)

    def occluded(
        self, origins: np.ndarray, directions: np.ndarray, max_distance: float | np.ndarray | None = None
    ) -> np.ndarray:
        """[N] bool: does anything lie between each origin and `max_distance` (in lengths of the direction)?"""
        origins, directions = _rays(origins, directions)
        limit = None if max_distance is None else np.array(np.broadcast_to(np.float32(max_distance), len(origins)))
        result = np.zeros(len(origins), bool)
        for part in _chunks(len(origins)):
            checkpoint()
            dists = None if limit is None else limit[part]
            result[part] = self._embree().run(origins[part], directions[part], dists=dists, query="OCCLUDED") >= 0
        return result

    def visible_from(self, centre: np.ndarray, points: np.ndarray, offset: float = 2e-4) -> np.ndarray:
        """[N] bool: are the surface points seen from `centre`, allowing `offset` (metres) of their own surface?"""
        points = np.asarray(points, np.float32)
        to_centre = np.asarray(centre, np.float32) - points
        length = np.linalg.norm(to_centre, axis=1, keepdims=True)
        direction = to_centre / np.maximum(length, 1e-12)
        return ~self.occluded(points + direction * offset, direction, np.maximum(length[:, 0] - offset, 0))

    def closest(self, points: np.ndarray, max_distance: float = 1e6, device: str = "cpu") -> Closest:
        """[N, 3] points -> the closest points of the surface, exact.

        Raises ValueError when the surface has no triangle within `max_distance` (metres) of some point.
        """
        target = torch.device(device)
        queries = torch.tensor(np.ascontiguousarray(points, np.float32), device=target)
        count = len(queries)
        triangle = torch.full((count,), -1, dtype=torch.int32, device=target)
        barycentric = torch.zeros((count, 3), dtype=torch.float32, device=target)
        mesh = self._bvh(target)
        outputs = [to_warp(triangle), to_warp(barycentric, wp.vec3)]
        launch(_closest_kernel, count, [mesh.id, to_warp(queries, wp.vec3), float(max_distance), *outputs], target)
        triangle, barycentric = triangle.cpu().numpy(), barycentric.cpu().numpy()
        lost = int((triangle < 0).sum())
        if lost:
            raise ValueError(f"{lost} points have no surface within {max_distance} m: raise max_distance.")
        found = (self.vertices[self.triangles[triangle]] * barycentric[..., None]).sum(1)
        distance = np.linalg.norm(found - np.asarray(points, np.float32), axis=1)
        return Closest(triangle, barycentric, found, distance)

    def _bvh(self, device: torch.device) -> wp.Mesh:
        if self._warp_mesh is None or self._warp_mesh[0] != device:
            vertices = torch.from_numpy(self.vertices).to(device)
            indices = torch.from_numpy(self.triangles.reshape(-1)).to(device)
            mesh = wp.Mesh(to_warp(vertices, wp.vec3), to_warp(indices))
            self._warp_mesh = (device, mesh, (vertices, indices))  # the mesh reads the tensors' memory
        return self._warp_mesh[1]

    def _embree(self) -> EmbreeScene:
        if self._scene is None:
            self._scene = EmbreeScene()
            TriangleMesh(self._scene, self.vertices, self.triangles)
        return self._scene


@wp.kernel
def _closest_kernel(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    max_distance: float,
    triangle: wp.array(dtype=wp.int32),
    barycentric: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    query = wp.mesh_query_point_no_sign(mesh, points[i], max_distance)
    if query.result:
        triangle[i] = query.face
        barycentric[i] = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)


def _rays(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    origins, directions = np.broadcast_arrays(np.asarray(origins, np.float32), np.asarray(directions, np.float32))
    if origins.ndim != 2 or origins.shape[1] != 3:
        raise ValueError(f"Rays must be [N, 3] origins and directions, not {origins.shape}.")
    return np.require(origins, requirements=["C", "W"]), np.require(
        directions, requirements=["C", "W"]
    )  # embree writes


def _chunks(count: int):
    return (slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))
