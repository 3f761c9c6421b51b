"""Radiance transfer against brute force and against closed forms."""

import math

import numpy as np
import pytest
import torch
import trimesh

from neural_backend.geometry.normals import vertex_normals
from neural_backend.geometry.rays import Surface
from neural_backend.rendering.light import environment_directions, sh_basis, sh_to_environment
from neural_backend.rendering.visibility import (
    OFFSET,
    analytic_transfer,
    compute_transfer,
    environment_irradiance,
    transfer,
)


def test_open_sphere_is_analytic():
    ball = trimesh.creation.icosphere(subdivisions=3)
    vertices, triangles = torch.tensor(ball.vertices).float() * 0.1, torch.tensor(ball.faces)
    normals = vertex_normals(vertices, triangles)
    computed = compute_transfer(vertices, triangles, normals, degree=3, rays=64)
    assert torch.allclose(computed.direct(normals), analytic_transfer(normals, 3), atol=0.01)
    assert computed.openness.min() > 0.95
    assert (computed.bent_normal * normals).sum(-1).min() > 0.98


def test_against_brute_force_monte_carlo(make_view):
    """40,000 independent cosine-weighted rays per point, at a few points of the face."""
    view = make_view()
    normals = vertex_normals(view.vertices, view.triangles)
    skin = torch.randperm(3000, generator=torch.Generator().manual_seed(3))[:12].numpy()
    points, at = view.vertices[skin].numpy(), normals[skin].numpy()
    quick = compute_transfer(view.vertices, view.triangles, normals, points, at, degree=3, rays=512).direct(
        torch.from_numpy(at)
    )
    surface = Surface(view.vertices.numpy(), view.triangles.numpy())
    rng = np.random.default_rng(0)
    for k, (point, normal) in enumerate(zip(points, at, strict=True)):
        sphere = rng.normal(size=(40000, 3))
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
        rays = sphere + normal  # cosine-weighted
        rays = (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)
        open_ = ~surface.occluded(np.broadcast_to(point + OFFSET * normal, rays.shape), rays)
        expected = (sh_basis(torch.from_numpy(rays), 3).numpy() * open_[:, None]).mean(0)
        assert np.abs(quick[k].numpy() - expected).max() < 0.008, k


def test_bounce_in_a_closed_box():
    """Inside a closed box lit by nothing there is no direct light; at its faces all rays meet front sides."""
    box = trimesh.creation.box(extents=(1, 1, 1)).subdivide().subdivide()
    vertices = torch.tensor(box.vertices).float()
    triangles = torch.tensor(box.faces[:, ::-1].copy())  # inside out
    centres = torch.tensor([[0.1, -0.5 + 1e-4, 0.2]])
    up = torch.tensor([[0.0, 1.0, 0.0]])
    computed = compute_transfer(
        vertices, triangles, vertex_normals(vertices, triangles), centres, up, degree=1, rays=256, bounces=1
    )
    assert computed.openness[0] < 0.01
    assert computed.direct(up).abs().max() < 0.01
    assert computed.bounces[0].abs().max() < 0.01  # the walls are dark too


def test_bounce_between_a_floor_and_a_wall():
    """A white wall beside a floor under a uniform sky: the form factor of the adjacent square in closed form."""
    grid = np.linspace(0, 1, 41)
    a, b = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    index = np.arange(41 * 41).reshape(41, 41)
    corner = [index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel(), index[:-1, 1:].ravel()]
    quads = np.concatenate([np.stack(corner[:3], 1), np.stack([corner[0], corner[2], corner[3]], 1)])
    wall = np.stack([a, b, np.zeros_like(a)], 1)  # in the plane z = 0, y up
    vertices = torch.from_numpy(wall).float()
    triangles = torch.from_numpy(quads)
    normals = vertex_normals(vertices, triangles)  # along +z or -z by construction
    if normals[0, 2] < 0:
        triangles = triangles.flip(1)
        normals = -normals
    point, up = torch.tensor([[0.5, 0.0, 0.25]]), torch.tensor([[0.0, 1.0, 0.0]])
    computed = compute_transfer(vertices, triangles, normals, point, up, degree=0, rays=4096, bounces=1)
    # Differential area to a perpendicular rectangle from its edge's height: two rectangles b = 0.5 wide, c = 1 high.
    width, height, distance = 0.5, 1.0, 0.25
    x, y = width / distance, height / distance
    factor = (math.atan(x) - math.atan(x / math.sqrt(1 + y * y)) / math.sqrt(1 + y * y)) / math.pi
    white_sky = 0.28209479
    assert 1 - computed.openness[0] == pytest.approx(factor, abs=0.01)
    assert computed.bounces[0][0, 0] == pytest.approx(factor * white_sky, abs=0.01)


def test_shading_is_linear_in_light_and_differentiable_in_normals(make_view):
    view = make_view()
    normals = vertex_normals(view.vertices, view.triangles)
    computed = compute_transfer(view.vertices, view.triangles, normals, degree=2, rays=48, bounces=1)
    light = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    total = computed.total(normals, 0.5)
    assert torch.allclose(total @ (2 * light), 2 * (total @ light))
    per_channel = computed.total(normals, torch.tensor([0.5, 0.5, 0.5]))
    assert torch.allclose(per_channel, total[..., None].expand(-1, -1, 3), atol=1e-6)
    free = normals[:4].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda n: analytic_transfer(n, 2), free, atol=1e-4)


def test_face_is_shadowed_where_it_should_be(make_view, template):
    view = make_view()
    normals = vertex_normals(view.vertices, view.triangles)
    computed = compute_transfer(view.vertices, view.triangles, normals, rays=96)
    curves = template.levels[0].curves
    crown = int(view.vertices[:, 1].argmax())
    nose = int(view.vertices[:, 2].argmax())
    nostril = next(ids for name, ids in curves.items() if name.startswith("nostril"))
    assert computed.openness[crown] > 0.95
    assert computed.openness[nostril].mean() < 0.6 < computed.openness[nose]
    again = compute_transfer(view.vertices, view.triangles, normals, rays=96)
    assert torch.equal(again.shadow, computed.shadow)
    alone = transfer(view.vertices, view.triangles, normals, rays=96)
    assert torch.equal(alone, computed.direct(normals))


def test_ray_traced_irradiance_agrees_with_transfer_under_smooth_light(make_view):
    """A light of degree 1 only: both routes are exact up to their quadrature."""
    view = make_view()
    normals = vertex_normals(view.vertices, view.triangles)
    light = torch.zeros(4, 3)
    light[0], light[3] = 3.0, torch.tensor([1.0, 0.5, 0.2])
    computed = compute_transfer(view.vertices, view.triangles, normals, degree=1, rays=256, bounces=1)
    expected = computed.total(normals, 0.4) @ light
    traced = environment_irradiance(
        view.vertices, view.triangles, normals, sh_to_environment(light, 64), rays=512, bounces=1, bounce_albedo=0.4
    )
    assert (traced - expected).abs().mean() < 0.01 * expected.abs().mean()
    assert (traced - expected).abs().max() < 0.1 * expected.max()


def test_a_small_sun_keeps_its_energy_and_throws_a_shadow(make_view):
    """One bright texel high on the subject's left: exact irradiance where open, none behind the head."""
    view = make_view()
    normals = vertex_normals(view.vertices, view.triangles)
    directions, solid = environment_directions(64, 128)
    sun = torch.zeros(64, 128, 3)
    row, column = 20, 30
    sun[row, column] = 1 / solid[row, column]
    cosine = (normals @ directions[row, column]).clamp_min(0)
    traced = environment_irradiance(view.vertices, view.triangles, normals, sun, rays=1024, bounces=0)[:, 0]
    crown = int(view.vertices[:, 1].argmax())
    assert traced[crown] == pytest.approx(float(cosine[crown]) / math.pi, rel=0.05)
    assert traced[cosine == 0].max() < 0.02
    facing = cosine > 0.2
    assert 0.05 < (traced[facing] < 0.01).float().mean() < 0.7  # cast shadows and the mouth's inside


def test_points_need_normals(make_view):
    view = make_view()
    with pytest.raises(ValueError, match="together"):
        compute_transfer(view.vertices, view.triangles, view.vertices, points=view.vertices)
