"""Outline gradients against finite differences of true coverage; the kernel against its twin."""

import pytest
import torch

from neural_backend.rendering.projection import project, rigid_motion
from neural_backend.rendering.rasterizer import interpolate, rasterize
from neural_backend.rendering.silhouette import (
    antialias,
    find_outline_pairs,
    find_outline_pairs_torch,
    silhouette_edges,
)


@pytest.mark.parametrize("level", [0, 1])
def test_kernel_and_twin_agree(make_view, level):
    view = make_view(160, level)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, 160, 160)
    edges = silhouette_edges(view.triangles)
    fast = find_outline_pairs(pixels, depth, fragments, edges)
    twin = find_outline_pairs_torch(pixels, depth, fragments, edges)
    assert len(fast.first) > 300
    pairs = [
        set(zip(p.first.tolist(), p.vertical.tolist(), p.first_is_near.tolist(), p.edge.tolist(), strict=True))
        for p in (fast, twin)
    ]
    assert len(pairs[0] ^ pairs[1]) <= 0.01 * len(pairs[0])


def coverage(view, camera_from_head, size, intrinsics, edges, weight):
    pixels, depth = project(view.vertices, intrinsics, camera_from_head)
    fragments = rasterize(pixels, depth, view.triangles, size, size)
    alpha = fragments.mask[..., None].float()
    return (antialias(alpha, pixels, depth, fragments, edges)[..., 0] * weight).sum()


def true_coverage(view, camera_from_head, size, intrinsics, weight, factor=8):
    """Box-filtered coverage by brute supersampling."""
    fine = intrinsics.clone()
    fine[:2] *= factor
    pixels, depth = project(view.vertices, fine, camera_from_head)
    mask = rasterize(pixels, depth, view.triangles, size * factor, size * factor).mask.float()
    return (torch.nn.functional.avg_pool2d(mask[None], factor)[0] * weight).sum()


@pytest.mark.parametrize("level", [0, 1])
def test_gradient_of_coverage_with_pose(make_view, level):
    """d(weighted silhouette area)/d(pose), against central differences of a supersampled mask.

    Level 1 at 96 pixels has triangles far below the pixel size.
    """
    size = 96
    view = make_view(size, level)
    grid = torch.arange(size) / size
    weight = 1 + torch.sin(5 * grid)[None] + torch.cos(4 * grid)[:, None]
    edges = silhouette_edges(view.triangles)
    pose = torch.zeros(6, requires_grad=True)
    motion = view.camera_from_head @ rigid_motion(pose[:3], pose[3:])
    gradient = torch.autograd.grad(coverage(view, motion, size, view.intrinsics, edges, weight), pose)[0]
    numeric = torch.zeros(6)
    for k in range(6):
        step = 0.02 if k < 3 else 0.003
        values = []
        for sign in (1, -1):
            moved = torch.zeros(6)
            moved[k] = sign * step
            camera = view.camera_from_head @ rigid_motion(moved[:3], moved[3:])
            values.append(true_coverage(view, camera, size, view.intrinsics, weight))
        numeric[k] = (values[0] - values[1]) / (2 * step)
    error = (gradient - numeric).norm() / numeric.norm()
    assert error < 0.06, (gradient, numeric)


def test_gradient_is_that_of_the_blend(make_view, rng):
    """With pairs held, the blend is a smooth function of the vertices: exact finite differences."""
    size = 64
    view = make_view(size)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, size, size)
    edges = silhouette_edges(view.triangles)
    weight = torch.from_numpy(rng.normal(size=(size, size, 3)))
    colour = torch.from_numpy(rng.uniform(size=(len(view.vertices), 3)))
    image = interpolate(colour, view.triangles, fragments)

    def loss(pixels):
        return (antialias(image, pixels, depth, fragments, edges) * weight).sum()

    start = pixels.double().requires_grad_()
    gradient = torch.autograd.grad(loss(start), start)[0]
    step = torch.from_numpy(rng.normal(size=pixels.shape)) * 1e-5
    with torch.no_grad():
        numeric = (loss(start + step) - loss(start - step)) / 2
    assert abs(numeric - (gradient * step).sum()) < 1e-2 * abs(numeric)


def test_blending_brings_the_mask_closer_to_true_coverage(make_view):
    size = 96
    view = make_view(size)
    pixels, depth = view.project()
    fragments = rasterize(pixels, depth, view.triangles, size, size)
    hard = fragments.mask[..., None].float()
    soft = antialias(hard, pixels, depth, fragments, silhouette_edges(view.triangles))
    fine = view.intrinsics.clone()
    fine[:2] *= 8
    fine_pixels, fine_depth = project(view.vertices, fine, view.camera_from_head)
    fine_mask = rasterize(fine_pixels, fine_depth, view.triangles, size * 8, size * 8).mask.float()
    true = torch.nn.functional.avg_pool2d(fine_mask[None], 8)[0]
    error_soft, error_hard = (soft[..., 0] - true).abs().sum(), (hard[..., 0] - true).abs().sum()
    assert error_soft < 0.35 * error_hard
    assert soft.min() >= -1e-6 and soft.max() <= 1 + 1e-6
