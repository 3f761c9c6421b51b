"""The head as a picture: one call for previews, residual pictures and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ..geometry.normals import normalize, tangent_frames, vertex_normals
from ..head.template import PART_NAMES, PART_TEXTURE_SET, Level
from .camera import Camera
from .light import EnvironmentLight, SphericalHarmonicLight, sh_count, window_sh
from .projection import TensorCamera
from .rasterizer import interpolate_covered, rasterize
from .shading import DETAIL_SOFTENING, detail_factor, perturb_normals, shade, vertex_irradiance
from .silhouette import antialias, silhouette_edges
from .specular import PrefilteredEnvironment
from .subsurface import SurfaceDiffusion, random_walk_reflectance
from .texture import mip_level, mip_pyramid, sample_mipmap
from .visibility import Transfer, compute_transfer

#: Order of `triangle_material` ids given by `material_ids`; cornea and tear line are clear and not drawn.
MATERIAL_NAMES: tuple[str, ...] = ("skin", "eye", "mouth", "lashes")


@dataclass(frozen=True)
class Material:
    """Maps [H, W, C] in the material's UV square, or constants [C]."""

    diffuse: Tensor  # [H, W, 3] or [3] linear albedo: Principled's base colour
    specular: Tensor  # [H, W, 1] or [1] F0
    roughness: Tensor  # [H, W, 1] or [1] Principled's
    normal: Tensor | None = None  # [H, W, 3] tangent space, 0..1, OpenGL
    scatters: bool = False  # does light wander under this material?

    @classmethod
    def uniform(
        cls,
        diffuse: Sequence[float],
        specular: float = 0.028,
        roughness: float = 0.5,
        scatters: bool = False,
        device: torch.device | str = "cpu",
    ) -> Material:
        """One colour everywhere; `specular` 0 is a matte surface."""

        def constant(*values: float) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        return cls(constant(*diffuse), constant(specular), constant(roughness), None, scatters)


def material_ids(level: Level) -> np.ndarray:
    """[2F] index into MATERIAL_NAMES of a level's triangles; -1 for clear parts, which are to be left out."""
    names = [PART_TEXTURE_SET[part] for part in range(len(PART_NAMES))]
    ids = np.array([MATERIAL_NAMES.index(name) if name in MATERIAL_NAMES else -1 for name in names])
    return ids[level.triangle_part]


def render_head(
    vertices: Tensor,  # [V, 3] metres, head frame
    triangles: Tensor,  # [F, 3] int64
    uv: Tensor,  # [T, 2]
    triangle_uv: Tensor,  # [F, 3] int64
    materials: Material | Sequence[Material],
    camera: Camera | TensorCamera,
    light: SphericalHarmonicLight | EnvironmentLight,
    *,
    triangle_material: Tensor | None = None,  # [F] index into materials; all 0 if None
    transfer: Transfer | None = None,  # of the vertices; traced here if None and `shadows`
    shadows: bool = True,
    degree: int = 4,
    bounces: int = 1,
    bounce_albedo: Tensor | float | None = None,  # mean albedo of the first material if None
    irradiance: Tensor | None = None,  # [V, 3] from environment_irradiance, in place of the transfer's
    subsurface: SurfaceDiffusion | None = None,  # for materials that scatter; none if None
    prefiltered: PrefilteredEnvironment | None = None,  # of an EnvironmentLight; made here if None
    edges: Tensor | None = None,  # silhouette_edges(triangles); made here if None
    supersample: int = 1,
) -> Tensor:
    """[H, W, 4] linear premultiplied radiance and coverage on the vertices' device.

    Differentiable in vertices, camera, maps and light, with occlusion held constant. Rendering several pictures of one
    head is much faster with `transfer`, `prefiltered` and `edges` made once and given.
    """
    materials = [materials] if isinstance(materials, Material) else list(materials)
    device = vertices.device
    view = TensorCamera.of(camera, device) if isinstance(camera, Camera) else camera
    fine = view.scaled(supersample) if supersample > 1 else view
    normals = vertex_normals(vertices, triangles)
    if transfer is None and shadows:
        transfer = compute_transfer(vertices, triangles, normals, degree=degree, bounces=bounces)
    if transfer is not None:
        degree = transfer.degree
    coefficients = _windowed(light, degree).to(device)
    if bounce_albedo is None:
        bounce_albedo = materials[0].diffuse.detach().reshape(-1, 3).mean(0)
    if isinstance(light, EnvironmentLight):
        mirrored = prefiltered or PrefilteredEnvironment.build(light.image.to(device))
    else:
        mirrored = SphericalHarmonicLight(coefficients)

    pixels, depth = fine.project(vertices)
    fragments = rasterize(pixels, depth, triangles, fine.height, fine.width)
    sharp = irradiance
    if sharp is None:
        sharp = vertex_irradiance(normals, coefficients, transfer, bounce_albedo)
    soft = sharp if subsurface is None else subsurface(sharp[:, None, :])[:, 0].clamp_min(0)
    visibility = [transfer.visibility] if transfer is not None else []
    per_vertex = torch.cat([vertices, normals, sharp, soft, *visibility], 1)
    values = interpolate_covered(per_vertex, triangles, fragments, pixels, depth)
    position, normal = values[:, :3], normalize(values[:, 3:6])
    sharp, soft = values[:, 6:9], values[:, 9:12]
    seen = values[:, 12:] if transfer is not None else None
    eye = normalize(view.centre_head - position)
    # Interpolated normals may lean away at a limb; a surface that is seen faces the eye at least a little.
    normal = normalize(normal - eye * ((normal * eye).sum(-1, keepdim=True).clamp_max(0)))
    coordinate = interpolate_covered(uv, triangle_uv, fragments, pixels, depth, position_triangles=triangles)

    colour = torch.zeros_like(position)
    which = None if triangle_material is None else triangle_material[fragments.covered_triangle]
    for index, material in enumerate(materials):
        chosen = slice(None) if which is None else (which == index).nonzero()[:, 0]
        level = None
        texel = {}
        for name in ("diffuse", "specular", "roughness", "normal"):
            value = getattr(material, name)
            if value is None:
                continue
            if value.ndim == 1:
                texel[name] = value.expand(len(coordinate[chosen]), -1)
                continue
            if level is None or level[0] != value.shape[0]:
                level = (value.shape[0], mip_level(pixels, triangles, uv, triangle_uv, fragments, value.shape[0]))
            texel[name] = sample_mipmap(mip_pyramid(value), coordinate[chosen], level[1][chosen])
        diffuse = (soft if material.scatters and subsurface is not None else sharp)[chosen]
        detailed = normal[chosen]
        if "normal" in texel:
            frames = tangent_frames(vertices, normals, triangles, uv, triangle_uv)
            with_sign = torch.cat([frames.tangent, frames.sign[:, None]], 1)
            tangent = interpolate_covered(with_sign, frames.corner, fragments, pixels, depth, triangles)[chosen]
            detailed = perturb_normals(detailed, tangent[:, :3], tangent[:, 3].sign(), texel["normal"])
            softening = DETAIL_SOFTENING if material.scatters else (0.0, 0.0, 0.0)
            diffuse = diffuse * detail_factor(detailed, normal[chosen], coefficients, softening)
        albedo = texel["diffuse"]
        if material.scatters and subsurface is not None:
            facing = (normal[chosen] * eye[chosen]).sum(-1, keepdim=True).clamp(0, 1)
            albedo = random_walk_reflectance(albedo, facing)
        shaded = shade(
            albedo,
            diffuse,
            texel["specular"],
            texel["roughness"][:, 0],
            detailed,
            eye[chosen],
            mirrored,
            None if seen is None else seen[chosen],
        )
        colour = shaded if which is None else colour.index_copy(0, chosen, shaded)

    image = fragments.image(torch.cat([colour, torch.ones_like(colour[:, :1])], 1))
    edges = silhouette_edges(triangles, device) if edges is None else edges
    image = antialias(image, pixels, depth, fragments, edges)
    if supersample > 1:
        image = functional.avg_pool2d(image.permute(2, 0, 1)[None], supersample)[0].permute(1, 2, 0)
    return image


def _windowed(light: SphericalHarmonicLight | EnvironmentLight, degree: int) -> Tensor:
    """Coefficients of the light; a picture's are damped a little, or a small bright sun rings into the shade."""
    if isinstance(light, EnvironmentLight):
        return window_sh(light.sh(degree), 0.001)
    return light.sh(degree)


__all__ = ["MATERIAL_NAMES", "Material", "material_ids", "render_head", "sh_count"]
