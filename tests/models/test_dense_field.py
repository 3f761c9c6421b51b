"""The dense field network: its answer's form, its likelihood in closed form, and what training does to pictures."""

import numpy as np
import pytest
import torch

from neural_backend.models.dense_field import DenseFieldNet, DenseFields, field_losses
from neural_backend.training.dense_field.augment import mirrored, photographed


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand((2, 3, 256, 256), generator=generator)
    model = torch.rand((2, 7, 128, 128), generator=generator) * 2 - 1
    return picture, model


def test_an_untrained_network_answers_what_is_drawn(inputs):
    fields = DenseFieldNet().eval()(*inputs)
    assert fields.flow.shape == (2, 2, 64, 64) and not fields.flow.any()
    drawn = torch.nn.functional.normalize(torch.nn.functional.avg_pool2d(inputs[1][:, :3], 2), dim=1)
    assert torch.allclose(fields.normal, drawn, atol=1e-5)
    assert (fields.sharpness > 0).all() and (fields.whitener[:, [0, 2]] > 0).all()


def test_likelihood_is_the_gaussians():
    random = np.random.default_rng(1)
    factor = np.array([[0.7, 0.0], [-0.4, 1.3]])
    away = random.normal(size=2)
    covariance = np.linalg.inv(factor.T @ factor)
    wanted = 0.5 * away @ np.linalg.solve(covariance, away) + 0.5 * np.log(np.linalg.det(covariance))
    flow = torch.tensor(away, dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 64, 64)
    whitener = torch.tensor([0.7, -0.4, 1.3]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    normal = torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    fields = DenseFields(flow, whitener, normal, torch.ones(1, 64, 64))
    covered = torch.zeros(1, 64, 64)
    covered[:, :10] = 1
    off, likelihood = field_losses(fields, torch.zeros(1, 2, 64, 64), normal, covered)
    assert float(likelihood) == pytest.approx(wanted, rel=1e-5)  # the normal is right and as sure as one: adds nothing
    huber = np.where(np.abs(away) < 1, 0.5 * away**2, np.abs(away) - 0.5).sum()
    assert float(off) == pytest.approx(huber, rel=1e-5)


def test_likelihood_moves_the_uncertainty_and_not_the_answer():
    flow = torch.ones(1, 2, 64, 64, requires_grad=True)
    whitener = torch.ones(1, 3, 64, 64, requires_grad=True)
    normal = torch.nn.functional.normalize(torch.ones(1, 3, 64, 64), dim=1)
    fields = DenseFields(flow, whitener, normal, torch.ones(1, 64, 64))
    off, likelihood = field_losses(fields, torch.zeros(1, 2, 64, 64), -normal, torch.ones(1, 64, 64))
    likelihood.backward(retain_graph=True)
    assert flow.grad is None and whitener.grad.abs().sum() > 0
    off.backward()
    assert flow.grad.abs().sum() > 0


def test_a_few_steps_learn_a_constant_shift(inputs):
    torch.manual_seed(0)
    net = DenseFieldNet()
    truth = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(2, 2, 64, 64)
    normal = torch.tensor([0.0, 0.6, -0.8]).view(1, 3, 1, 1).expand(2, 3, 64, 64)
    covered = torch.ones(2, 64, 64)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = sum(field_losses(net(*inputs), truth, normal, covered))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 2
    assert (net(*inputs).flow - truth).abs().mean() < 1.0


def test_mirror_is_its_own_inverse_and_keeps_unchosen_rows(inputs):
    picture, model = inputs
    truth = torch.rand((2, 6, 64, 64), generator=torch.Generator().manual_seed(3))
    which = torch.tensor([True, False])
    once = mirrored(picture, model, truth, which)
    assert torch.equal(once[0][1], picture[1]) and torch.equal(once[2][1], truth[1])
    assert torch.equal(once[2][0, 0], -truth[0, 0].flip(-1))  # flow to the right becomes flow to the left
    assert torch.equal(once[2][0, 1], truth[0, 1].flip(-1))
    twice = mirrored(*once, which)
    assert all(torch.equal(a, b) for a, b in zip(twice, (picture, model, truth), strict=True))


def test_photographed_pictures_stay_pictures_and_follow_the_seed(inputs):
    one = photographed(inputs[0], torch.Generator().manual_seed(7))
    other = photographed(inputs[0], torch.Generator().manual_seed(7))
    assert torch.equal(one, other)
    assert one.min() >= 0 and one.max() <= 1 and torch.isfinite(one).all()
    assert not torch.equal(one, photographed(inputs[0], torch.Generator().manual_seed(8)))
