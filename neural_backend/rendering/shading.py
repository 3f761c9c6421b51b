"""How skin answers light, per vertex and per pixel. All differentiable; radiance is linear Rec.709.

radiance = albedo * irradiance * (1 - specular share) + specular share * light in the mirror lobe * its open share

The irradiance comes from the precomputed transfer, diffused over the surface where light wanders under it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry.normals import normalize
from .light import SphericalHarmonicLight, sh_basis, sh_degree
from .specular import (
    PrefilteredEnvironment,
    lobe_roughness,
    prefiltered_sh,
    reflect,
    specular_albedo,
    specular_occlusion,
)
from .subsurface import SurfaceDiffusion
from .visibility import Transfer, analytic_transfer

#: How much of a normal map's detail the diffuse light loses under the skin, red, green, blue: pores and fine wrinkles
#: are smaller than the mean free path of red light.
DETAIL_SOFTENING: tuple[float, float, float] = (0.8, 0.5, 0.3)
#: Limits of the detail's relative change of irradiance: beyond them the smooth irradiance is too dark to be a base.
DETAIL_RANGE = (0.3, 2.5)


def vertex_irradiance(
    normals: Tensor,  # [V, 3]
    light: Tensor,  # [B, 3]
    transfer: Transfer | None,
    bounce_albedo: Tensor | float = 0.0,  # number or [3]: mean skin, for interreflection
    subsurface: SurfaceDiffusion | None = None,
) -> Tensor:
    """[V, 3] radiance of a white surface; without transfer nothing is in shadow."""
    degree = sh_degree(light.shape[0])
    if transfer is None:
        operator = analytic_transfer(normals, degree)
    else:
        if transfer.degree != degree:
            raise ValueError(f"The transfer has degree {transfer.degree}, the light {degree}: make them the same.")
        operator = transfer.total(normals, bounce_albedo)
    radiance = operator @ light if operator.ndim == 2 else torch.einsum("vbc,bc->vc", operator, light)  # [V, 3]
    if subsurface is not None:
        # Diffusing three numbers per vertex equals diffusing the transfer: both are linear.
        radiance = subsurface(radiance[:, None, :])[:, 0]
    return radiance.clamp_min(0)


def perturb_normals(
    normals: Tensor,  # [N, 3] unit
    tangents: Tensor,  # [N, 3]
    signs: Tensor,  # [N]
    mapped: Tensor,  # [N, 3] normal map, 0..1, OpenGL
) -> Tensor:
    """[N, 3] unit normals with the map's detail."""
    local = mapped * 2 - 1
    tangents = normalize(tangents - normals * (tangents * normals).sum(-1, keepdim=True))
    bitangents = torch.linalg.cross(normals, tangents) * signs[:, None]
    return normalize(tangents * local[:, :1] + bitangents * local[:, 1:2] + normals * local[:, 2:])


def detail_factor(
    detailed: Tensor,  # [N, 3]
    smooth: Tensor,  # [N, 3]
    light: Tensor,  # [B, 3]
    softening: tuple[float, float, float],
) -> Tensor:
    """[N, 3] how the normal map's detail changes the smooth irradiance, by the unshadowed light."""
    degree = sh_degree(light.shape[0])
    base = (analytic_transfer(smooth, degree) @ light).clamp_min(1e-4)  # [N, 3]
    channels = []
    for channel, soft in enumerate(softening):
        normal = normalize(torch.lerp(detailed, smooth, soft))
        channels.append((analytic_transfer(normal, degree) @ light[:, channel]) / base[:, channel])
    return torch.stack(channels, -1).clamp(*DETAIL_RANGE)


def shade(
    albedo: Tensor,  # [N, 3]
    irradiance: Tensor,  # [N, 3]
    f0: Tensor,  # [N, 1] or [N, 3]
    roughness: Tensor,  # [N]
    normals: Tensor,  # [N, 3] unit, with detail
    view: Tensor,  # [N, 3] unit, towards the eye
    light: SphericalHarmonicLight | PrefilteredEnvironment,
    visibility: Tensor | None = None,  # [N, B]
) -> Tensor:
    """[N, 3] radiance towards the eye."""
    cosine = (normals * view).sum(-1).clamp(1e-3, 1)
    share = specular_albedo(f0, roughness, cosine)  # [N, C]
    mirror = normalize(reflect(view, normals))
    width = lobe_roughness(roughness, cosine)
    if isinstance(light, PrefilteredEnvironment):
        incoming = light.sample(mirror, width)
    else:
        incoming = prefiltered_sh(light.coefficients, mirror, width).clamp_min(0)
    if visibility is not None:
        incoming = incoming * specular_occlusion(visibility, mirror, width)[:, None]
    return albedo * irradiance * (1 - share) + share * incoming


def light_from_direction(direction: Tensor, radiance: Tensor, degree: int) -> Tensor:
    """[B, 3] coefficients of a distant point source from unit `direction` [3] that gives irradiance `radiance` [3]."""
    return sh_basis(direction, degree)[:, None] * radiance


__all__ = ["detail_factor", "light_from_direction", "perturb_normals", "shade", "vertex_irradiance"]
