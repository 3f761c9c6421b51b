"""Precomputed radiance transfer: how much of each light harmonic a point of the head sends back.

The diffuse radiance of a point is albedo * (transfer @ light): linear in the light, with the shadows of nose, brow,
lids and chin inside the transfer (Sloan, Kautz and Snyder, "Precomputed Radiance Transfer", 2002). Occlusion is
found by embree; what is found is held constant, and the cosine keeps its gradient to the normal:

    transfer(normal) = analytic(normal) - shadow        shadow = sum over occluded rays of cos / pi * Y * solid angle

so noise exists only where there is shadow. All points share one set of directions, which makes neighbours err alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from ..geometry.rays import Surface
from .light import environment_directions, irradiance_factors, sh_basis, sphere_directions

#: Rays start this far off their own surface, metres: a tenth of a short edge of level 0.
OFFSET = 2e-4
#: Pairs of point and direction treated at once.
CHUNK = 1 << 20


@dataclass(frozen=True)
class Transfer:
    """Transfer of N points for B harmonics; all float32 on one device."""

    shadow: Tensor  # [N, B] what occluders take from the analytic transfer
    bounces: tuple[Tensor, ...]  # [N, B] each: k-th interreflection at albedo 1
    visibility: Tensor  # [N, B] the visible directions' own harmonics (1 where open), for specular occlusion
    bent_normal: Tensor  # [N, 3] unit mean open direction, cosine weighted
    openness: Tensor  # [N] cosine-weighted visible fraction of the hemisphere: 1 open, 0 closed

    @property
    def degree(self) -> int:
        return math.isqrt(self.shadow.shape[1]) - 1

    def direct(self, normals: Tensor) -> Tensor:
        """[N, B] shadowed transfer, differentiable in the unit normals [N, 3]."""
        return analytic_transfer(normals, self.degree) - self.shadow

    def total(self, normals: Tensor, albedo: Tensor | float) -> Tensor:
        """[N, B] (albedo a number) or [N, B, 3] (albedo [3] or [N, 3]) with the light that skin sends to skin.

        Radiance is still albedo * (total @ light): each further bounce carries one more factor of albedo.
        """
        result = self.direct(normals)
        if isinstance(albedo, Tensor) and albedo.ndim:
            result = result[..., None]
            albedo = albedo.expand(len(normals), 3)[:, None]  # [N, 1, 3]
            factor = albedo
            for bounce in self.bounces:
                result = result + factor * bounce[..., None]
                factor = factor * albedo
            return result.expand(-1, -1, 3)
        for power, bounce in enumerate(self.bounces, 1):
            result = result + albedo**power * bounce
        return result


def analytic_transfer(normals: Tensor, degree: int) -> Tensor:
    """[N, 3] unit normals -> [N, B] unshadowed diffuse transfer."""
    return sh_basis(normals, degree) * irradiance_factors(degree).to(normals)


@torch.no_grad()
def compute_transfer(
    vertices: Tensor | np.ndarray,  # [V, 3] metres: the occluders
    triangles: Tensor | np.ndarray,  # [F, 3]
    normals: Tensor | np.ndarray,  # [V, 3] unit
    points: Tensor | np.ndarray | None = None,  # [N, 3] where to shade; the vertices if None
    point_normals: Tensor | np.ndarray | None = None,  # [N, 3]
    degree: int = 3,
    rays: int = 192,
    seed: int = 0,
    bounces: int = 0,
) -> Transfer:
    """Trace `rays` directions per hemisphere and point.

    `bounces` counts interreflections (front sides only), for shading at the vertices, or at points when their light can
    be taken from the vertices. The result lies on the device of `vertices`.
    """
    if (points is None) != (point_normals is None):
        raise ValueError("Points and point normals come together: give both or neither.")
    device = vertices.device if isinstance(vertices, Tensor) else torch.device("cpu")
    vertices, triangles, normals = _array(vertices), _array(triangles).astype(np.int64), _array(normals)
    surface = Surface(vertices, triangles)
    at_vertices = points is None
    target, target_normals = (vertices, normals) if at_vertices else (_array(points), _array(point_normals))
    turn = Rotation.random(random_state=np.random.default_rng(seed)).as_matrix()
    directions = sphere_directions(2 * rays, turn).numpy()  # [R, 3]
    basis = sh_basis(torch.from_numpy(directions), degree).numpy()  # [R, B]

    gather = bounces > 0
    traced = _trace(surface, target, target_normals, directions, basis, gather)
    analytic = analytic_transfer(torch.from_numpy(target_normals), degree).numpy()
    reflected: list[np.ndarray] = []
    if gather:
        own = traced if at_vertices else _trace(surface, vertices, normals, directions, basis, True)
        leaving = analytic_transfer(torch.from_numpy(normals), degree).numpy() - own.shadow
        for _ in range(bounces):
            reflected.append(traced.scatter @ leaving)
            leaving = own.scatter @ leaving

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)

    bent = traced.bent + 1e-6 * target_normals
    bent = bent / np.maximum(np.linalg.norm(bent, axis=1, keepdims=True), 1e-9)
    # The shadow's degree-0 part is the cosine-weighted share of closed directions, times Y_00.
    openness = 1 - traced.shadow[:, 0] / analytic[:, 0]
    return Transfer(
        tensor(traced.shadow),
        tuple(tensor(bounce) for bounce in reflected),
        tensor(traced.visibility),
        tensor(bent),
        tensor(openness.clip(0, 1)),
    )


def transfer(
    vertices: Tensor | np.ndarray,
    triangles: Tensor | np.ndarray,
    normals: Tensor | np.ndarray,
    points: Tensor | np.ndarray | None = None,
    point_normals: Tensor | np.ndarray | None = None,
    degree: int = 3,
    rays: int = 192,
    seed: int = 0,
) -> Tensor:
    """[N, B] shadowed diffuse transfer alone: radiance = albedo * (transfer @ light)."""
    computed = compute_transfer(vertices, triangles, normals, points, point_normals, degree, rays, seed)
    at = normals if points is None else point_normals
    return computed.direct(torch.as_tensor(at, dtype=torch.float32, device=computed.shadow.device))


@torch.no_grad()
def environment_irradiance(
    vertices: Tensor | np.ndarray,  # [V, 3] metres
    triangles: Tensor | np.ndarray,  # [F, 3]
    normals: Tensor | np.ndarray,  # [V, 3] unit
    environment: Tensor,  # [H, W, 3] lat-long radiance
    rays: int = 1024,
    bounces: int = 1,
    bounce_albedo: Tensor | float = 0.4,  # number or [3]
    seed: int = 0,
) -> Tensor:
    """[V, 3] radiance of a white surface under a light-probe picture, with hard shadows: for evaluation and pictures.

    Harmonics of degree 4 blur a small sun and its shadows; here every direction carries its own share of the picture.
    """
    device = vertices.device if isinstance(vertices, Tensor) else torch.device("cpu")
    vertices, triangles, normals = _array(vertices), _array(triangles).astype(np.int64), _array(normals)
    turn = Rotation.random(random_state=np.random.default_rng(seed)).as_matrix()
    directions = sphere_directions(2 * rays, turn).numpy()
    towards, solid = (values.numpy() for values in environment_directions(*environment.shape[:2]))
    towards = towards.reshape(-1, 3)
    flux = _array(environment).reshape(-1, 3) * solid.reshape(-1, 1)
    # Every texel's light goes to the direction nearest to it: nothing is lost, however small the sun.
    nearest = cKDTree(directions).query(towards)[1]
    per_direction = np.stack([np.bincount(nearest, flux[:, c], minlength=2 * rays) for c in range(3)], -1)
    radiance = (per_direction * (2 * rays / (4 * math.pi))).astype(np.float32)  # mean over the direction's share
    traced = _trace(Surface(vertices, triangles), vertices, normals, directions, radiance, bounces > 0)
    unshadowed = np.maximum(normals @ directions.T, 0) @ per_direction.astype(np.float32) / np.float32(math.pi)
    leaving = np.maximum(unshadowed - traced.shadow, 0)
    total, albedo = leaving.copy(), np.asarray(_array(torch.as_tensor(bounce_albedo, dtype=torch.float32)))
    for _ in range(bounces):
        leaving = albedo * (traced.scatter @ leaving)
        total += leaving
    return torch.from_numpy(total.astype(np.float32)).to(device)


@dataclass(frozen=True)
class _Traced:
    shadow: np.ndarray  # [N, B]
    visibility: np.ndarray  # [N, B]
    bent: np.ndarray  # [N, 3]
    scatter: sparse.csr_matrix | None  # [N, V]


def _trace(
    surface: Surface, points: np.ndarray, normals: np.ndarray, directions: np.ndarray, basis: np.ndarray, gather: bool
) -> _Traced:
    count, ray_count = len(points), len(directions)
    solid = 4 * math.pi / ray_count
    shadow = np.zeros((count, basis.shape[1]), np.float32)
    visibility = np.zeros_like(shadow)
    bent = np.zeros((count, 3), np.float32)
    scatter: list[sparse.csr_matrix] = []
    step = max(1, CHUNK // ray_count)
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        cosine = normals[part] @ directions.T  # [n, R]
        point, ray = np.nonzero(cosine > 0)
        origins = (points[part] + OFFSET * normals[part])[point]
        closed = np.zeros(cosine.shape, bool)
        if gather:
            hits = surface.first_hit(origins, directions[ray])
            hit = hits.triangle >= 0
            scatter.append(_scatter(surface, hits, hit, point, directions[ray], cosine[point, ray], len(cosine), solid))
        else:
            hit = surface.occluded(origins, directions[ray])
        closed[point[hit], ray[hit]] = True
        weight = np.where(closed, cosine * np.float32(solid / math.pi), 0)
        shadow[part] = weight @ basis
        open_cosine = np.where(closed, 0, np.maximum(cosine, 0))
        bent[part] = open_cosine @ directions
        # Below the horizon counts as open: reflections there are the lobe's tail, cut by the shading itself.
        visibility[part] = np.sqrt(4 * math.pi) * np.eye(1, basis.shape[1]) - (closed * np.float32(solid)) @ basis
    return _Traced(shadow, visibility, bent, sparse.vstack(scatter).tocsr() if gather else None)


def _scatter(surface, hits, hit, point, direction, cosine, rows, solid) -> sparse.csr_matrix:
    """[rows, V] what each point gathers from the radiosity of the vertices that it sees."""
    triangle, barycentric = hits.triangle[hit], hits.barycentric[hit]
    corner = surface.triangles[triangle]  # [M, 3]
    a, b, c = (surface.vertices[corner[:, k]] for k in range(3))
    front = np.einsum("ij,ij->i", np.cross(b - a, c - a), direction[hit]) < 0
    weight = np.where(front, cosine[hit] * (solid / math.pi), 0)[:, None] * barycentric
    row = np.repeat(point[hit], 3)
    return sparse.csr_matrix((weight.ravel(), (row, corner.ravel())), shape=(rows, len(surface.vertices)))


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, np.float32 if values.dtype.kind == "f" else values.dtype)


__all__ = ["Transfer", "analytic_transfer", "compute_transfer", "environment_irradiance", "transfer"]
