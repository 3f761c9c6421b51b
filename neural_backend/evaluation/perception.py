"""What perception answers on a folder of photos: `python -m neural_backend.evaluation.perception PHOTO... [options]`.

Prints a line per photo (faces, eye distance, milliseconds of processor time per stage), how steady the landmarks are
under small moves of the photo (ours and MediaPipe's own steps), and the distances between identity embeddings within
and between people (`--people`: a CSV with columns file, person). `--sheet` writes landmarks, regions, matte and skin
weight side by side for looking at.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from ..perception.face import Face, FacePerception, choose_face
from ..perception.identity import SAME_PERSON, IdentityMetric, distance
from ..perception.image import Photo, load_photo
from ..perception.matte import PersonMatte
from ..perception.regions import face_regions
from ..perception.skin import skin_weight

TILE = 300  # px, a picture on the sheet
MOVES = 6  # moved copies of each photo
REGION_COLOURS = {
    "skin": (255, 200, 120),
    "lips": (255, 40, 40),
    "mouth": (255, 255, 0),
    "eyes": (40, 255, 40),
    "brows": (80, 120, 255),
}


def jitter(photo: Photo, landmarks_of: Callable[[Photo], np.ndarray | None], seed: int = 0) -> float | None:
    """Mean distance of landmarks from their mean over moved copies of the photo, in eye distances.

    Args:
        landmarks_of: photo -> landmarks [478, >=2] in its pixels, or None when it finds no face.

    Returns:
        None when fewer than three copies were answered.
    """
    rng = np.random.default_rng(seed)
    middle = np.array([photo.width, photo.height]) / 2
    answers = []
    for _ in range(MOVES):
        angle, scale = rng.uniform(-0.2, 0.2), rng.uniform(0.7, 1.0)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = middle + rng.uniform(-0.04, 0.04, 2) * photo.width - turn @ middle
        matrix = np.hstack([turn, (shift + turn.sum(1) * 0.5 - 0.5)[:, None]])
        moved = cv2.warpAffine(
            photo.srgb, matrix, (photo.width, photo.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        points = landmarks_of(replace(photo, srgb=moved))
        if points is not None:
            answers.append((points[:, :2] - shift) @ np.linalg.inv(turn).T)
    if len(answers) < 3:
        return None
    stack = np.array(answers)  # [N, 478, 2]
    eyes = np.linalg.norm(stack[:, 468] - stack[:, 473], axis=1).mean()
    return float(np.linalg.norm(stack - stack.mean(0), axis=2).mean() / eyes)


def overlay(photo: Photo, face: Face, matte: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """[TILE, 4 * TILE, 3] uint8 sRGB: landmarks, regions, matte over green, skin over violet, cut to the head."""
    regions = face_regions(face, photo.height, photo.width)
    pixels = photo.srgb.astype(np.float32)
    dots = photo.srgb.copy()
    for x, y in face.landmarks[:, :2]:
        cv2.circle(dots, (int(x), int(y)), max(1, int(face.size / 150)), (0, 255, 0), -1)
    painted = pixels * 0.6
    for name, colour in REGION_COLOURS.items():
        painted += getattr(regions, name)[..., None] * np.array(colour, np.float32) * 0.35

    def over(weight: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
        return pixels * weight[..., None] + np.array(colour, np.float32) * (1 - weight[..., None])

    (cx, cy), half = (face.box[:2] + face.box[2:]) / 2, face.size
    x0, x1 = int(max(0, cx - half)), int(min(photo.width, cx + half))
    y0, y1 = int(max(0, cy - 1.1 * half)), int(min(photo.height, cy + 0.9 * half))
    layers = (dots, painted, over(matte, (0, 200, 0)), over(skin, (60, 0, 160)))
    cut = [np.clip(layer, 0, 255).astype(np.uint8)[y0:y1, x0:x1] for layer in layers]
    return np.hstack([cv2.resize(layer, (TILE, TILE), interpolation=cv2.INTER_AREA) for layer in cut])


def print_identities(embeddings: dict[str, np.ndarray], people: dict[str, str]) -> None:
    same, different = [], []
    for first, second in combinations(embeddings, 2):
        row = distance(embeddings[first], embeddings[second]), first, second
        (same if people[first] == people[second] else different).append(row)
    print(f"\nidentity, same person below {SAME_PERSON}")
    for title, rows in (("one person", same), ("two people", different)):
        if rows:
            values = np.array([row[0] for row in rows])
            beyond = (values >= SAME_PERSON).sum() if title == "one person" else (values < SAME_PERSON).sum()
            spread = f"min {values.min():.3f} median {np.median(values):.3f} max {values.max():.3f}"
            print(f"  {title}: {len(rows)} pairs, {spread}, on the wrong side {beyond}")
    for value, first, second in sorted(same) + sorted(different)[:5]:
        print(f"  {value:.3f}  {first}  {second}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--people", type=Path, help="CSV with columns file, person")
    parser.add_argument("--sheet", type=Path, help="PNG to write")
    options = parser.parse_args(argv)
    perception, matting, metric = FacePerception.load(), PersonMatte(), IdentityMetric()
    clock, rows, embeddings, unsteady = time.process_time, [], {}, []

    def ours(photo: Photo) -> np.ndarray | None:
        faces = perception.detect(photo)
        return faces[0].landmarks if faces else None

    def original(photo: Photo) -> np.ndarray | None:
        faces = perception.detect_as_mediapipe(photo)
        return faces[0].landmarks if faces else None

    print(f"{'photo':28} faces  eyes px  load  face  matte  skin ms   jitter: ours  MediaPipe's steps")
    for path in options.photos:
        ticks = [clock()]
        photo = load_photo(path)
        ticks.append(clock())
        faces = perception.detect(photo)
        ticks.append(clock())
        if not faces:
            print(f"{path.name[:28]:28} none")
            continue
        face = choose_face(faces, photo)
        matte = matting.matte(photo, face)
        ticks.append(clock())
        skin = skin_weight(photo, face, matte)
        ticks.append(clock())
        spent = "".join(f"{1000 * d:6.0f}" for d in np.diff(ticks))
        steady = [jitter(photo, of) for of in (ours, original)]
        unsteady.append(steady)
        shown = "  ".join("  none" if s is None else f"{s:.4f}" for s in steady)
        print(f"{path.name[:28]:28} {len(faces):5} {face.eye_distance:8.1f}{spent}             {shown}")
        embeddings[path.name] = metric.embed(photo, face.landmarks)
        rows.append(overlay(photo, face, matte, skin))
    if not rows:
        return 1
    both = np.array([s for s in unsteady if None not in s])
    if len(both):
        print(
            f"median jitter, in eye distances: ours {np.median(both[:, 0]):.4f}, original {np.median(both[:, 1]):.4f}"
        )
    if options.people:
        with open(options.people, newline="") as file:
            print_identities(embeddings, {row["file"]: row["person"] for row in csv.DictReader(file)})
    if options.sheet:
        pairs = [rows[i : i + 2] for i in range(0, len(rows), 2)]
        sheet = np.vstack([np.hstack([*pair, np.zeros_like(pair[0])][:2]) for pair in pairs])
        cv2.imwrite(str(options.sheet), sheet[..., ::-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
