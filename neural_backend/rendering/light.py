"""Distant light: real spherical harmonics and lat-long environment maps, in the head's frame.

Basis. Orthonormal real harmonics Y_lm up to degree 4, without the Condon-Shortley sign, in the order l(l+1)+m:
Y_00, Y_1-1, Y_10, Y_11, Y_2-2 ... With unit direction (x, y, z): Y_00 = 0.2821, (Y_1-1, Y_10, Y_11) = 0.4886 (y, z, x).
A light is [B, 3] coefficients of incoming radiance, linear Rec.709, so L(d) = sum_b Y_b(d) light_b.

Lat-long pictures. Row 0 is +Y (up). The middle column looks along +Z, away from the face, at what the face sees;
further right is towards -X, as seen from inside. (Blender's equirectangular picture of the same light, for a head
that faces Blender's -Y, is this one rolled a quarter of its width to the right.)
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

MAX_DEGREE = 4


def sh_count(degree: int) -> int:
    """Number of basis functions up to a degree."""
    return (degree + 1) ** 2


def sh_degree(count: int) -> int:
    """The degree that has `count` basis functions; ValueError when none has."""
    degree = math.isqrt(count) - 1
    if sh_count(degree) != count or not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"{count} spherical-harmonic coefficients: must be 1, 4, 9, 16 or 25.")
    return degree


def sh_basis(directions: Tensor, degree: int) -> Tensor:
    """[..., 3] unit directions -> [..., B] basis values; a polynomial, differentiable in the directions."""
    if not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"Spherical harmonics of degree {degree}: must be 0 to {MAX_DEGREE}.")
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, 0.28209479177387814)]
    if degree >= 1:
        values += [0.4886025119029199 * axis for axis in (y, z, x)]
    if degree >= 2:
        values += [
            1.0925484305920792 * x * y,
            1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * z * z - 1),
            1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if degree >= 3:
        values += [
            0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            0.4570457994644658 * y * (5 * z * z - 1),
            0.3731763325901154 * z * (5 * z * z - 3),
            0.4570457994644658 * x * (5 * z * z - 1),
            1.445305721320277 * z * (x * x - y * y),
            0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    if degree >= 4:
        values += [
            2.5033429417967046 * x * y * (x * x - y * y),
            1.7701307697799304 * y * z * (3 * x * x - y * y),
            0.9461746957575601 * x * y * (7 * z * z - 1),
            0.6690465435572892 * y * z * (7 * z * z - 3),
            0.10578554691520431 * (35 * z**4 - 30 * z * z + 3),
            0.6690465435572892 * x * z * (7 * z * z - 3),
            0.47308734787878004 * (x * x - y * y) * (7 * z * z - 1),
            1.7701307697799304 * x * z * (x * x - 3 * y * y),
            0.6258357354491761 * (x * x * (x * x - 3 * y * y) - y * y * (3 * x * x - y * y)),
        ]
    return torch.stack(values, -1)


def band_factors(per_degree: Tensor | list[float], degree: int) -> Tensor:
    """[degree + 1] one factor per degree -> [B] one per basis function."""
    per_degree = torch.as_tensor(per_degree)
    repeats = torch.tensor([2 * band + 1 for band in range(degree + 1)], device=per_degree.device)
    return torch.repeat_interleave(per_degree[: degree + 1], repeats)


def irradiance_factors(degree: int) -> Tensor:
    """[B] what a clamped cosine over pi does to each coefficient: 1, 2/3, 1/4, 0, -1/24 per degree.

    Ramamoorthi and Hanrahan, "An Efficient Representation for Irradiance Environment Maps", 2001, equation 8, over pi:
    the radiance that a white Lambertian surface sends back.
    """
    return band_factors(torch.tensor([1.0, 2 / 3, 1 / 4, 0.0, -1 / 24]), degree)


def window_sh(coefficients: Tensor, strength: float = 0.01) -> Tensor:
    """Damp ringing: each degree l is divided by 1 + strength l^2 (l + 1)^2 (Sloan, "Stupid SH Tricks", 2008)."""
    degree = sh_degree(coefficients.shape[0])
    factors = torch.tensor([1 / (1 + strength * (band * (band + 1)) ** 2) for band in range(degree + 1)])
    return coefficients * band_factors(factors, degree).to(coefficients)[:, None]


def rotate_sh(coefficients: Tensor, rotation: Tensor) -> Tensor:
    """The light turned by a rotation [3, 3]: result(R d) = light(d). [B, ...] -> [B, ...], exact and differentiable.

    From head frame to camera frame: rotation = camera_from_head[:3, :3].
    """
    degree = sh_degree(coefficients.shape[0])
    samples = sphere_directions(4 * sh_count(MAX_DEGREE)).to(rotation)  # enough to determine every basis function
    values = sh_basis(samples, degree)  # [S, B]
    turned_back = sh_basis(samples @ rotation, degree)  # rows are R^T d
    operator = torch.linalg.pinv(values) @ turned_back  # [B, B]
    return torch.tensordot(operator, coefficients, 1)


def sphere_directions(count: int, rotation: np.ndarray | None = None) -> Tensor:
    """[count, 3] unit directions spread evenly (Fibonacci lattice), each for a solid angle of 4 pi / count."""
    i = torch.arange(count, dtype=torch.float64)
    z = 1 - (2 * i + 1) / count
    angle = i * (math.pi * (3 - math.sqrt(5)))
    radius = (1 - z * z).sqrt()
    directions = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle), z], -1)
    if rotation is not None:
        directions = directions @ torch.from_numpy(np.asarray(rotation, np.float64)).T
    return directions.float()


def environment_directions(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Unit directions [H, W, 3] of a lat-long picture's texels and their solid angles [H, W], which sum to 4 pi."""
    polar = (torch.arange(height, dtype=torch.float64) + 0.5) * (math.pi / height)
    azimuth = ((torch.arange(width, dtype=torch.float64) + 0.5) / width - 0.5) * (2 * math.pi)
    polar, azimuth = torch.meshgrid(polar, azimuth, indexing="ij")
    directions = torch.stack(
        [-polar.sin() * azimuth.sin(), polar.cos(), polar.sin() * azimuth.cos()],
        -1,
    )
    edges = torch.cos(torch.arange(height + 1, dtype=torch.float64) * (math.pi / height))
    solid = ((edges[:-1] - edges[1:]) * (2 * math.pi / width))[:, None].expand(height, width)
    return directions.float(), solid.float()


def environment_to_sh(environment: Tensor, degree: int) -> Tensor:
    """[H, W, 3] lat-long radiance -> [B, 3] coefficients."""
    directions, solid = environment_directions(*environment.shape[:2])
    weighted = sh_basis(directions, degree) * solid[..., None]
    return torch.einsum("hwb,hwc->bc", weighted.to(environment), environment)


def sh_to_environment(coefficients: Tensor, height: int) -> Tensor:
    """[B, 3] -> [H, 2H, 3] lat-long picture; may be negative where the series rings."""
    directions, _ = environment_directions(height, 2 * height)
    return sh_basis(directions.to(coefficients), sh_degree(coefficients.shape[0])) @ coefficients


def sample_environment(environment: Tensor, directions: Tensor) -> Tensor:
    """Bilinear radiance [..., 3] of a lat-long picture [H, W, 3] at unit directions [..., 3], wrapped around."""
    texel, weight = latlong_taps(directions, *environment.shape[:2])
    return (environment.flatten(0, 1)[texel] * weight[..., None].to(environment)).sum(-2)


def latlong_taps(directions: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """[..., 3] unit directions -> texels [..., 4] of a lat-long picture, row by row, and bilinear weights [..., 4]."""
    x, y, z = directions.unbind(-1)
    column = (torch.atan2(-x, z) / (2 * math.pi) + 0.5) * width - 0.5
    row = torch.arccos(y.clamp(-1 + 1e-6, 1 - 1e-6)) * (height / math.pi) - 0.5
    left, top = column.floor(), row.floor()
    fx, fy = column - left, row - top
    columns = torch.stack([left, left + 1, left, left + 1], -1).long() % width
    rows = torch.stack([top, top, top + 1, top + 1], -1).long().clamp(0, height - 1)
    weight = torch.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], -1)
    return rows * width + columns, weight


def load_environment(path: str | Path, height: int | None = None) -> Tensor:
    """[H, W, 3] linear float32 lat-long radiance from an .exr or .hdr file, averaged down to `height` rows if given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read as a picture.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"The environment map {path} does not exist: check the path.")
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # opencv reads EXR only when told so, once, on first use
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.dtype == np.uint8:
        raise ValueError(f"{path.name} is not a linear colour picture that can be read: give an .exr or .hdr file.")
    picture = np.ascontiguousarray(picture[..., 2::-1], dtype=np.float32)  # opencv keeps BGR
    picture = np.nan_to_num(picture, nan=0.0, posinf=65504.0, neginf=0.0).clip(min=0)
    if height is not None and height < picture.shape[0]:
        # Solid angle per texel varies along rows only, so a plain area average keeps the light's total closely.
        picture = cv2.resize(picture, (2 * height, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(picture)


@dataclass(frozen=True)
class SphericalHarmonicLight:
    """A smooth light: what a photo tells about its light."""

    coefficients: Tensor  # [B, 3] radiance

    def sh(self, degree: int) -> Tensor:
        """[B, 3] coefficients up to a degree; higher ones than it has are zero."""
        count = sh_count(degree)
        own = self.coefficients[:count]
        return torch.cat([own, own.new_zeros(count - len(own), 3)])


@dataclass(frozen=True)
class EnvironmentLight:
    """A light-probe picture."""

    image: Tensor  # [H, W, 3] lat-long radiance

    def sh(self, degree: int) -> Tensor:
        """[B, 3] coefficients up to a degree."""
        return environment_to_sh(self.image, degree)
