"""Anchors, shading maps, encoders, losses: each against what its formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from neural_backend.models.vrmm import losses
from neural_backend.models.vrmm.anchors import Anchors, BaseMesh
from neural_backend.models.vrmm.encoders import display_code, encoder_input, sample_expression
from neural_backend.models.vrmm.shading import ShadingMaps
from neural_backend.rendering.light import environment_directions


@pytest.fixture(scope="module")
def anchors(template) -> Anchors:
    return Anchors(template, 32)


def mean_head(template) -> torch.Tensor:
    return torch.from_numpy(template.vertices[BaseMesh.of(template).vertex_ids])[None]


def test_base_mesh_is_the_first_level_s_first_vertices(template):
    """Captures hold these vertices in this order (docs/lightstage.md)."""
    mesh = BaseMesh.of(template)
    assert np.array_equal(mesh.vertex_ids, template.levels[0].vertex_ids[: len(mesh.vertex_ids)])


def test_anchors_lie_on_the_skin_and_cover_it(template, anchors):
    """Nearly every vertex of the outer skin lies inside some primitive's box."""
    vertices = mean_head(template)
    level = template.levels[0]
    outer = torch.from_numpy(np.unique(level.quads[level.faces_of("skin")]))
    frames = anchors.frames(vertices)
    nearest = torch.cdist(frames.positions[0], vertices[0]).min(1).values
    assert nearest.max() < 0.02
    local = torch.einsum("pji,vpj->vpi", frames.rotations[0], vertices[0, outer, None] - frames.positions[0])
    inside = (local.abs() <= anchors.scales).all(-1).any(1)
    assert inside.float().mean() > 0.97
    assert 900 < anchors.count <= 1024


def test_frames_turn_with_the_mesh(template, anchors):
    vertices = mean_head(template)
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.2], [0.3, 0, -0.5], [-0.2, 0.5, 0]]))
    still, turned = anchors.frames(vertices), anchors.frames(vertices @ turn.T)
    assert torch.allclose(turned.positions, still.positions @ turn.T, atol=1e-5)
    assert torch.allclose(turned.rotations, turn @ still.rotations, atol=1e-3)


def test_normals_point_outwards_and_u_runs_to_the_subjects_left(template, anchors):
    frames = anchors.frames(mean_head(template))
    row, column = anchors.texel // 32, anchors.texel % 32
    forehead = ((column - 15).abs() < 3) & ((row - 4).abs() < 3)
    assert forehead.sum() > 10
    assert (frames.rotations[0, forehead][:, 2, 2] > 0.3).all()  # +Z is out of the face
    assert (frames.rotations[0, forehead][:, 0, 0] > 0.7).all()  # +X is the subject's left
    assert (frames.rotations[0, forehead][:, 1, 1] > 0).all()  # +Y is up


def test_scatter_and_gather_undo_each_other(anchors):
    values = torch.randn(2, anchors.count, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(anchors.gather(anchors.scatter(values)), values)


def test_shading_of_even_light_is_one_and_of_any_light_the_integral(template, anchors):
    shading = ShadingMaps((8, 32))
    frames, eye = anchors.frames(mean_head(template)), torch.tensor([[0.1, 0.0, 1.0]])
    taps = shading.taps(frames, eye)
    even = shading.shade(taps, torch.ones(1, 3, 16, 32))
    assert torch.allclose(even, torch.ones_like(even), atol=1e-4)
    light = torch.rand(1, 3, 16, 32, generator=torch.Generator().manual_seed(2)) ** 4
    shaded = shading.shade(taps, light)
    directions, solid = environment_directions(16, 32)
    normal = frames.rotations[..., 2]
    view = torch.nn.functional.normalize(eye[:, None] - frames.positions, dim=-1)
    mirrored = 2 * (normal * view).sum(-1, keepdim=True) * normal - view
    radiance = light[0].flatten(1) * solid.flatten()
    for k, (axis, power, weight) in enumerate(
        ((normal, 1, 1 / math.pi), (mirrored, 8, 9 / (2 * math.pi)), (mirrored, 32, 33 / (2 * math.pi)))
    ):
        kernel = (axis[0] @ directions.reshape(-1, 3).T).clamp_min(0) ** power * weight
        wanted = kernel @ radiance.T  # [P, 3]
        error = (shaded[0, :, :, k] - wanted).square().mean().sqrt() / wanted.mean()
        assert error < 0.06, (k, float(error))  # what reading a filtered 16 x 32 picture costs


def test_kl_is_that_of_gaussians():
    draw = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(3, 4, generator=draw), torch.randn(3, 4, generator=draw)
    wanted = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).mean()
    assert torch.allclose(losses.kl_divergence(mean, log_variance), wanted, atol=1e-6)


def test_volume_and_scale_terms():
    scales = torch.tensor([[[0.01, 0.02, 0.03], [0.04, 0.05, 0.06]]], requires_grad=True)
    volume = losses.volume_minimisation(scales, 0.1)
    assert torch.allclose(volume, torch.tensor((0.2 * 0.4 * 0.6) + (0.8 * 1.0 * 1.2)))
    shortest = losses.shortest_sides(scales, 2, 0.01)
    assert torch.allclose(shortest, torch.tensor((math.log(1) + math.log(0.5)) / 2), atol=1e-6)
    shortest.backward()  # minimising it lengthens the two shortest sides and no other
    assert (scales.grad < 0).sum() == 2 and (scales.grad != 0).sum() == 2


def test_display_code_is_monotonic_and_smooth():
    x = torch.linspace(-1, 4, 4001, dtype=torch.float64, requires_grad=True)
    coded = display_code(x)
    slope = torch.autograd.grad(coded.sum(), x)[0]
    assert (slope > 0).all() and slope.max() <= 5.0 + 1e-9
    assert (slope.diff().abs().max()) < 0.5


def test_encoders_and_their_sampling(model):
    draw = torch.Generator().manual_seed(0)
    views = encoder_input(torch.rand(2, 1, 3, 32, 32, generator=draw), torch.ones(2, 1, 32, 32))
    mean, log_variance = model.expression_encoder(views)
    assert mean.shape == log_variance.shape == (2, model.config.expression)
    one = sample_expression(mean, log_variance, [torch.Generator().manual_seed(seed) for seed in (4, 5)])
    again = sample_expression(mean[1:], log_variance[1:], [torch.Generator().manual_seed(5)])
    assert torch.equal(one[1:], again)  # a row's noise is its own
    assert not torch.allclose(one, mean)
    pose = model.transformation_encoder(views)
    rotation = pose[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(2, 3, 3), atol=1e-5)
    assert torch.equal(pose[:, 3], torch.tensor([[0.0, 0, 0, 1]]).expand(2, 4))


def test_adaptor_tells_expressions_apart(model):
    weights = torch.zeros(2, 52)
    weights[1, 24] = 1
    codes = model.arkit_adaptor(weights, torch.zeros(2, 2))
    assert codes.shape == (2, model.config.expression) and not torch.allclose(codes[0], codes[1])
