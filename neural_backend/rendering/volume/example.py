"""A volume without a model: boxes on an ellipsoid of a head's size. For tests and timings."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import avg_pool3d, normalize

from .primitives import REFERENCE_M, Primitives, TensorCamera

#: Half axes of a head without neck, metres.
HEAD_RADII_M = (0.075, 0.11, 0.095)


def shell_of_boxes(
    side: int = 32,
    voxels: int = 8,
    density: float = REFERENCE_M / 0.004,
    thickness_m: float = 0.012,
    overlap: float = 1.25,
    batch: int = 1,
    seed: int = 0,
) -> Primitives:
    """side x side boxes over longitude and latitude with smooth random colours, `density` on average.

    The default density stops a ray within 4 mm. `thickness_m` is the boxes' whole side along the normal; `overlap`
    makes neighbours reach into each other.
    """
    generator = torch.Generator().manual_seed(seed)
    place = (torch.arange(side) + 0.5) / side
    latitude, longitude = torch.meshgrid((place - 0.5) * math.pi, place * 2 * math.pi, indexing="ij")
    latitude, longitude = latitude.reshape(-1), longitude.reshape(-1)
    sphere = torch.stack([latitude.cos() * longitude.sin(), latitude.sin(), latitude.cos() * longitude.cos()], -1)
    radii = torch.tensor(HEAD_RADII_M)
    normal = normalize(sphere / radii, dim=-1)
    along = normalize(torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]).expand_as(normal), normal), dim=-1)
    rotations = torch.stack([along, torch.linalg.cross(normal, along), normal], -1)
    mean = sum(HEAD_RADII_M) / 3
    scales = torch.stack(
        [
            (math.pi * mean * overlap / side * latitude.cos()).clamp_min(0.002),
            torch.full_like(latitude, math.pi * mean * overlap / (2 * side)),
            torch.full_like(latitude, thickness_m / 2),
        ],
        -1,
    )
    noise = torch.rand((batch * side * side, 4, voxels, voxels, voxels), generator=generator)
    payload = avg_pool3d(noise, 3, 1, 1, count_include_pad=False).view(batch, side * side, 4, voxels, voxels, voxels)
    payload[:, :, 3] *= 2 * density

    def each(x: torch.Tensor) -> torch.Tensor:
        return x.expand(batch, *x.shape).contiguous()

    return Primitives(each(sphere * radii), each(rotations), each(scales), payload)


def front_camera(size: int, batch: int = 1, distance_m: float = 0.6) -> TensorCamera:
    """Looks at the shell from the front; it fills most of the picture."""
    focal = 2.0 * size
    intrinsics = torch.tensor([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])
    camera_from_head = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    camera_from_head[2, 3] = distance_m
    return TensorCamera(size, size, intrinsics.expand(batch, 3, 3), camera_from_head.expand(batch, 4, 4))
