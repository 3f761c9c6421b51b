"""What a landmark calibration is worth: fits to landmarks alone, on people it was not learned from.

    python -m neural_backend.training.check_calibration --known-heads FOLDER [--inflation 5 10 20]

Learns a calibration from four fifths of the people of the splits 'calibration' and 'training', fits one frontal and one
turned picture of each of the others, and prints the mean error over the mean face's; the shipped calibration, which has
seen those people if it was made from the same folder, stands beside it. The proof split is left alone.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..evaluation.geometry import FaceMetric
from ..fitting.landmarks import LandmarkCalibration
from ..fitting.map_initialisation import Evidence, Observation, fit_landmarks
from ..head.template import HeadTemplate
from ..lightstage.known_heads import KnownHead
from ..perception.face import FacePerception
from .calibrate_landmarks import calibrate, calibration_heads, detect
from .landmark_statistics import Samples

FOLDS = 5
FRONTAL, TURNED = 0.25, 0.30  # radians of yaw: below, above


def as_calibration(data: dict[str, np.ndarray]) -> LandmarkCalibration:
    """What `calibrate` returns, as fitting wants it, without a file between."""
    values = {
        name: value.astype(np.int64 if name == "triangle" else np.float64)
        for name, value in data.items()
        if name != "inflation"
    }
    return LandmarkCalibration(**values, inflation=float(data["inflation"][0]), metadata={})


def judge(
    evidence: Evidence, heads: list[KnownHead], observations: list[Observation], chosen: list[int], metric: FaceMetric
) -> tuple[float, float]:
    """(mean error over the mean face's, largest excess over it in millimetres) of one fit per chosen picture."""
    template, ours, mean = evidence.template, [], []
    for index in chosen:
        identity = fit_landmarks(evidence, [observations[index]]).identity
        ours.append(metric.measure(template.shape(identity), heads[index].neutral).mean)
        mean.append(metric.measure(template.vertices, heads[index].neutral).mean)
    return float(np.mean(ours) / np.mean(mean)), float(np.max(np.subtract(ours, mean)))


def observations_of(heads: list[KnownHead], samples: Samples) -> list[Observation]:
    """What perception saw, landmarks alone."""
    return [
        Observation(head.camera.width, head.camera.height, landmarks, scores)
        for head, landmarks, scores in zip(heads, samples.landmarks, samples.scores, strict=True)
    ]


def one_of_each(heads: list[KnownHead], samples: Samples, people: set[str]) -> dict[str, list[int]]:
    """The first frontal and the first turned picture of each of `people`."""
    yaw, cases = np.abs(samples.yaw()), {}
    mine = np.array([head.subject in people for head in heads])
    for name, fits in (("frontal", yaw < FRONTAL), ("turned", yaw > TURNED)):
        first: dict[str, int] = {}
        for index in np.flatnonzero(fits & mine):
            first.setdefault(heads[index].subject, int(index))
        cases[name] = list(first.values())
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, action="append", required=True, help="folder of known heads")
    parser.add_argument("--inflation", type=float, nargs="*", default=[10.0], help="see calibrate_landmarks.INFLATION")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="other files to put beside it")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    template = HeadTemplate.load()
    metric = FaceMetric(template)
    heads, samples = detect(calibration_heads(arguments.known_heads), FacePerception.load())
    people = sorted({head.subject for head in heads})
    left_out = set(people[::FOLDS])
    kept = np.array([head.subject not in left_out for head in heads])
    learned = as_calibration(calibrate(template, samples.subset(kept)))
    cases, observations = one_of_each(heads, samples, left_out), observations_of(heads, samples)
    trials = {"shipped": LandmarkCalibration.load()}
    trials |= {str(path): LandmarkCalibration.load(path) for path in arguments.calibration}
    trials |= {f"learned, inflation {value:g}": replace(learned, inflation=value) for value in arguments.inflation}
    print(f"learned from {kept.sum()} renders; {len(left_out)} people left out")
    for label, calibration in trials.items():
        for name, chosen in cases.items():
            ratio, worst = judge(Evidence.of(template, calibration), heads, observations, chosen, metric)
            print(f"{label:24s} {name:8s} {len(chosen):3d} fits: {ratio:.3f}, worst {worst:+.2f} mm", flush=True)


if __name__ == "__main__":
    main()
