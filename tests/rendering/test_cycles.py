"""One small picture against Cycles. `compare_cycles.py` draws the large ones of docs/rendering.md."""

import numpy as np
import pytest
import torch

pytest.importorskip("bpy", reason="needs the bpy wheel (extra 'blender')")
pytestmark = pytest.mark.blender


def test_matte_head_under_a_room(tmp_path):
    from compare_cycles import CASES, SKIN, cycles, head, look, measure, probes

    from neural_backend.geometry.normals import vertex_normals
    from neural_backend.rendering.light import EnvironmentLight, load_environment
    from neural_backend.rendering.render import Material, render_head

    vertices, triangles, uv, triangle_uv, solid = head(level=0)
    normals = vertex_normals(vertices, triangles)
    environment = load_environment(probes() / "courtyard.exr", 64)
    camera = look(vertices, 128, -0.5)
    f0, roughness, _ = CASES["diffuse"]
    ours = render_head(
        vertices,
        triangles,
        uv,
        triangle_uv,
        Material.uniform(SKIN, f0, roughness),
        camera,
        EnvironmentLight(environment),
        degree=4,
        bounces=3,
        supersample=2,
    )
    reference = cycles(vertices, triangles, solid, normals, environment, camera, "diffuse", 64, tmp_path)
    numbers = measure(ours, reference)
    assert numbers["psnr"] > 27, numbers
    assert abs(numbers["bias"]) < 0.05, numbers
    assert numbers["alpha"] < 0.004, numbers  # same camera, same outline
    assert np.isfinite(ours.numpy()).all() and torch.is_tensor(reference)
