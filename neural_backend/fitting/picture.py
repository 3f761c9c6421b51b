"""The fitted head rendered as in its photo: for residual pictures, reports and evaluation."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from ..geometry.normals import vertex_normals
from ..head.template import HeadTemplate
from ..rendering.camera import Camera
from ..rendering.light import SphericalHarmonicLight, sh_degree
from ..rendering.render import Material, material_ids, render_head
from ..rendering.visibility import compute_transfer
from .result import FitResult, PhotoFit

RAYS = 64  # per vertex and hemisphere: enough for light this smooth
CLAY = Material.uniform((0.45, 0.45, 0.45), specular=0.0)


@cache
def _drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Triangles, their UV corners and materials of all that is drawn, and the UV coordinates."""
    level = HeadTemplate.load().levels[1]
    ids = material_ids(level)
    keep = ids >= 0
    return (
        torch.from_numpy(level.triangles[keep]),
        torch.from_numpy(level.triangle_uv[keep]),
        torch.from_numpy(ids[keep]),
        torch.from_numpy(level.uv),
    )


def photo_materials(maps: dict[str, np.ndarray], eye: np.ndarray | None, mouth: np.ndarray | None) -> list[Material]:
    """Materials in render.MATERIAL_NAMES' order from linear maps [S, S, C]; keys diffuse, specular, roughness, normal.

    Eyes and mouth fall back to one plausible colour where no map is given.
    """

    def tensor(values: np.ndarray) -> torch.Tensor:
        values = np.ascontiguousarray(values, dtype=np.float32)
        return torch.from_numpy(values if values.ndim == 3 else values[..., None])

    uniform = Material.uniform
    skin = Material(
        tensor(maps["diffuse"]),
        tensor(maps["specular"]) if "specular" in maps else torch.tensor([0.028]),
        tensor(maps["roughness"]) if "roughness" in maps else torch.tensor([0.5]),
        tensor(maps["normal"]) if "normal" in maps else None,
    )
    rest = [(eye, (0.45, 0.42, 0.40), 0.028, 0.15), (mouth, (0.45, 0.28, 0.24), 0.04, 0.25)]
    others = [
        uniform(plain, specular, roughness)
        if image is None
        else Material(tensor(image[..., :3]), torch.tensor([specular]), torch.tensor([roughness]))
        for image, plain, specular, roughness in rest
    ]
    return [skin, *others, uniform((0.03, 0.02, 0.015), specular=0.0)]


def render_fit(
    fit: FitResult,
    photo_fit: PhotoFit,
    camera: Camera | None = None,
    materials: list[Material] | Material = CLAY,
    expression: np.ndarray | None = None,  # [52]; the photo's own if None
    light: np.ndarray | None = None,  # [B, 3]; the photo's own if None
    supersample: int = 1,
) -> np.ndarray:
    """[H, W, 4] float32 scene-linear radiance in the photo's exposure, premultiplied by coverage."""
    triangles, triangle_uv, which, uv = _drawn()
    weights = photo_fit.expression if expression is None else expression
    vertices = fit.vertices + np.tensordot(np.asarray(weights, np.float32), fit.arkit, 1)
    coefficients = (photo_fit.light if light is None else light) * photo_fit.exposure
    posed = torch.from_numpy(np.ascontiguousarray(vertices, dtype=np.float32))
    degree = sh_degree(len(coefficients))
    # As in de-lighting, shadows without interreflection: the light was found that way.
    transfer = compute_transfer(posed, triangles, vertex_normals(posed, triangles), degree=degree, rays=RAYS)
    image = render_head(
        posed,
        triangles,
        uv,
        triangle_uv,
        materials,
        camera or photo_fit.camera,
        SphericalHarmonicLight(torch.from_numpy(np.asarray(coefficients, np.float32))),
        triangle_material=None if isinstance(materials, Material) else which,
        transfer=transfer,
        supersample=supersample,
    )
    return image.detach().numpy()
