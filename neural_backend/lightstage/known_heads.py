"""Known heads: what is rendered for each split, and reading what was rendered.

A folder of known heads has one subfolder per split with `shard_0000.npz`, ... and one JPEG per picture; README.md in it
says the layout. The arrays of a shard are read without pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..rendering.camera import Camera
from .subjects import draw_expression

SHARD_SIZE = 20
CALIBRATION_ENVIRONMENTS = ("city", "forest", "interior", "night", "sunrise", "sunset")
PROOF_ENVIRONMENTS = ("courtyard", "studio")
#: Seeds of the splits: calibration counts from 0, training and proof from here.
TRAINING_SEED = 100_000
PROOF_SEED = 1_000_000
PICTURES_PER_PERSON = 4  # of the training split: camera and light differ, person and face are the same
SCULPTED_FROM = 300
PROOF_KINDS = ("makehuman", "sculpted")
FLIP = np.diag([1.0, -1.0, -1.0])  # head axes (y up, z to the camera) to OpenCV's camera axes


@dataclass(frozen=True)
class Shot:
    """One picture to take, all of it drawn from seeds."""

    name: str  # file name without suffix
    split: str
    kind: str  # one of subjects.KINDS
    subject_seed: int
    view: str  # 'front', 'left', 'right' (which cheek turns to the camera) or 'free'
    lighting: str  # 'soft', 'hard' or 'free'
    expression: str  # 'neutral', 'smile' or 'free'
    seed: int
    size: int


@dataclass(frozen=True)
class KnownHead:
    """One rendered picture and the truth behind it. Vertices are level-1 skin vertices in the head's frame, metres."""

    name: str
    split: str
    kind: str
    subject: str  # pictures of one person share it
    view: str
    lighting: str
    expression_name: str
    picture: Path
    camera: Camera
    vertices: np.ndarray  # [17595, 3] with the expression
    neutral: np.ndarray  # [17595, 3]
    expression: np.ndarray  # [52] ARKit weights
    eyes: np.ndarray  # [2, 4] centre and radius of the eyeballs, left and right
    gaze: np.ndarray  # [2] radians, to the subject's left and upwards
    environment: str
    details: dict  # seed, targets or identity, look


def read_known_heads(folder: Path, split: str | None = None, shard: str = "shard_*.npz") -> Iterator[KnownHead]:
    """All finished pictures of a folder (or of one split in it, or of shards by name), in order.

    Raises:
        FileNotFoundError: there are no shards; the sentence says how to render them.
    """
    root = Path(folder) / split if split else Path(folder)
    shards = sorted(root.rglob(shard))
    if not shards:
        raise FileNotFoundError(
            f"No known heads in {root}: render them with 'python -m neural_backend.lightstage.render_known_heads'."
        )
    for path in shards:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
        for row in range(len(arrays["name"])):
            details = json.loads(str(arrays["details"][row]))
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = arrays["R"][row], arrays["t"][row]
            width, height = (int(x) for x in arrays["size"][row])
            yield KnownHead(
                name=str(arrays["name"][row]),
                split=details["split"],
                kind=details["kind"],
                subject=details["subject"],
                view=details["view"],
                lighting=details["lighting"],
                expression_name=details["expression"],
                picture=path.parent / f"{arrays['name'][row]}.jpg",
                camera=Camera(width, height, arrays["K"][row].astype(np.float64), pose),
                vertices=arrays["vertices"][row].astype(np.float32),
                neutral=arrays["neutral"][row].astype(np.float32),
                expression=arrays["expression"][row],
                eyes=arrays["eyes"][row],
                gaze=arrays["gaze"][row],
                environment=details["environment"],
                details=details,
            )


def calibration_shots(count: int, size: int) -> list[Shot]:
    """Alternately prior samples and sculpted heads, each person once.

    The first SCULPTED_FROM pictures have MakeHuman's own heads, the later ones MakeHuman's variation on our mean.
    """
    shots = []
    for k in range(count):
        kind = "prior" if k % 2 == 0 else "makehuman" if k < SCULPTED_FROM else "sculpted"
        shots.append(Shot(f"cal_{k:05d}", "calibration", kind, k, "free", "free", "free", k, size))
    return shots


def training_shots(count: int, size: int) -> list[Shot]:
    """Pictures to train on: PICTURES_PER_PERSON of each person, nobody from the other splits.

    Half the people are samples of the prior, four in ten sculpted heads, one in ten MakeHuman's own.
    """
    shots = []
    for k in range(count):
        person = k // PICTURES_PER_PERSON
        kind = "prior" if person % 2 == 0 else "makehuman" if person % 10 == 9 else "sculpted"
        free = ("free", "free", "free")  # view, light, expression
        shots.append(Shot(f"train_{k:05d}", "training", kind, TRAINING_SEED + person, *free, TRAINING_SEED + k, size))
    return shots


def proof_shots(heads: int, size: int, kind: str = "makehuman") -> list[Shot]:
    """Heads of one kind that is not our prior's, ordered so that what is asked for first is rendered first.

    Per head: front and both three-quarter views, neutral, soft light; the same three under a hard light; a smile from
    the three sides in soft light. 'soft' and 'hard' pairs of one view share the camera, face and look.
    """
    shots = []
    first = PROOF_SEED + PROOF_KINDS.index(kind) * 500
    for lighting, expression, views in (
        ("soft", "neutral", ("front",)),
        ("soft", "neutral", ("left", "right")),
        ("hard", "neutral", ("front",)),
        ("soft", "smile", ("front", "left", "right")),
        ("hard", "neutral", ("left", "right")),
    ):
        for head in range(heads):
            for view in views:
                # The seed decides camera and face, so it must not depend on the light.
                seed = PROOF_SEED + (first + head - PROOF_SEED) * 100 + ("front", "left", "right").index(view)
                name = f"{'proof' if kind == 'makehuman' else kind}_{head:02d}_{view}_{expression}_{lighting}"
                shots.append(Shot(name, "proof", kind, first + head, view, lighting, expression, seed, size))
    return shots


def draw_camera(shot: Shot, centre: np.ndarray) -> Camera:
    """A portrait camera: 35 to 100 mm equivalent, face filling 45 to 75 % of the height.

    Args:
        centre: [3] metres, a point inside the head that the camera aims at.
    """
    generator = np.random.default_rng([shot.seed, 17])
    equivalent = np.exp(generator.uniform(np.log(35), np.log(100)))
    focal = equivalent / 36 * shot.size
    distance = focal * 0.24 / (shot.size * generator.uniform(0.45, 0.75))
    yaw = generator.normal(0, 7) if generator.random() < 0.5 else generator.uniform(-50, 50)
    pitch = np.clip(generator.normal(0, 6), -12, 12)
    if shot.view == "front":
        yaw, pitch = generator.normal(0, 3), generator.normal(0, 3)
    elif shot.view in ("left", "right"):
        # The camera sees the left cheek when the head turns to its right: yaw of the head's axis is negative.
        yaw, pitch = (-1 if shot.view == "left" else 1) * generator.uniform(30, 42), generator.normal(0, 3)
    roll = generator.normal(0, 4) if shot.view == "free" else generator.normal(0, 2)
    rotation = rotation_matrix(0, 0, roll) @ FLIP @ rotation_matrix(yaw, pitch, 0)
    offset = generator.normal(0, 0.008, 2)
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ centre + [offset[0], offset[1], distance]
    intrinsics = np.array([[focal, 0, shot.size / 2], [0, focal, shot.size / 2], [0, 0, 1]])
    return Camera(shot.size, shot.size, intrinsics, pose)


def rotation_matrix(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """[3, 3] Rz(roll) Rx(pitch) Ry(yaw)."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def draw_face(shot: Shot) -> tuple[np.ndarray, tuple[float, float]]:
    """ARKit weights [52] and gaze (radians) of a shot; one subject's face is the same in every view.

    (In the calibration split a person is seen once, and the picture's seed is the person's.)
    """
    generator = np.random.default_rng([shot.seed if shot.split == "calibration" else shot.subject_seed, 19])
    if shot.expression == "free":
        expression = draw_expression(generator)
    else:
        expression = draw_expression(generator, 0.0, None if shot.expression == "neutral" else "smile")
    spread = np.radians(1.5 if shot.split == "proof" else 7.0)
    gaze = tuple(float(x) for x in np.clip(generator.normal(0, spread, 2), -0.35, 0.35))
    return expression, gaze


def draw_lighting(shot: Shot):
    """Environment light with a random turn and up to three area lights; see AreaLight and Lighting in `stage`."""
    from .stage import AreaLight, Lighting

    generator = np.random.default_rng([shot.seed, 23, {"free": 0, "soft": 1, "hard": 2}[shot.lighting]])

    def area(watts: float, size: float, azimuth: float, elevation: float) -> AreaLight:
        direction = (
            float(np.sin(azimuth) * np.cos(elevation)), float(np.sin(elevation)),
            float(np.cos(azimuth) * np.cos(elevation)),
        )  # fmt: skip
        distance = float(generator.uniform(1.2, 2.5))
        warmth = np.exp(generator.normal(0, 0.12))
        colour = (float(min(1.0, warmth)), 0.92, float(min(1.0, 1 / warmth)))
        return AreaLight(direction, distance, size, watts * distance**2, colour)

    turn = float(generator.uniform(0, 2 * np.pi))
    if shot.lighting == "soft":
        # Frontal and broad: the environment and one large window.
        lights = (area(8.0, 1.4, generator.uniform(-0.7, 0.7), generator.uniform(0.2, 0.7)),)
        return Lighting(PROOF_ENVIRONMENTS[shot.subject_seed % 2], turn, 0.8, lights, True)
    if shot.lighting == "hard":
        side = generator.choice([-1, 1]) * generator.uniform(0.5, 1.0)
        lights = (area(30.0, 0.06, side, generator.uniform(0.3, 0.8)),)
        return Lighting(PROOF_ENVIRONMENTS[(shot.subject_seed + 1) % 2], turn, 0.25, lights, True)
    lights = tuple(
        area(
            float(np.exp(generator.normal(2.2, 0.8))), float(np.exp(generator.uniform(np.log(0.05), np.log(1.2)))),
            generator.uniform(-1.6, 1.6), generator.uniform(-0.2, 1.1),
        )
        for _ in range(generator.choice(4, p=[0.25, 0.4, 0.25, 0.1]))
    )  # fmt: skip
    name = str(generator.choice(CALIBRATION_ENVIRONMENTS))
    strength = float(np.exp(generator.normal(-0.3, 0.6)))
    return Lighting(name, turn, strength, lights, bool(generator.random() < 0.5))
