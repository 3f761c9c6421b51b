"""The mean head by this renderer and by Cycles, under the same light: prints the table and draws the picture.

python tests/rendering/compare_cycles.py OUT_FOLDER [--size 320] [--samples 192] [--lights city,studio,courtyard]

PSNR is of sRGB-encoded pictures inside the head, exposed so that the reference's 90th percentile is 0.6; bias is
mean(ours) / mean(Cycles) - 1; alpha the mean difference of coverage. Nothing is scaled between the two.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch

from neural_backend.geometry.normals import vertex_normals
from neural_backend.head.template import HeadTemplate
from neural_backend.rendering.light import EnvironmentLight, load_environment
from neural_backend.rendering.projection import TensorCamera, intrinsics_matrix, rigid_motion
from neural_backend.rendering.render import Material, material_ids, render_head
from neural_backend.rendering.subsurface import SurfaceDiffusion
from neural_backend.rendering.visibility import compute_transfer, environment_irradiance

SKIN = (0.55, 0.36, 0.27)
RADIUS_MM = (3.67, 1.37, 0.68)
#: name: F0, roughness, subsurface
CASES = {"diffuse": (0.0, 0.5, False), "specular": (0.028, 0.45, False), "subsurface": (0.028, 0.45, True)}


def probes() -> Path:
    """The CC0 Poly Haven light probes that ship inside bpy."""
    (found,) = Path(find_spec("bpy").origin).parent.glob("*/datafiles/studiolights/world")
    return found


def head(level: int = 1):
    template = HeadTemplate.load()
    lod = template.levels[level]
    kept = material_ids(lod) >= 0
    vertices = torch.from_numpy(template.vertices[lod.vertex_ids])
    triangles, triangle_uv = (torch.from_numpy(a[kept]) for a in (lod.triangles, lod.triangle_uv))
    solid = torch.from_numpy(material_ids(lod)[kept] > 0).long()  # eyes and teeth
    return vertices, triangles, torch.from_numpy(lod.uv), triangle_uv, solid


def look(vertices: torch.Tensor, size: int, yaw: float) -> TensorCamera:
    """A portrait lens on the head, turned by `yaw` radians, on the vertices' device."""
    motion = torch.diag(torch.tensor([1.0, -1, -1, 1])) @ rigid_motion(torch.tensor([0.0, yaw, 0.0]), torch.zeros(3))
    middle = ((vertices.amin(0) + vertices.amax(0)) / 2).cpu() + torch.tensor([0.0, 0.02, 0.0])
    motion[:3, 3] = torch.tensor([0.0, 0.0, 0.85]) - motion[:3, :3] @ middle
    intrinsics = intrinsics_matrix(torch.tensor(2.4 * size), size, size)
    return TensorCamera(size, size, intrinsics.to(vertices), motion.to(vertices))


def cycles(vertices, triangles, solid, normals, environment, camera, case, samples, folder: Path) -> torch.Tensor:
    """[H, W, 4] linear premultiplied."""
    f0, roughness, scatters = CASES[case]
    scene, out = folder / "scene.npz", folder / "out.exr"
    np.savez(
        scene,
        vertices=vertices.numpy(),
        triangles=triangles.numpy(),
        solid=solid.numpy(),
        normals=normals.numpy(),
        environment=environment.numpy(),
        intrinsics=camera.intrinsics.numpy(),
        camera_from_head=camera.camera_from_head.numpy(),
        width=camera.width,
        height=camera.height,
        albedo=np.array(SKIN),
        f0=f0,
        roughness=roughness,
        radius_mm=np.array(RADIUS_MM if scatters else (0.0, 0.0, 0.0)),
        bounces=4,
        samples=samples,
    )
    script = Path(__file__).with_name("cycles_reference.py")
    done = subprocess.run([sys.executable, str(script), str(scene), str(out)], capture_output=True, text=True)
    if not out.is_file():
        raise RuntimeError(f"Cycles ended with {done.returncode} and no picture: {(done.stdout + done.stderr)[-2000:]}")
    os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    out.unlink()
    return torch.from_numpy(np.ascontiguousarray(picture[..., [2, 1, 0, 3]]))


def encode(linear: torch.Tensor) -> torch.Tensor:
    low, high = linear * 12.92, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, low, high).clamp(0, 1)


def measure(ours: torch.Tensor, reference: torch.Tensor) -> dict[str, float]:
    inside = (ours[..., 3] > 0.999) & (reference[..., 3] > 0.999)
    exposure = 0.6 / torch.quantile(reference[..., :3][inside].mean(-1), 0.9)
    a, b = encode(ours[..., :3] * exposure)[inside], encode(reference[..., :3] * exposure)[inside]
    return {
        "psnr": float(-10 * torch.log10((a - b).square().mean())),
        "bias": float(ours[..., :3][inside].mean() / reference[..., :3][inside].mean() - 1),
        "alpha": float((ours[..., 3] - reference[..., 3]).abs().mean()),
        "exposure": float(exposure),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--samples", type=int, default=192)
    parser.add_argument("--lights", default="city,studio,courtyard,interior")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--cache", type=Path, help="keep Cycles' pictures here and use them again")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    vertices, triangles, uv, triangle_uv, solid = head()
    normals = vertex_normals(vertices, triangles)
    transfer = compute_transfer(vertices, triangles, normals, degree=4, bounces=3)
    diffusion = SurfaceDiffusion(vertices.numpy(), triangles.numpy(), RADIUS_MM, transfer.openness.numpy())
    print(
        f"{'light':10} {'case':11} {'SH dB':>9} {'rays dB':>9} {'bias':>7} {'alpha':>7} {'ours s':>7} {'Cycles s':>8}"
    )
    for k, light_name in enumerate(options.lights.split(",")):
        environment = load_environment(probes() / f"{light_name}.exr", 128)
        light = EnvironmentLight(environment)
        camera = look(vertices, options.size, (-0.5, 0.0, 0.6, 0.25)[k % 4])
        strip = []
        hard = environment_irradiance(
            vertices, triangles, normals, environment, bounces=3, bounce_albedo=torch.tensor(SKIN)
        )
        for case in options.cases.split(","):
            f0, roughness, scatters = CASES[case]
            skin, eyes = (Material.uniform(SKIN, f0, roughness, wanders) for wanders in (scatters, False))
            start = time.perf_counter()
            smooth, ours = (
                render_head(
                    vertices,
                    triangles,
                    uv,
                    triangle_uv,
                    [skin, eyes],
                    camera,
                    light,
                    triangle_material=solid,
                    transfer=transfer,
                    subsurface=diffusion if scatters else None,
                    irradiance=irradiance,
                    supersample=2,
                )
                for irradiance in (None, hard)
            )
            middle = time.perf_counter()
            cached = options.cache and options.cache / f"{light_name}_{case}_{options.size}_{options.samples}.npy"
            if cached and cached.is_file():
                reference = torch.from_numpy(np.load(cached))
            else:
                with tempfile.TemporaryDirectory() as folder:
                    reference = cycles(
                        vertices, triangles, solid, normals, environment, camera, case, options.samples, Path(folder)
                    )
                if cached:
                    options.cache.mkdir(parents=True, exist_ok=True)
                    np.save(cached, reference.numpy())
            end = time.perf_counter()
            numbers = measure(ours, reference)
            by_harmonics = measure(smooth, reference)
            print(
                f"{light_name:10} {case:11} {by_harmonics['psnr']:9.1f} {numbers['psnr']:9.1f} {numbers['bias']:7.3f}"
                f" {numbers['alpha']:7.4f} {middle - start:7.2f} {end - middle:8.1f}",
                flush=True,
            )
            row = [encode(picture[..., :3] * numbers["exposure"]) for picture in (smooth, ours, reference)]
            strip.append(torch.cat(row, 1))
        sheet = (torch.cat(strip, 0).numpy()[..., ::-1] * 255).round().astype(np.uint8)
        cv2.imwrite(str(options.out / f"cycles_{light_name}.png"), sheet)


if __name__ == "__main__":
    main()
