"""Faces of every size and position, several, none; the landmarks' steadiness and conventions."""

import dataclasses
import os

import cv2
import numpy as np
import pytest

from neural_backend.perception.crop import Roi, sample
from neural_backend.perception.detector import Detection, make_anchors, merge_votes, overlap
from neural_backend.perception.face import Face, FacePerception, choose_face
from neural_backend.perception.image import Photo, PhotoError, load_photo, srgb_to_linear
from neural_backend.protocol.arkit import ARKIT_INDEX

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")


def photo_of(srgb: np.ndarray) -> Photo:
    srgb = np.ascontiguousarray(srgb)
    return Photo(srgb_to_linear(srgb / 255), srgb, None, None, "test", (srgb.shape[1], srgb.shape[0]))


@pytest.fixture(scope="module")
def perception() -> FacePerception:
    return FacePerception.load()


@pytest.fixture(scope="module")
def astronaut() -> Photo:
    return load_photo(os.path.join(EXAMPLES, "astronaut.png"))


@pytest.fixture(scope="module")
def hopper() -> Photo:
    return load_photo(os.path.join(EXAMPLES, "grace_hopper.jpg"))


@pytest.fixture(scope="module")
def face(perception, astronaut) -> Face:
    return choose_face(perception.detect(astronaut), astronaut)


def placed(photo: Photo, face: Face, width: int, height: int, size: float, at: tuple[float, float]):
    """The photo scaled so that the face is `size` px, its middle at `at`, on a grey ground; and its true landmarks."""
    scale = size / face.size
    middle = (face.box[:2] + face.box[2:]) / 2
    matrix = np.array([[scale, 0, at[0] - scale * middle[0]], [0, scale, at[1] - scale * middle[1]]])
    small = photo.srgb
    if scale < 0.5:
        factor = int(1 / scale)
        small = cv2.resize(photo.srgb, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= factor
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2].sum(1) * 0.5 - 0.5
    canvas = cv2.warpAffine(small, shifted, (width, height), flags=cv2.INTER_LINEAR, borderValue=(110, 120, 125))
    return photo_of(canvas), face.landmarks[:, :2] * scale + (np.array(at) - scale * middle)


def error(found: Face, expected: np.ndarray) -> float:
    eyes = np.linalg.norm(expected[468] - expected[473])
    return float(np.linalg.norm(found.landmarks[:, :2] - expected, axis=1).mean() / eyes)


def test_face_of_a_portrait(face, astronaut):
    assert face.landmarks.shape == (478, 3) and face.blendshapes.shape == (52,)
    assert face.score > 0.9 and face.presence > 0.99 and abs(face.roll) < 0.1
    assert 40 < face.eye_distance < 48
    x0, y0, x1, y1 = face.box
    assert 150 < x0 < x1 < 300 and 50 < y0 < y1 < 220
    right_eye, left_eye = face.landmarks[468], face.landmarks[473]
    assert right_eye[0] < left_eye[0]  # the subject's right is on the picture's left
    nose, ear = face.landmarks[1], face.landmarks[234]
    assert nose[2] < ear[2]  # z grows away from the camera
    smile = face.blendshapes[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]]
    assert smile.min() > 0.5  # she smiles
    assert face.blendshapes[ARKIT_INDEX["mouthFrownLeft"]] < 0.1


def test_irises_lie_on_the_dark_irises(face, astronaut):
    grey = astronaut.srgb.mean(2)
    for iris, corner in ((468, 33), (473, 263)):
        x, y = face.landmarks[iris, :2].astype(int)  # pixel x covers x..x+1
        cx, cy = face.landmarks[corner, :2].astype(int)
        assert grey[y - 1 : y + 2, x - 1 : x + 2].mean() < grey[cy - 1 : cy + 2, cx - 1 : cx + 2].mean() - 15


@pytest.mark.parametrize(
    ("size", "width", "height", "at", "limit"),
    [
        (64, 4000, 3000, (2900, 1100), 0.05),  # a face of 64 px in 12 megapixels
        (40, 1200, 900, (300, 640), 0.08),
        (150, 1200, 900, (1120, 450), 0.03),  # at the border
        (900, 1000, 1000, (500, 500), 0.03),
        (1100, 900, 900, (450, 480), 0.04),  # larger than the frame
    ],
)
def test_face_of_any_size(perception, astronaut, face, size, width, height, at, limit):
    photo, expected = placed(astronaut, face, width, height, size, at)
    found = choose_face(perception.detect(photo), photo)
    assert error(found, expected) < limit


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_sideways_and_upside_down(perception, hopper, quarter_turns):
    upright = choose_face(perception.detect(hopper), hopper)
    turned = photo_of(np.rot90(hopper.srgb, quarter_turns))
    found = choose_face(perception.detect(turned), turned)
    x, y = upright.landmarks[:, 0], upright.landmarks[:, 1]
    width, height = hopper.width, hopper.height
    expected = {1: (y, width - x), 2: (width - x, height - y), 3: (height - y, x)}[quarter_turns]
    assert error(found, np.stack(expected, 1)) < 0.02


def test_mirror_image_has_mirrored_landmarks(perception, astronaut, face):
    """Pixel centres at +0.5: were the landmarks half a pixel off, the two means would add up to W - 1 or W + 1."""
    mirrored = photo_of(astronaut.srgb[:, ::-1])
    found = choose_face(perception.detect(mirrored), mirrored)
    total = face.landmarks[:, 0].mean() + found.landmarks[:, 0].mean()
    assert abs(total - astronaut.width) < 0.5
    left, right = ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]
    assert abs(found.blendshapes[left] - face.blendshapes[right]) < 0.15


def test_landmarks_are_steady(perception, hopper):
    """Small moves of the photo move the landmarks along; averaging views at least halves the original's jitter."""
    rng = np.random.default_rng(0)
    ours, original = [], []
    for _ in range(5):
        angle, scale = rng.uniform(-0.15, 0.15), rng.uniform(0.75, 1.0)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([256.0, 300.0])
        shift = middle + rng.uniform(-20, 20, 2) - turn @ middle
        matrix = np.hstack([turn, (shift + turn.sum(1) * 0.5 - 0.5)[:, None]])
        moved = cv2.warpAffine(hopper.srgb, matrix, (512, 600), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        photo = photo_of(moved)
        back = np.linalg.inv(turn).T
        ours.append((perception.detect(photo)[0].landmarks[:, :2] - shift) @ back)
        original.append((perception.detect_as_mediapipe(photo)[0].landmarks[:, :2] - shift) @ back)
    eyes = np.linalg.norm(ours[0][468] - ours[0][473])
    jitter, before = (np.linalg.norm(np.array(p) - np.mean(p, 0), axis=2).mean() / eyes for p in (ours, original))
    assert jitter < 0.005 and jitter < 0.7 * before


def test_several_faces(perception, astronaut, face):
    one, _ = placed(astronaut, face, 700, 700, 220, (350, 330))
    two = photo_of(np.hstack([one.srgb, one.srgb]))
    faces = perception.detect(two)
    assert len(faces) == 2
    with pytest.raises(PhotoError) as caught:
        choose_face(faces, two)
    assert caught.value.code == "several_faces" and "2 faces" in caught.value.sentence


def test_large_central_face_is_chosen(perception, astronaut, face):
    one, expected = placed(astronaut, face, 700, 700, 300, (350, 330))
    small, _ = placed(astronaut, face, 700, 700, 120, (350, 330))
    pixels = one.srgb.copy()
    pixels[:160, :140] = small.srgb[260:420, 280:420]
    photo = photo_of(pixels)
    faces = perception.detect(photo)
    assert len(faces) == 2 and faces[0].size > faces[1].size
    assert error(choose_face(faces, photo), expected) < 0.03


@pytest.mark.parametrize("kind", ["grey", "noise", "gradient", "suit", "checks"])
def test_no_face(perception, astronaut, kind):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:480, 0:640]
    pixels = {
        "grey": np.full((480, 640, 3), 128, np.uint8),
        "noise": rng.integers(0, 255, (480, 640, 3)).astype(np.uint8),
        "gradient": np.repeat((x / 640 * 255).astype(np.uint8)[..., None], 3, 2),
        "suit": cv2.resize(astronaut.srgb[220:, :], (640, 480)),
        "checks": np.repeat(((x // 40 + y // 40) % 2 * 255).astype(np.uint8)[..., None], 3, 2),
    }[kind]
    photo = photo_of(pixels)
    faces = perception.detect(photo)
    assert faces == []
    with pytest.raises(PhotoError) as caught:
        choose_face(faces, photo)
    assert caught.value.code == "no_face" and "test" in caught.value.sentence


def test_grey_photo(perception, hopper):
    colour = choose_face(perception.detect(hopper), hopper)
    grey = photo_of(np.repeat(cv2.cvtColor(hopper.srgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2))
    assert error(choose_face(perception.detect(grey), grey), colour.landmarks[:, :2]) < 0.03


def test_results_do_not_depend_on_chance(perception, hopper):
    first, second = (perception.detect(hopper)[0] for _ in range(2))
    assert all(np.array_equal(getattr(first, f.name), getattr(second, f.name)) for f in dataclasses.fields(Face))


# The parts


def test_roi_goes_there_and_back():
    roi = Roi((120.0, 80.0), (60.0, 60.0), 0.4)
    points = np.random.default_rng(0).uniform(0, 200, (20, 2))
    matrix = roi.matrix(256)
    crop = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(roi.to_photo(crop, 256), points)
    assert np.allclose(roi.to_photo(np.array([[128.0, 128.0]]), 256), [[120, 80]])


@pytest.mark.parametrize("size", [64.0, 256.0, 700.0])
def test_sample_keeps_pixel_centres(size):
    """A picture whose colour is its own coordinates must come back as the crop's coordinates, at any reduction."""
    y, x = np.mgrid[0:800, 0:800].astype(np.float32) + 0.5
    roi = Roi((400.0, 410.0), (size, size), 0.3)
    crop = sample(np.stack([x, y, x], -1), roi, 128)
    i, j = np.meshgrid(np.arange(10, 118), np.arange(10, 118), indexing="ij")
    expected = roi.to_photo(np.stack([j.ravel() + 0.5, i.ravel() + 0.5], 1), 128)
    assert np.abs(crop[10:118, 10:118, :2].reshape(-1, 2) - expected).max() < 0.1 * max(1, size / 128)


def test_anchors_and_votes():
    anchors = make_anchors()
    assert anchors.shape == (896, 2) and 0 < anchors.min() and anchors.max() < 1
    box = np.array([10.0, 10, 30, 30])
    assert overlap(box, box) == 1 and overlap(box, box + 40) == 0
    assert overlap(box, box + [10, 0, 10, 0]) == pytest.approx(1 / 3)
    votes = [Detection(box + i, np.zeros((6, 2)) + i, 0.9 - 0.3 * i) for i in range(2)]
    merged = merge_votes([*votes, Detection(box + 100, np.zeros((6, 2)), 0.6)])
    assert len(merged) == 2 and merged[0].box[0] == pytest.approx((0.9 * 10 + 0.6 * 11) / 1.5)
