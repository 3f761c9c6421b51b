"""The whole fit on a real portrait: Eileen Collins, smiling, from the front."""

import numpy as np
import pytest

from neural_backend.fitting.fit import FitOptions, fit_photos
from neural_backend.perception.image import PhotoError, photo_from_linear
from neural_backend.protocol.arkit import ARKIT_INDEX


@pytest.fixture(scope="module")
def draft(astronaut):
    return fit_photos([astronaut], FitOptions(quality="draft"))


def test_pose_and_expression_are_those_of_the_photo(draft):
    photo = draft.photos[0]
    forward = photo.camera.rotation[:, 2]
    assert abs(np.degrees(np.arctan2(forward[0], -forward[2]))) < 12
    assert photo.camera.translation[2] > 0.3
    smile = [photo.expression[ARKIT_INDEX[name]] for name in ("mouthSmileLeft", "mouthSmileRight")]
    assert min(smile) > 0.25
    assert draft.report["photos"][0]["reprojection_mm"] < 4


def test_the_neutral_head_does_not_smile(draft, models):
    """The mouth of the neutral head is no wider than people's: its corners stay within 3 sd of the prior's."""
    triangles, weights = models.template.landmarks68_triangle, models.template.landmarks68_barycentric

    def width(vertices):
        corners = np.einsum("lk,lkd->ld", weights[[48, 54]], vertices[triangles[[48, 54]]])
        return np.linalg.norm(corners[0] - corners[1])

    random = np.random.default_rng(0)
    people = [width(models.template.shape(random.normal(size=len(draft.identity)))) for _ in range(40)]
    assert abs(width(draft.vertices) - np.mean(people)) < 3 * np.std(people)
    smiling = draft.vertices + np.tensordot(draft.photos[0].expression.astype(np.float32), draft.arkit, 1)
    assert width(smiling) > width(draft.vertices) + 0.002


def test_identity_is_plausible(draft):
    assert np.linalg.norm(draft.identity) < 1.2 * np.sqrt(len(draft.identity))
    assert np.abs(draft.identity).max() <= 3.5


def test_the_light_explains_the_skin(draft):
    assert draft.photos[0].light.shape[1] == 3
    assert draft.photos[0].light[0].min() > 0
    assert draft.report["photos"][0]["photometric_difference"] < 0.3
    assert draft.report["photos"][0]["skin_samples"] > 200


def test_same_photo_same_head(astronaut, draft):
    again = fit_photos([astronaut], FitOptions(quality="draft"))
    assert np.array_equal(again.identity, draft.identity)
    assert np.array_equal(again.vertices, draft.vertices)


def test_a_mirrored_photo_gives_the_mirrored_head(astronaut, draft, models):
    mirrored = photo_from_linear(np.ascontiguousarray(astronaut.linear[:, ::-1]))
    other = fit_photos([mirrored], FitOptions(quality="draft"))
    skin = models.template.part_vertices("skin")
    flipped = other.vertices[models.template.mirror] * [-1, 1, 1]
    away = np.linalg.norm(flipped[skin] - draft.vertices[skin], axis=1)
    assert away.mean() < 0.0025


def test_progress_can_cancel(astronaut):
    class StopError(Exception):
        pass

    def stop(stage, done, text=""):
        if done > 0.35:
            raise StopError

    with pytest.raises(StopError):
        fit_photos([astronaut], FitOptions(quality="draft"), stop)


def test_no_face_is_told(astronaut):
    with pytest.raises(PhotoError):
        fit_photos([photo_from_linear(np.full((200, 300, 3), 0.4, np.float32))], FitOptions(quality="draft"))


def test_unknown_quality_is_told(astronaut):
    with pytest.raises(ValueError, match="draft, standard, high"):
        fit_photos([astronaut], FitOptions(quality="best"))
