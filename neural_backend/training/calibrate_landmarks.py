"""Learn what the landmark network measures on renders of known heads: weights/landmark_calibration.safetensors.

    python -m neural_backend.training.calibrate_landmarks --known-heads FOLDER [--known-heads FOLDER ...]

Pictures of the splits 'calibration' and 'training' are used, never those of 'proof'. The landmarks are detected here,
by the network that ships.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ..fitting.landmarks import CALIBRATION_FILE, FACE_POINTS
from ..head.template import HeadTemplate, metadata_entry
from ..lightstage.known_heads import KnownHead, read_known_heads
from ..perception.face import Face, FacePerception
from ..perception.image import Photo, load_photo
from .landmark_statistics import (
    Samples,
    distances,
    expression_statistics,
    learn_offsets,
    mirrored_points,
    noise_by_yaw,
    place_points,
    true_points,
    upright,
)

log = logging.getLogger(__name__)

SPLITS = ("calibration", "training")
RANK = 24  # correlated directions kept per yaw node
INFLATION = 10.0  # of the variance when points are taken as independent: their errors have about 13 free directions
MOST_MISSED = 0.25  # of the eye distance: a detection further off than this found something else


def calibration_heads(folders: Iterable[Path]) -> Iterator[KnownHead]:
    """The heads to learn from: those of SPLITS, where a folder has them.

    Raises:
        FileNotFoundError: a folder has none of these splits; the sentence says how to render them.
    """
    for folder in folders:
        there = [split for split in SPLITS if any((folder / split).glob("shard_*.npz"))]
        for split in there or SPLITS[:1]:
            yield from read_known_heads(folder, split)


def detections(heads: Iterable[KnownHead], perception: FacePerception) -> Iterator[tuple[KnownHead, Photo, Face]]:
    """Each head whose own face is found in its picture; pictures without a face, or with another, are left out."""
    found = missed = 0
    for head in heads:
        photo = load_photo(head.picture)
        centre, _ = head.camera.project(head.eyes[:, :3].mean(0, keepdims=True))
        for face in perception.detect(photo):
            if np.linalg.norm(face.landmarks[[468, 473], :2].mean(0) - centre[0]) < MOST_MISSED * face.size:
                found += 1
                yield head, photo, face
                break
        else:
            missed += 1
    log.info("%d pictures, no face in %d", found, missed)


def samples_of(heads: Iterable[KnownHead], points: Iterable[np.ndarray], scores: Iterable[np.ndarray]) -> Samples:
    """What is known of the heads beside what a network said: `points` [L, >=2] pixels, `scores` [52], for each."""
    rows: dict[str, list] = {name: [] for name in Samples.__dataclass_fields__}
    for head, seen, score in zip(heads, points, scores, strict=True):
        rows["intrinsics"].append(head.camera.intrinsics)
        rows["rotation"].append(head.camera.rotation)
        rows["translation"].append(head.camera.translation)
        rows["vertices"].append(head.vertices)
        rows["landmarks"].append(seen)
        rows["scores"].append(score)
        rows["expression"].append(head.expression)
    return Samples(**{name: np.array(values, np.float64) for name, values in rows.items()})


def detect(heads: Iterable[KnownHead], perception: FacePerception) -> tuple[list[KnownHead], Samples]:
    """Run the network on every picture: the heads found, and their samples in the same order."""
    found = [(head, face) for head, _, face in detections(heads, perception)]
    heads = [head for head, _ in found]
    return heads, samples_of(heads, (face.landmarks for _, face in found), (face.blendshapes for _, face in found))


def calibrate(template: HeadTemplate, samples: Samples, rank: int = RANK) -> dict[str, np.ndarray]:
    """Everything LandmarkCalibration holds."""
    triangle, barycentric = place_points(template, samples)
    offset = learn_offsets(samples, triangle, barycentric)
    residual = distances(samples, true_points(samples, triangle, barycentric, offset))
    frontal = samples.subset(np.abs(samples.yaw()) < np.radians(12))
    seen = frontal.landmarks[:, :FACE_POINTS, :2]
    mirror = mirrored_points(upright(frontal, seen - seen.mean(1, keepdims=True)))
    nodes, bias, variance, factors = noise_by_yaw(residual, samples.yaw(), samples.pitch(), mirror, rank)
    gain, base, sd = expression_statistics(samples)
    for node, spread in zip(nodes, variance, strict=True):
        log.info("yaw %+3.0f: %.2f mm per axis", np.degrees(node), 1e3 * np.sqrt(spread.mean()))
    return {
        "triangle": triangle.astype(np.int32),
        "barycentric": barycentric.astype(np.float32),
        "offset": offset.astype(np.float32),
        "yaw_nodes": nodes.astype(np.float32),
        "bias": bias.astype(np.float32),
        "variance": variance.astype(np.float32),
        "factors": factors.astype(np.float32),
        "inflation": np.array([INFLATION], np.float32),
        "expression_gain": gain.astype(np.float32),
        "expression_base": base.astype(np.float32),
        "expression_sd": sd.astype(np.float32),
    }


def save(data: dict[str, np.ndarray], pictures: int, path: Path = CALIBRATION_FILE) -> None:
    metadata = {"pictures": metadata_entry(pictures), "points": metadata_entry(FACE_POINTS)}
    save_file({key: np.ascontiguousarray(value) for key, value in data.items()}, str(path), metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, action="append", required=True, help="folder of known heads")
    parser.add_argument("-o", "--output", type=Path, default=CALIBRATION_FILE)
    parser.add_argument("--rank", type=int, default=RANK)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _, samples = detect(calibration_heads(arguments.known_heads), FacePerception.load())
    save(calibrate(HeadTemplate.load(), samples, arguments.rank), len(samples), arguments.output)


if __name__ == "__main__":
    main()
