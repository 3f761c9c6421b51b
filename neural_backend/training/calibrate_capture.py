"""Learn how landmarks err from frame to frame: weights/capture_noise.safetensors.

    python -m neural_backend.training.calibrate_capture PERFORMANCES.npz [-o FILE]

PERFORMANCES.npz is what `neural_backend.training.capture_performances` made. Its first heads are held out: the error of
captured weights on them, and of the perception's raw scores, is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ..capture.landmark_noise import NOISE_FILE, CaptureNoise
from ..capture.solve import KnownHead, Off, common_focal, lid_openings, pose_frame, solve_frame
from ..fitting.landmarks import LandmarkCalibration
from ..fitting.map_initialisation import Observation
from ..head.personal_template import of_person
from ..head.personalise import personalise
from ..head.template import HeadTemplate
from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from .capture_performances import SIDE

HELD_OUT = 10  # heads
RANK = 150
LEAST_M = 2e-4  # no landmark is surer than this


class Performance:
    """One head of the file."""

    def __init__(self, data: dict[str, np.ndarray], number: int, template: HeadTemplate, calibration) -> None:
        rows = data["head"] == number
        self.truth, self.scores = data["truth"][rows], data["scores"][rows].astype(np.float64)
        self.resting = data["resting"][rows].astype(bool)
        person = personalise(template, data["identity"][rows][0])
        personal = of_person(template, person.vertices, person.arkit, person.joint_positions)
        self.head = KnownHead.of(personal, calibration)
        self.seen = [
            Observation(SIDE, SIDE, points.astype(np.float64), scores, None)
            for points, scores in zip(data["landmarks"][rows], self.scores, strict=True)
        ]
        self.focal_px = common_focal(self.head, self.seen)

    def errors(self) -> np.ndarray:
        """[N, 468, 2] metres that landmarks lie off the true face, less the person's own at rest."""
        pairs = zip(self.seen, self.truth, strict=True)
        off = np.array([pose_frame(self.head, o, w, self.focal_px).face for o, w in pairs])
        return off - off[self.resting].mean(0)

    def captured(self, noise: CaptureNoise) -> np.ndarray:
        """[N, 52] weights by the way of clips, the resting frames known."""
        still = np.zeros(len(ARKIT_NAMES))
        calm = [o for o, resting in zip(self.seen, self.resting, strict=True) if resting]
        own = Off.typical([pose_frame(self.head, o, still, self.focal_px) for o in calm])
        opening = np.mean([lid_openings(o.landmarks) for o in calm], axis=0)
        head = self.head.in_clip(noise, own, opening)
        return np.array([solve_frame(head, o, None, self.focal_px).state.expression for o in self.seen])


def learn(performances: list[Performance]) -> CaptureNoise:
    errors = np.concatenate([each.errors() for each in performances])
    rows = errors.reshape(len(errors), -1)
    covariance = rows.T @ rows / len(rows)
    values, vectors = np.linalg.eigh(covariance)
    factors = vectors[:, ::-1][:, :RANK] * np.sqrt(np.maximum(values[::-1][:RANK], 0))
    rest = np.maximum(np.diag(covariance) - (factors**2).sum(1), LEAST_M**2)
    at_rest = np.array([each.scores[each.resting].mean(0) for each in performances])
    return CaptureNoise(factors, rest, at_rest.mean(0), at_rest.std(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("performances", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=NOISE_FILE)
    arguments = parser.parse_args()
    with np.load(arguments.performances, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    template, calibration = HeadTemplate.load(), LandmarkCalibration.load()
    everybody = [Performance(data, number, template, calibration) for number in np.unique(data["head"])]
    noise = learn(everybody[HELD_OUT:])
    kept = {name: np.ascontiguousarray(getattr(noise, name), np.float32) for name in noise.__dataclass_fields__}
    kept["factors"] = kept["factors"].astype(np.float16)
    save_file(kept, str(arguments.output), metadata={"heads": str(len(everybody) - HELD_OUT)})
    shipped = CaptureNoise.load(arguments.output)
    truth = np.concatenate([each.truth for each in everybody[:HELD_OUT]])
    blinks = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
    for name, found in (
        ("scores", np.concatenate([each.scores for each in everybody[:HELD_OUT]])),
        ("captured", np.concatenate([each.captured(shipped) for each in everybody[:HELD_OUT]])),
    ):
        off = found - truth
        print(
            f"{name}: mean error {np.abs(off).mean():.4f}, root mean square {np.sqrt((off**2).mean()):.4f}, "
            f"blinks {np.abs(off[:, blinks]).mean():.3f}"
        )


if __name__ == "__main__":
    main()
