"""Dense measurements: drawing agrees with projection, derivatives with finite differences, and heads get better."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neural_backend.evaluation.geometry import FaceMetric
from neural_backend.fitting.dense_fields import DenseMeasurements
from neural_backend.fitting.dense_view import Crop, SkinMesh, crop_axes, draw_model, true_fields
from neural_backend.fitting.fit import DENSE_MAP, look_again, observe
from neural_backend.fitting.map_initialisation import fit_landmarks, improve
from neural_backend.fitting.parameters import HeadState, PhotoState, rotation_from_vector
from neural_backend.lightstage.known_heads import read_known_heads
from neural_backend.perception.crop import Roi
from neural_backend.perception.image import load_photo
from neural_backend.perception.skin import skin_weight
from neural_backend.rendering.camera import Camera

KNOWN = Path(__file__).resolve().parents[1] / "data" / "known_heads"


def photo_state(expression=None):
    rotation = rotation_from_vector(np.array([0.1, 0.35, 0.05])) @ np.diag([1.0, -1.0, -1.0])
    weights = np.zeros(52) if expression is None else expression
    return PhotoState(640, 512, rotation, np.array([0.02, -0.01, 0.7]), 900.0, 900.0, 0.3, weights)


def landmark_cloud(template, state):
    """478 pixels around the face: where to cut the crop."""
    marks = np.einsum("lk,lkd->ld", template.landmarks68_barycentric, template.vertices[template.landmarks68_triangle])
    pixels, _ = state.camera().project(marks)
    return np.resize(pixels, (478, 2))


def test_crop_axes_look_at_the_middle_upright():
    camera = Camera(400, 300, np.array([[500, 0, 200.0], [0, 500, 150], [0, 0, 1]]), np.eye(4))
    axes = crop_axes(Roi((320.0, 90.0), (100.0, 100.0), 0.3), camera)
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-12) and np.linalg.det(axes) > 0
    ray = np.array([120, -60, 500.0])
    assert np.allclose(axes @ ray / np.linalg.norm(ray), [0, 0, 1])
    along = axes.T @ [1, 0, 0]  # the crop's right, seen in the picture, rises by the crop's angle
    assert np.arctan2(along[1], along[0]) == pytest.approx(0.3, abs=0.02)


def test_a_perfect_fit_has_nothing_to_mend(models):
    state, mesh = photo_state(), SkinMesh.of(models.template)
    camera, vertices = state.camera(), models.template.vertices
    crop = Crop.around(landmark_cloud(models.template, state), camera)
    model, seen = draw_model(mesh, crop, camera, vertices)
    truth = true_fields(mesh, crop, camera, vertices, camera, vertices)
    assert truth[5].sum() > 500 and np.abs(truth[:2]).max() < 1e-3
    drawn = torch.nn.functional.avg_pool2d(torch.from_numpy(model[None, :3]), 2)[0].numpy()
    inside = (truth[5] > 0) & (torch.nn.functional.avg_pool2d(torch.from_numpy(model[None, 6:]), 2)[0, 0] == 1).numpy()
    assert np.median(np.abs(drawn - truth[2:5])[:, inside]) < 0.02
    # What a pixel sees of the template is drawn where that point projects to.
    row, column = np.argwhere(seen.mask.numpy())[1000]
    place = model[3:6, row, column] * 0.1
    pixel = crop.pixels(camera.project(place[None])[0])[0] / 2
    assert np.allclose(pixel, [column + 0.5, row + 0.5], atol=0.6)


def test_a_moved_head_flows_by_what_it_moved(models):
    state, mesh = photo_state(), SkinMesh.of(models.template)
    camera, vertices = state.camera(), models.template.vertices
    crop = Crop.around(landmark_cloud(models.template, state), camera)
    pose = camera.camera_from_head.copy()
    pose[:2, 3] += [0.003, -0.002]
    truth = true_fields(mesh, crop, camera, vertices, replace(camera, camera_from_head=pose), vertices)
    nose = models.template.vertices[:, 2].argmax()
    scale = np.linalg.norm(crop.roi.matrix(256)[0, :2])
    depth = camera.project(vertices[nose][None])[1][0]
    wanted = crop.roi.matrix(256)[:, :2] @ (np.array([0.003, -0.002]) * camera.focal_px / depth)
    middle = truth[:2, 28:36, 28:36].mean((1, 2))
    assert np.allclose(middle, wanted, atol=0.12 * scale * np.linalg.norm(wanted))


def test_residuals_have_the_derivatives_they_claim(models):
    reader = models.evidence.dense
    random = np.random.default_rng(0)
    identity, expression = random.normal(size=len(models.template.identity)) * 0.5, np.full(52, 0.05)
    chosen = np.arange(0, len(reader.samples), 40)
    whitener = np.tile(np.array([[0.9, 0.0], [0.2, 1.1]]), (len(chosen), 1, 1)) * 0.01
    normals = random.normal(size=(len(chosen), 3)) * 0.05 + [0, 0, -1]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    measured = DenseMeasurements(
        chosen, random.normal(size=(len(chosen), 2)) * 3 + [320, 256], whitener, normals, np.full(len(chosen), 1e-3)
    )

    def value(step):
        head = HeadState(identity.copy(), [photo_state(expression.copy())])
        head.move(step)
        return reader.residuals(measured, head.photos[0], head.identity).value

    head = HeadState(identity.copy(), [photo_state(expression.copy())])
    told = reader.residuals(measured, head.photos[0], head.identity).jacobian
    for column in (0, 5, 60, *range(len(identity), len(identity) + 7), len(identity) + 7 + 24):
        step = np.zeros(head.size)
        step[column] = 1e-3
        slope = -(value(step) - value(-step)) / 2e-3  # the residual is measured minus model
        assert np.abs(slope - told[:, column]).max() < 0.03 * np.abs(slope).max() + 1e-7, column


def test_it_looks_only_at_what_is_seen(models):
    state = photo_state()
    reader = models.evidence.dense
    grey = np.full((512, 640, 3), 128, np.uint8)
    found = reader.measure(grey, landmark_cloud(models.template, state), np.zeros(len(models.template.identity)), state)
    normals = reader.samples.normals(
        reader.samples.points.positions(np.zeros(100)[: len(models.template.identity)], np.zeros(52))
    )
    towards = state.camera().centre_head - models.template.vertices[reader.samples.vertex_ids]
    facing = (normals * towards).sum(1) > 0
    assert 300 < len(found.samples) < facing.sum() * 1.05
    assert facing[found.samples].mean() > 0.97
    assert np.allclose(np.linalg.norm(found.normals, axis=1), 1)


def test_a_known_head_comes_nearer(models):
    """A picture that no network has seen: the dense look takes off error that landmarks leave."""
    head = next(read_known_heads(KNOWN, "proof"))
    photo = load_photo(head.picture)
    face = models.perception.detect(photo)[0]
    matte = models.matte.matte(photo, face)
    observations = [observe(photo, face, matte, skin_weight(photo, face, matte))[0]]
    state = fit_landmarks(models.evidence, observations)
    metric = FaceMetric(models.template)

    def error():
        return metric.measure(models.template.shape(state.identity), head.neutral).mean

    before = error()
    observations = look_again(models.evidence, state, [photo], observations)
    improve(models.evidence, state, observations, DENSE_MAP)
    assert error() < before
