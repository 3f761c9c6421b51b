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


def detect_each(heads: list[KnownHead], perception: FacePerception) -> tuple[list[KnownHead], Samples]:
    """The heads in which a face is found, and their samples in the same order."""
    found, rows = [], []
    for head in heads:
        row = detect([head], perception)
        if len(row):
            found.append(head)
            rows.append(row)
    columns = {name: np.concatenate([getattr(row, name) for row in rows]) for name in Samples.__dataclass_fields__}
    return found, Samples(**columns)


def as_calibration(data: dict[str, np.ndarray]) -> LandmarkCalibration:
    """What `calibrate` returns, as fitting wants it, without a file between."""
    values = {
        name: value.astype(np.int64 if name == "triangle" else np.float64)
        for name, value in data.items()
        if name != "inflation"
    }
    return LandmarkCalibration(**values, inflation=float(data["inflation"][0]), metadata={})


def judge(
    template: HeadTemplate,
    calibration: LandmarkCalibration,
    heads: list[KnownHead],
    samples: Samples,
    chosen: list[int],
    metric: FaceMetric,
) -> tuple[float, float]:
    """(mean error over the mean face's, largest excess over it in millimetres) of one fit per chosen picture."""
    evidence = Evidence.of(template, calibration)
    ours, mean = [], []
    for index in chosen:
        head = heads[index]
        observation = Observation(
            head.camera.width, head.camera.height, samples.landmarks[index], samples.scores[index]
        )  # fmt: skip
        identity = fit_landmarks(evidence, [observation]).identity
        ours.append(metric.measure(template.shape(identity), head.neutral).mean)
        mean.append(metric.measure(template.vertices, head.neutral).mean)
    return float(np.mean(ours) / np.mean(mean)), float(np.max(np.subtract(ours, mean)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, action="append", required=True, help="folder of known heads")
    parser.add_argument("--inflation", type=float, nargs="*", default=[10.0], help="see calibrate_landmarks.INFLATION")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="other files to put beside it")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    template = HeadTemplate.load()
    metric = FaceMetric(template)
    heads, samples = detect_each(list(calibration_heads(arguments.known_heads)), FacePerception.load())
    people = sorted({head.subject for head in heads})
    left_out = set(people[::FOLDS])
    kept = np.array([head.subject not in left_out for head in heads])
    learned = as_calibration(calibrate(template, samples.subset(kept)))
    yaw = np.abs(samples.yaw())
    cases = {}
    for name, fits in (("frontal", yaw < FRONTAL), ("turned", yaw > TURNED)):
        first: dict[str, int] = {}
        for index in np.flatnonzero(fits & ~kept):
            first.setdefault(heads[index].subject, int(index))
        cases[name] = list(first.values())
    trials = {"shipped": LandmarkCalibration.load()}
    trials |= {str(path): LandmarkCalibration.load(path) for path in arguments.calibration}
    trials |= {f"learned, inflation {value:g}": replace(learned, inflation=value) for value in arguments.inflation}
    print(f"learned from {kept.sum()} renders; {len(left_out)} people left out")
    for label, calibration in trials.items():
        for name, chosen in cases.items():
            ratio, worst = judge(template, calibration, heads, samples, chosen, metric)
            print(f"{label:24s} {name:8s} {len(chosen):3d} fits: {ratio:.3f}, worst {worst:+.2f} mm", flush=True)


if __name__ == "__main__":
    main()
