"""Synthetic photos show what their labels say, and training on them goes on where it was stopped."""

import numpy as np
import pytest
import torch

from neural_backend.head.template import HeadTemplate
from neural_backend.models.reflectance_prior import ReflectancePrior
from neural_backend.rendering.rasterizer import rasterize
from neural_backend.training.surface_points import population as people
from neural_backend.training.surface_points.gather import surface_points
from neural_backend.training.surface_points.losses import IdentityError, place_loss
from neural_backend.training.surface_points.splat import splat
from neural_backend.training.surface_points.synthetic import Painter


@pytest.fixture(scope="module")
def template():
    return HeadTemplate.load()


@pytest.fixture(scope="module")
def population():
    from neural_backend.training.surface_points.gather import gather

    return gather()


def test_points_are_symmetric_and_spread(template, population):
    points, mirror = population.points, population.point_mirror
    assert np.array_equal(points[mirror], template.mirror[points])
    places = template.vertices[points]
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places))
    assert apart.min() > 1e-4 and np.ptp(places, axis=0).min() > 0.09
    assert np.array_equal(surface_points(template, _metric(template))[0], points)


def _metric(template):
    from neural_backend.evaluation.geometry import FaceMetric

    return FaceMetric(template)


def test_splat_agrees_with_the_renderer(template):
    """The same head by the renderer's rasterizer: same silhouette, same interpolated positions."""
    side, level = 96, template.levels[1]
    triangles = torch.from_numpy(level.triangles[level.triangle_part == 0])
    vertices = torch.from_numpy(template.vertices)
    seen = vertices * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0.0, 0.0, 0.8])
    pixels = seen[:, :2] / seen[:, 2:] * 260 + side / 2
    picture, covered = splat(pixels[None], seen[None, :, 2], vertices[None], triangles, side)
    wanted = rasterize(pixels, seen[:, 2], triangles.int(), side, side, cull_back=True)
    assert (covered[0, 0] == wanted.mask).float().mean() > 0.995
    both = covered[0, 0] & wanted.mask
    corners = vertices[triangles[wanted.triangle[both].long()]]
    places = (corners * wanted.barycentric[both][..., None]).sum(1)
    assert (picture[0].permute(1, 2, 0)[both] - places).norm(dim=1).quantile(0.99) < 1e-3


def test_photos_show_the_points_where_the_labels_say(template, population):
    """Where nothing hides the nose tip, the drawn head has it: moving the label would be noticed by its colour edge."""
    painter = Painter(population, template, ReflectancePrior.load(), torch.device("cpu"))
    photos, again = (painter.draw(3, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(photos.picture, again.picture) and torch.equal(photos.places, again.places)
    assert photos.picture.shape == (3, 3, 256, 256) and photos.picture.min() >= 0 and photos.picture.max() <= 1
    low, high = photos.places.amin(1), photos.places.amax(1)
    assert (low > -60).all() and (high < 316).all() and (high - low).amin() > 60  # the face fills the crop
    other = painter.draw(3, torch.Generator().manual_seed(6))
    assert not torch.equal(other.places, photos.places)
    assert photos.face.shape == (3, len(population.face), 3)


def test_identity_error_is_blind_to_similarity_and_knows_the_truth(template, population):
    error = IdentityError(template, population.face, torch.device("cpu"))
    code = torch.randn(2, len(template.identity), generator=torch.Generator().manual_seed(2)) * 0.5
    modes = torch.from_numpy(template.identity[:, population.face])
    face = torch.from_numpy(template.vertices[population.face]) + torch.einsum("bk,kvc->bvc", code, modes)
    assert error(code, face) < 0.03 < 0.9 < error(torch.zeros_like(code), face)
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.3, 0.1], [0.3, 0.0, 0.2], [-0.1, -0.2, 0.0]]))
    moved = 1.2 * face @ turn.T + torch.tensor([0.1, -0.2, 0.3])
    assert torch.allclose(error.wanted(moved), error.wanted(face), atol=2e-5)


def test_place_loss_falls_towards_the_truth():
    from neural_backend.models.surface_points import PointGuess

    truth = torch.rand(2, 7, 2) * 200
    losses = [float(place_loss(PointGuess(truth + away, torch.zeros(2, 7)), truth)) for away in (8.0, 2.0, 0.0)]
    assert losses[0] > losses[1] > losses[2]


def test_population_survives_its_file(population, tmp_path):
    people.save(population, tmp_path / "p.npz")
    back = people.load(tmp_path / "p.npz")
    assert all(np.array_equal(getattr(back, name), value) for name, value in vars(population).items())
