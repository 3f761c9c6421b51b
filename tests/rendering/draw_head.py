"""The mean head in one skin colour under light probes: python tests/rendering/draw_head.py OUT.png [--size 360]"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from compare_cycles import RADIUS_MM, SKIN, encode, look, probes

from neural_backend.geometry.normals import vertex_normals
from neural_backend.head.template import HeadTemplate
from neural_backend.rendering.light import EnvironmentLight, load_environment
from neural_backend.rendering.render import Material, material_ids, render_head
from neural_backend.rendering.silhouette import silhouette_edges
from neural_backend.rendering.specular import PrefilteredEnvironment
from neural_backend.rendering.subsurface import SurfaceDiffusion
from neural_backend.rendering.visibility import compute_transfer, environment_irradiance

LIGHTS = ("studio", "courtyard", "interior")
YAWS = (0.0, 0.6, 1.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=360)
    options = parser.parse_args()
    lod = HeadTemplate.load().levels[1]
    which = material_ids(lod)
    # Lashes need their alpha map: left out of a picture in plain colours.
    kept = (which >= 0) & (which != 3)
    vertices = torch.from_numpy(HeadTemplate.load().vertices[lod.vertex_ids])
    triangles, triangle_uv, which = (torch.from_numpy(a[kept]) for a in (lod.triangles, lod.triangle_uv, which))
    normals = vertex_normals(vertices, triangles)
    transfer = compute_transfer(vertices, triangles, normals, degree=4)
    diffusion = SurfaceDiffusion(vertices.numpy(), triangles.numpy(), RADIUS_MM, transfer.openness.numpy())
    materials = [
        Material.uniform(SKIN, 0.028, 0.45, scatters=True),
        Material.uniform((0.42, 0.36, 0.32), 0.028, 0.3),
        Material.uniform((0.5, 0.2, 0.17), 0.028, 0.3),
    ]
    rows = []
    for name in LIGHTS:
        environment = load_environment(probes() / f"{name}.exr", 128)
        hard = environment_irradiance(
            vertices, triangles, normals, environment, bounces=2, bounce_albedo=torch.tensor(SKIN)
        )
        pictures = [
            render_head(
                vertices,
                triangles,
                torch.from_numpy(lod.uv),
                triangle_uv,
                materials,
                look(vertices, options.size, yaw),
                EnvironmentLight(environment),
                triangle_material=which,
                transfer=transfer,
                irradiance=hard,
                subsurface=diffusion,
                prefiltered=PrefilteredEnvironment.build(environment),
                edges=silhouette_edges(triangles),
                supersample=2,
            )
            for yaw in YAWS
        ]
        row = torch.cat(pictures, 1)
        exposure = 0.65 / torch.quantile(row[row[..., 3] > 0.99][:, :3].mean(-1), 0.95)
        # On a grey ground, by the coverage that the renderer gives.
        rows.append(encode(row[..., :3] * exposure + 0.04 * (1 - row[..., 3:])))
    sheet = torch.cat(rows, 0).numpy()[..., ::-1]
    cv2.imwrite(str(options.out), (sheet * 255).round().astype(np.uint8))


if __name__ == "__main__":
    main()
