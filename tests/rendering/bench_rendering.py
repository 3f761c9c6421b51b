"""Times of the renderer on this machine: python tests/rendering/bench_rendering.py [--device cpu|cuda]"""

from __future__ import annotations

import argparse
import time
from functools import partial

import torch
from compare_cycles import RADIUS_MM, SKIN, look

from neural_backend.geometry.normals import vertex_normals
from neural_backend.head.template import HeadTemplate
from neural_backend.rendering.light import EnvironmentLight
from neural_backend.rendering.rasterizer import interpolate, rasterize, rasterize_uv
from neural_backend.rendering.render import Material, render_head
from neural_backend.rendering.silhouette import antialias, silhouette_edges
from neural_backend.rendering.specular import PrefilteredEnvironment
from neural_backend.rendering.subsurface import SurfaceDiffusion
from neural_backend.rendering.visibility import compute_transfer


def best(action, device: torch.device, repeats: int = 7) -> float:
    """Milliseconds of the fastest of several runs: others share the machine."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[1:])


def forward_backward(pixels, depth, colour, triangles, fragments, edges) -> None:
    pixels, colour = pixels.clone().requires_grad_(), colour.clone().requires_grad_()
    image = interpolate(colour, triangles, fragments, pixels, depth)
    antialias(image, pixels, depth, fragments, edges).square().mean().backward()


def measure(level: int, device: torch.device) -> dict[str, float]:
    """Milliseconds of each step at a level of detail."""
    template = HeadTemplate.load()
    lod = template.levels[level]
    vertices, triangles, uv, triangle_uv = (
        torch.from_numpy(array).to(device)
        for array in (template.vertices[lod.vertex_ids], lod.triangles, lod.uv, lod.triangle_uv)
    )
    arrays = vertices.cpu().numpy(), triangles.cpu().numpy(), RADIUS_MM
    generator = torch.Generator().manual_seed(0)
    environment = EnvironmentLight(torch.rand(128, 256, 3, generator=generator).to(device))
    normals, edges = vertex_normals(vertices, triangles), silhouette_edges(triangles, device)
    mesh = vertices, triangles, normals
    run = partial(best, device=device)
    rows = {"vertex normals": run(lambda: vertex_normals(vertices, triangles))}
    for size in (256, 512, 1024):
        camera = look(vertices, size, 0.4)
        pixels, depth = camera.project(vertices)
        rows[f"rasterize {size}^2"] = run(partial(rasterize, pixels, depth, triangles, size, size))
        fragments = rasterize(pixels, depth, triangles, size, size)
        rows[f"interpolate + antialias {size}^2, forward + backward"] = run(
            partial(forward_backward, pixels, depth, vertices, triangles, fragments, edges)
        )
    rows["rasterize_uv 2048^2"] = run(lambda: rasterize_uv(uv, triangle_uv, 2048, 2048), repeats=3)
    rows["transfer, degree 3, 128 rays"] = run(lambda: compute_transfer(*mesh, rays=128), repeats=2)
    full = {"degree": 4, "bounces": 1}
    rows["transfer, degree 4, 192 rays, 1 bounce"] = run(lambda: compute_transfer(*mesh, **full), repeats=2)
    rows["SurfaceDiffusion"] = run(lambda: SurfaceDiffusion(*arrays), repeats=2)
    rows["PrefilteredEnvironment"] = run(lambda: PrefilteredEnvironment.build(environment.image), repeats=3)
    prepared = {
        "transfer": compute_transfer(*mesh, **full),
        "subsurface": SurfaceDiffusion(*arrays),
        "prefiltered": PrefilteredEnvironment.build(environment.image),
        "edges": edges,
    }
    skin = Material.uniform(SKIN, scatters=True, device=device)
    head = vertices, triangles, uv, triangle_uv, skin, look(vertices, 512, 0.4), environment
    rows["render_head 512^2, everything prepared"] = run(lambda: render_head(*head, **prepared), repeats=3)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    device = torch.device(parser.parse_args().device)
    print(f"{'ms':54} {'level 0':>9} {'level 1':>9}")
    coarse, fine = measure(0, device), measure(1, device)
    for name, value in coarse.items():
        print(f"{name:54} {value:9.1f} {fine[name]:9.1f}")


if __name__ == "__main__":
    main()
