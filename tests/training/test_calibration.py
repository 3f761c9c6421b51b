"""Calibrating landmarks: nothing is learned from the proof heads, and a calibration needs no file to be judged."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from neural_backend.evaluation.geometry import FaceMetric
from neural_backend.fitting.landmarks import CALIBRATION_FILE, LandmarkCalibration
from neural_backend.fitting.map_initialisation import Evidence
from neural_backend.head.template import HeadTemplate
from neural_backend.perception.face import FacePerception
from neural_backend.training.calibrate_landmarks import calibration_heads, detect
from neural_backend.training.check_calibration import as_calibration, judge, observations_of

SAMPLE = Path(__file__).parents[1] / "data" / "known_heads"


def test_proof_heads_are_never_learned_from(tmp_path):
    heads = list(calibration_heads([SAMPLE]))
    assert heads and {head.split for head in heads} == {"calibration"}
    with pytest.raises(FileNotFoundError, match="render_known_heads"):
        list(calibration_heads([tmp_path]))


def test_the_shipped_file_says_what_it_was_learned_from():
    assert int(LandmarkCalibration.load().metadata["pictures"]) >= 500


def test_a_calibration_is_judged_by_its_fits():
    """The shipped calibration in memory is the one on disk; points told to lie elsewhere give another head."""
    template = HeadTemplate.load()
    held = as_calibration(load_file(CALIBRATION_FILE))
    shipped = LandmarkCalibration.load()
    assert np.array_equal(held.triangle, shipped.triangle) and np.array_equal(held.bias, shipped.bias)
    heads, samples = detect(calibration_heads([SAMPLE]), FacePerception.load())
    metric, observations = FaceMetric(template), observations_of(heads, samples)

    def judged(calibration):
        return judge(Evidence.of(template, calibration), heads, observations, [0], metric)

    ratio, worst = judged(held)
    again, _ = judged(shipped)
    assert ratio == again
    assert 0.2 < ratio < 1.3
    face = metric.measure(template.vertices, heads[0].neutral).mean
    assert worst == pytest.approx((ratio - 1) * face, abs=1e-6)
    shifted = as_calibration({**load_file(CALIBRATION_FILE), "offset": held.offset + [0.0, 0.0, 0.012]})
    assert judged(shifted)[0] != ratio
