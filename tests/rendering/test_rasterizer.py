"""Visibility against ray casting and against the torch twin; gradients against finite differences."""

import cv2
import numpy as np
import pytest
import torch

from neural_backend.geometry.rays import Surface
from neural_backend.rendering.projection import camera_centre, project, rigid_motion
from neural_backend.rendering.rasterizer import (
    interpolate,
    interpolate_covered,
    perspective_barycentric,
    rasterize,
    rasterize_torch,
    rasterize_uv,
)


def ray_cast(view):
    """Triangle [H, W] and depth [H, W] that embree sees through the pixel centres."""
    grid = torch.arange(view.size) + 0.5
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    rays = torch.stack([x, y, torch.ones_like(x)], -1).reshape(-1, 3) @ torch.linalg.inv(view.intrinsics).T
    directions = rays @ view.camera_from_head[:3, :3]  # z = 1 along the axis: the hit's distance is its depth
    origin = camera_centre(view.camera_from_head).expand_as(directions)
    hits = Surface(view.vertices.numpy(), view.triangles.numpy()).first_hit(origin.numpy(), directions.numpy())
    return hits.triangle.reshape(view.size, view.size), hits.distance.reshape(view.size, view.size)


@pytest.mark.parametrize(("level", "yaw"), [(0, 0.0), (0, 0.9), (1, 0.4)])
def test_visibility_agrees_with_ray_casting(make_view, level, yaw):
    view = make_view(256, level, yaw)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, 256, 256)
    triangle, distance = ray_cast(view)
    # Compare seen depth, away from outlines: neighbours share their edge's pixels at random.
    seen = triangle >= 0
    near_outline = cv2.morphologyEx(np.where(seen, distance, 9).astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    inner = near_outline < 0.004
    same = (fragments.mask.numpy() == seen) & (np.abs(fragments.depth.numpy() - np.where(seen, distance, 0)) < 1e-4)
    assert seen.mean() > 0.3
    assert same[inner].mean() >= 0.999
    assert same.mean() >= 0.999  # in fact everywhere
    assert (fragments.triangle.numpy() == triangle)[inner].mean() > 0.998


@pytest.mark.parametrize("cull_back", [False, True])
@pytest.mark.parametrize("level", [0, 1])
def test_kernel_and_twin_agree(make_view, level, cull_back):
    view = make_view(200, level)
    pixels, depth = view.project()
    fast = rasterize(pixels, depth, view.triangles, 170, 200, cull_back)
    twin = rasterize_torch(pixels, depth, view.triangles, 170, 200, cull_back)
    same = fast.triangle == twin.triangle
    assert same.float().mean() > 0.9999
    assert torch.allclose(fast.barycentric[same], twin.barycentric[same], atol=2e-4)
    assert torch.allclose(fast.depth[same], twin.depth[same], atol=1e-5)


def test_bands_over_threads_leave_no_seam(make_view):
    """A picture of many rows is drawn by several threads; drawn as two short pictures it must be the same."""
    view = make_view(256)
    pixels, depth = view.project()
    whole = rasterize(pixels, depth, view.triangles, 256, 256).triangle
    for start in range(0, 256, 64):  # below MIN_BAND_ROWS * 2: one thread
        shifted = pixels - torch.tensor([0.0, start])
        part = rasterize(shifted, depth, view.triangles, 64, 256).triangle
        assert (part == whole[start : start + 64]).float().mean() > 0.9999


def test_culling_and_triangles_behind_the_camera():
    vertices = torch.tensor([[-1.0, -1, 2], [1, -1, 2], [0, 1, 2], [-1, -1, 1], [1, -1, 1], [0, 1, -1]])
    intrinsics = torch.tensor([[20.0, 0, 16], [0, 20, 16], [0, 0, 1]])
    pixels, depth = project(vertices, intrinsics, torch.eye(4))
    both = torch.tensor([[0, 1, 2], [3, 4, 5]])
    assert set(rasterize(pixels, depth, both, 32, 32).triangle.unique().tolist()) == {-1, 0}
    clockwise_on_screen = rasterize(pixels, depth, both[:1].flip(1), 32, 32, cull_back=True)
    other = rasterize(pixels, depth, both[:1], 32, 32, cull_back=True)
    assert clockwise_on_screen.mask.any() != other.mask.any()


def test_degenerate_and_far_away_corners_do_no_harm():
    pixels = torch.tensor([[5.0, 5], [5, 5], [9, 9], [-1e9, -1e9], [1e9, -1e9], [0.0, 1e9], [float("nan"), 1]])
    depth = torch.ones(7)
    fragments = rasterize(pixels, depth, torch.tensor([[0, 1, 2], [3, 4, 5], [6, 0, 2]]), 16, 16)
    assert torch.isfinite(fragments.barycentric).all()
    assert (fragments.triangle == 1).all()


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="pixels"):
        rasterize(torch.zeros(4, 3), torch.ones(4), torch.zeros(1, 3, dtype=torch.int64), 8, 8)
    with pytest.raises(ValueError, match="pixels"):
        rasterize(torch.zeros(4, 2), torch.ones(4), torch.zeros(1, 3, dtype=torch.int64), 0, 8)


def test_interpolated_positions_lie_on_the_surface(make_view):
    view = make_view(128)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, 128, 128)
    points = interpolate_covered(view.vertices, view.triangles, fragments)
    again, z = project(points, view.intrinsics, view.camera_from_head)
    assert torch.allclose(again, fragments.covered_centres, atol=2e-2)
    assert torch.allclose(z, fragments.depth.reshape(-1)[fragments.covered], atol=1e-5)


def test_gradient_of_interpolation(make_view, rng):
    """Positions, focal length, pose and attributes, with visibility held, in double precision."""
    view = make_view(96)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, 96, 96)
    weight = torch.from_numpy(rng.normal(size=(96, 96, 3)))
    attributes = torch.from_numpy(rng.normal(size=(len(view.vertices), 3)))

    def loss(vertices, attributes, pose, focal):
        motion = rigid_motion(pose[:3], pose[3:])
        intrinsics = view.intrinsics.double().clone()
        intrinsics[0, 0] = intrinsics[1, 1] = focal
        pixels, depth = project(vertices, intrinsics, motion @ view.camera_from_head.double())
        return (interpolate(attributes, view.triangles, fragments, pixels, depth) * weight).sum()

    inputs = [view.vertices.double(), attributes, torch.zeros(6).double(), view.intrinsics[0, 0].double()]
    inputs = [value.requires_grad_() for value in inputs]
    gradients = torch.autograd.grad(loss(*inputs), inputs)
    for k, scale in enumerate([1e-8, 1e-4, 1e-8, 1e-5]):
        step = torch.from_numpy(np.asarray(rng.normal(size=inputs[k].shape))) * scale
        moved = [[value + sign * step if i == k else value for i, value in enumerate(inputs)] for sign in (1, -1)]
        with torch.no_grad():
            numeric = (loss(*moved[0]) - loss(*moved[1])) / 2
        assert abs(numeric - (gradients[k] * step).sum()) < 1e-4 * abs(numeric), k


def test_barycentrics_sum_to_one(make_view):
    view = make_view(96)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, 96, 96)
    barycentric, z = perspective_barycentric(pixels, depth, view.triangles, fragments)
    assert torch.allclose(barycentric.sum(1), torch.ones(len(z)), atol=1e-5)
    assert torch.allclose(barycentric, fragments.covered_barycentric, atol=1e-3)


def test_uv_raster_hits_the_right_texels(make_view):
    view = make_view()
    size = 256
    fragments = rasterize_uv(view.uv, view.triangle_uv, size, size)
    uv = interpolate_covered(view.uv, view.triangle_uv, fragments)
    row, column = fragments.covered // size, fragments.covered % size
    expected = torch.stack([(column + 0.5) / size, 1 - (row + 0.5) / size], -1)
    assert torch.allclose(uv, expected, atol=1e-4)
    assert fragments.mask.float().mean() > 0.3
