"""Matte, regions and skin weight on the two example portraits: what is certainly inside and outside."""

import dataclasses
import os

import cv2
import numpy as np
import pytest

from neural_backend.perception.face import Face, FacePerception, choose_face
from neural_backend.perception.image import Photo, load_photo
from neural_backend.perception.landmarks import FACE_OVAL, LEFT_BROW, RIGHT_BROW
from neural_backend.perception.matte import PersonMatte, guided_models, paste
from neural_backend.perception.regions import face_regions, fill
from neural_backend.perception.skin import skin_weight

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")


@pytest.fixture(scope="module")
def perception() -> FacePerception:
    return FacePerception.load()


@pytest.fixture(scope="module")
def matting() -> PersonMatte:
    return PersonMatte()


@pytest.fixture(scope="module", params=["astronaut.png", "grace_hopper.jpg"])
def portrait(request, perception, matting) -> tuple[Photo, Face, np.ndarray]:
    photo = load_photo(os.path.join(EXAMPLES, request.param))
    face = choose_face(perception.detect(photo), photo)
    return photo, face, matting.matte(photo, face)


def test_matte_holds_the_head_and_not_the_corners(portrait):
    photo, face, matte = portrait
    assert matte.shape == (photo.height, photo.width) and matte.dtype == np.float32
    assert matte.min() >= 0 and matte.max() <= 1
    oval = fill([face.landmarks[FACE_OVAL, :2]], photo.height, photo.width)
    assert np.quantile(matte[oval > 0.99], 0.02) > 0.9
    assert matte[:24, :24].max() < 0.1 and matte[:24, -24:].max() < 0.1


def test_matte_edge_is_narrow(portrait):
    """At the silhouette of the head less than a seventh of the face size is undecided."""
    photo, face, matte = portrait
    middle, size = (face.box[:2] + face.box[2:]) / 2, face.size
    row = matte[int(middle[1]), int(max(0, middle[0] - 1.4 * size)) : int(middle[0])]
    assert ((row > 0.1) & (row < 0.9)).sum() < size / 7
    assert row[-1] > 0.95


def test_matte_respects_the_files_alpha(matting, portrait):
    photo, face, _ = portrait
    alpha = np.ones((photo.height, photo.width), np.float32)
    alpha[:, : int(face.box[0] + face.size / 2)] = 0
    cut = dataclasses.replace(photo, alpha=alpha)
    assert matting.matte(cut, face)[alpha == 0].max() == 0


def test_guided_filter_moves_an_edge_onto_the_guides():
    guide = np.zeros((64, 64, 3))
    guide[:, 30:] = 0.8
    soft = np.clip((np.arange(64) - 20) / 24, 0, 1)[None].repeat(64, 0)
    slope, offset = guided_models(guide, soft, 8, 1e-4)
    sharp = (slope * guide).sum(-1) + offset
    assert sharp[32, 31] - sharp[32, 28] > 3 * (soft[32, 31] - soft[32, 28])
    flat_slope, flat_offset = guided_models(np.full((64, 64, 3), 0.5), soft, 8, 1e-4)
    assert np.isfinite(flat_slope).all() and np.abs(flat_slope).max() < 1e-6
    assert np.abs(flat_offset[20:44, 25:40] - soft[20:44, 25:40]).max() < 0.05


def test_regions_do_not_overlap(portrait):
    photo, face, _ = portrait
    regions = face_regions(face, photo.height, photo.width)
    total = regions.skin + regions.lips + regions.mouth + regions.eyes + regions.brows
    assert np.abs(total - regions.oval).max() <= 1.01 and total.max() < 1.3
    shares = {f.name: getattr(regions, f.name).sum() / regions.oval.sum() for f in dataclasses.fields(regions)}
    assert 0.7 < shares["skin"] < 0.95 and 0.01 < shares["eyes"] < 0.06 and 0.015 < shares["lips"] < 0.1
    y, x = (int(v) for v in face.landmarks[13, 1::-1])  # the upper lip's lower edge
    assert regions.lips[y - 2 : y + 3, x - 1 : x + 2].max() > 0.5


def test_open_mouth_shows_teeth(perception):
    photo = load_photo(os.path.join(EXAMPLES, "astronaut.png"))
    face = choose_face(perception.detect(photo), photo)
    regions = face_regions(face, photo.height, photo.width)
    teeth, lips = (photo.linear[mask > 0.9].mean(0) for mask in (regions.mouth, regions.lips))
    assert regions.mouth.sum() > 40 and teeth[2] / teeth[0] > lips[2] / lips[0] + 0.1  # teeth are less red than lips


def test_fill_covers_the_area():
    circle = np.stack([np.cos(np.linspace(0, 2 * np.pi, 200)), np.sin(np.linspace(0, 2 * np.pi, 200))], 1)
    mask = fill([circle * 20.3 + [40.6, 30.2]], 64, 80, 40)
    assert mask.sum() == pytest.approx(np.pi * 20.3**2, rel=0.02)
    y, x = np.mgrid[0:64, 0:80] + 0.5
    assert (mask * x).sum() / mask.sum() == pytest.approx(40.6, abs=0.15)
    assert (mask * y).sum() / mask.sum() == pytest.approx(30.2, abs=0.15)
    assert fill([circle * 5 - 100], 64, 80).sum() == 0


def test_skin_weight_takes_cheeks_and_leaves_hair_and_background(portrait):
    photo, face, matte = portrait
    weight = skin_weight(photo, face, matte)
    assert weight.shape == matte.shape and weight.dtype == np.float32 and weight.min() >= 0 and weight.max() <= 1
    points = face.landmarks[:, :2]
    for cheek in (50, 280, 205, 425):  # landmarks on the cheeks
        x, y = points[cheek].astype(int)
        assert weight[y - 2 : y + 3, x - 2 : x + 3].mean() > 0.7, cheek
    brows = fill([points[RIGHT_BROW], points[LEFT_BROW]], photo.height, photo.width)
    assert weight[brows > 0.9].mean() < 0.05
    assert weight[matte < 0.05].max() < 0.06
    up = points[10] + (points[10] - points[152]) * 0.25  # a quarter of a face above the hairline: hair, or the cap
    x, y = up.astype(int)
    assert weight[y - 3 : y + 4, x - 3 : x + 4].max() < 0.2


def test_skin_weight_leaves_glasses(perception):
    photo = load_photo(os.path.join(EXAMPLES, "grace_hopper.jpg"))
    face = choose_face(perception.detect(photo), photo)
    weight = skin_weight(photo, face)
    ring = fill([face.landmarks[FACE_OVAL, :2]], photo.height, photo.width) > 0.9
    dark = (photo.srgb.mean(2) < 60) & ring  # frames, brows' shadows, the cap's edge
    assert dark.sum() > 200 and weight[dark].mean() < 0.1


def test_skin_weight_leaves_a_painted_occluder(perception):
    """A blue bar and a dark bar over the cheek lose their weight, the other cheek keeps it."""
    photo = load_photo(os.path.join(EXAMPLES, "astronaut.png"))
    face = choose_face(perception.detect(photo), photo)
    for colour in ((40, 70, 160), (30, 25, 22)):
        pixels = photo.srgb.copy()
        x, y = face.landmarks[50, :2].astype(int)
        cv2.rectangle(pixels, (x - 12, y - 5), (x + 12, y + 5), colour, -1)
        weight = skin_weight(dataclasses.replace(photo, srgb=pixels), face)
        assert weight[y - 3 : y + 4, x - 9 : x + 10].mean() < 0.1
        x, y = face.landmarks[280, :2].astype(int)
        assert weight[y - 3 : y + 4, x - 3 : x + 4].mean() > 0.7


def test_paste_inverts_sample(portrait):
    from neural_backend.perception.crop import Roi, sample

    photo, face, _ = portrait
    roi = Roi(tuple((face.box[:2] + face.box[2:]) / 2), (80.0, 80.0), 0.3)
    crop = sample(photo.linear[..., 1], roi, 160)
    back = paste(crop, roi, photo.height, photo.width)
    x, y = (int(c) for c in roi.centre)
    part = np.s_[y - 15 : y + 15, x - 15 : x + 15]
    assert np.abs(back[part] - photo.linear[..., 1][part]).mean() < 0.02
