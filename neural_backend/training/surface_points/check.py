"""What surface points are worth: fits to points alone with and without them, on people the network has not seen.

    python -m neural_backend.training.surface_points.check --known-heads FOLDER

One frontal and one turned picture of each person; the mean error over the mean face's. How far the points err was
measured on the same people (from some 190 pictures and their mirror images); the proof split is left alone.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

from ...evaluation.geometry import FaceMetric
from ...fitting.landmarks import LandmarkCalibration
from ...fitting.map_initialisation import Evidence
from ...fitting.surface_evidence import SurfaceEvidence
from ...head.template import HeadTemplate
from ...head.weights_file import read_weights
from ...perception.surface_points import SURFACE_POINTS_FILE, SurfacePointDetector
from ..calibrate_landmarks import calibration_heads, samples_of
from ..check_calibration import judge, observations_of, one_of_each
from .calibrate import LEFT_OUT, look


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, action="append", required=True, help="folder of known heads")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    template = HeadTemplate.load()
    _, metadata = read_weights(SURFACE_POINTS_FILE, "surface point network", "docs/training.md")
    people = set(json.loads(metadata[LEFT_OUT]))
    known = (head for head in calibration_heads(arguments.known_heads) if head.subject in people)
    heads, faces, found = look(known, SurfacePointDetector.load())
    samples = samples_of(heads, (face.landmarks for face in faces), (face.blendshapes for face in faces))
    cases, plain = one_of_each(heads, samples, people), observations_of(heads, samples)
    pointed = [replace(each, surface=points) for each, points in zip(plain, found, strict=True)]
    evidence = Evidence.of(template, LandmarkCalibration.load(), SurfaceEvidence.load(template))
    metric = FaceMetric(template)
    for name, chosen in cases.items():
        for label, observations in (("landmarks", plain), ("landmarks and surface points", pointed)):
            ratio, worst = judge(evidence, heads, observations, chosen, metric)
            print(f"{name:8s} {label:28s} {len(chosen):3d} fits: {ratio:.3f}, worst {worst:+.2f} mm", flush=True)


if __name__ == "__main__":
    main()
