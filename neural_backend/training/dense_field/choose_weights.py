"""How much a dense measurement should count: errors of fits to held-out people of the training split, by weights.

    python -m neural_backend.training.dense_field.choose_weights --known-heads FOLDER [--weights FILE]

Prints the mean error over the mean face's for landmarks alone, for shading without dense measurements, and for pairs of
weights with one and two looks, with and without shading; for one photo and for three.
"""

from __future__ import annotations

import argparse
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...evaluation.geometry import FaceMetric
from ...fitting.dense_fields import DENSE_FIELD_FILE, DenseFieldReader, load_dense_field
from ...fitting.fit import DENSE_MAP, QUALITIES, load_models, load_samples, look_again, observe
from ...fitting.map_initialisation import Observation, fit_landmarks, improve
from ...fitting.parameters import HeadState
from ...fitting.photo_pixels import PhotoPixels
from ...fitting.photometric import fit_photometric
from ...fitting.skin_transfer import SkinTransfer
from ...lightstage.known_heads import KnownHead, read_known_heads
from ...perception.image import Photo, load_photo
from ...perception.skin import skin_weight
from .__main__ import is_held_out

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sitting:
    """One person's photos as perception saw them, and the truth."""

    photos: list[Photo]
    observations: list[Observation]
    pixels: list[PhotoPixels]
    neutral: np.ndarray
    mean_face_mm: float


def sit(heads: Sequence[KnownHead], metric: FaceMetric) -> Sitting | None:
    models = load_models(dense_fields=False)
    photos, observations, pixels = [], [], []
    for head in heads:
        photo = load_photo(head.picture)
        faces = models.perception.detect(photo)
        if len(faces) != 1:
            return None
        matte = models.matte.matte(photo, faces[0])
        observation, reduced = observe(photo, faces[0], matte, skin_weight(photo, faces[0], matte))
        photos.append(photo)
        observations.append(observation)
        pixels.append(reduced)
    neutral = heads[0].neutral
    return Sitting(photos, observations, pixels, neutral, metric.measure(models.template.vertices, neutral).mean)


@dataclass(frozen=True)
class Trial:
    """One way to fit: how much dense measurements count (None: no dense look), how many looks, shading or not."""

    weights: tuple[float, float] | None  # of positions, of normals
    looks: int = 0
    shading: bool = False

    def __str__(self) -> str:
        dense = f"position {self.weights[0]:g}, normal {self.weights[1]:g}, looks {self.looks}" if self.weights else ""
        return ", ".join(filter(None, ["landmarks and outline", dense, "shading" if self.shading else ""]))

    def fit(self, reader: DenseFieldReader, start: HeadState, sitting: Sitting) -> HeadState:
        state = HeadState(start.identity.copy(), [replace(photo) for photo in start.photos])
        evidence, seen = load_models(dense_fields=False).evidence, sitting.observations
        if self.weights is not None:
            reader.position_weight, reader.normal_weight = self.weights
            evidence = replace(evidence, dense=reader)
        for _ in range(self.looks):
            seen = look_again(evidence, state, sitting.photos, seen)
            improve(evidence, state, seen, DENSE_MAP)
        if self.shading:
            quality = QUALITIES["standard"]
            samples, basis = load_samples(quality.samples)
            transfer = SkinTransfer()
            fit_photometric(
                evidence, state, seen, sitting.pixels, samples, basis, transfer, quality.photometric
            )  # fmt: skip
        return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=DENSE_FIELD_FILE)
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--photos", type=int, nargs="*", default=[1, 3])
    parser.add_argument("--position", type=float, nargs="*", default=[0.003, 0.01, 0.03, 0.1])
    parser.add_argument("--normal", type=float, nargs="*", default=[0.003, 0.01, 0.03, 0.1])
    parser.add_argument("--looks", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--shading", action="store_true", help="also with the photometric step")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    models = load_models(dense_fields=False)
    metric = FaceMetric(models.template)
    people: dict[str, list[KnownHead]] = {}
    for head in read_known_heads(arguments.known_heads, "training"):
        if is_held_out(head.subject):
            people.setdefault(head.subject, []).append(head)
    reader = DenseFieldReader(models.template, load_dense_field(arguments.weights))
    steps = (False, True) if arguments.shading else (False,)
    trials = [Trial(None, 0, shading) for shading in steps] + [
        Trial((position, normal), looks, shading)
        for position, normal, looks, shading in itertools.product(
            arguments.position, arguments.normal, arguments.looks, steps
        )
    ]
    for count in arguments.photos:
        found = [sit(heads[:count], metric) for heads in list(people.values())[: arguments.people]]
        sittings = [sitting for sitting in found if sitting is not None]
        starts = [fit_landmarks(models.evidence, sitting.observations) for sitting in sittings]
        mean = np.array([sitting.mean_face_mm for sitting in sittings])
        print(f"{count} photos, {len(sittings)} people: mean error over the mean face's, worst person, length of code")
        for trial in trials:
            states = [trial.fit(reader, *each) for each in zip(starts, sittings, strict=True)]
            heads = [models.template.shape(state.identity) for state in states]
            errors = [metric.measure(head, sitting.neutral).mean for head, sitting in zip(heads, sittings, strict=True)]
            length = np.mean([np.linalg.norm(state.identity) for state in states])
            ours = np.array(errors)
            print(f"{ours.mean() / mean.mean():6.3f} {(ours - mean).max():+6.2f} mm {length:5.1f}  {trial}", flush=True)


if __name__ == "__main__":
    main()
