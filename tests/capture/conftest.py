"""A head of chance that performs for two seconds: rendered once, as a video, beside its package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from neural_backend.evaluation.known_clip import ClipRenderer, KnownClip, rotations, write_video
from neural_backend.fitting.picture import photo_materials
from neural_backend.fitting.unwrap import SkinAtlas
from neural_backend.head.anatomy_maps import make_maps
from neural_backend.head.package import HeadPackage, PackageLevel
from neural_backend.head.personalise import personalise
from neural_backend.head.template import JOINT_NAMES, JOINT_PARENTS, PART_NAMES, PART_TEXTURE_SET, HeadTemplate
from neural_backend.models.reflectance_prior import ReflectancePrior
from neural_backend.protocol.arkit import ARKIT_INDEX

RATE, FRAMES = 30.0, 60


@dataclass(frozen=True)
class Known:
    package: Path
    clip: Path
    truth: KnownClip


def bump(first: float, last: float) -> np.ndarray:
    """[F] 0, up to 1 in the middle of first..last, 0."""
    times = np.arange(FRAMES)
    share = np.clip((times - first) / (last - first), 0, 1)
    return np.sin(np.pi * share) ** 2


def performance() -> KnownClip:
    weights = np.zeros((FRAMES, 52))

    def move(shape: str, values: np.ndarray) -> None:
        for name in [shape] if shape in ARKIT_INDEX else [f"{shape}Left", f"{shape}Right"]:
            weights[:, ARKIT_INDEX[name]] = values

    move("mouthSmile", 0.8 * bump(6, 26))
    move("jawOpen", 0.7 * bump(24, 40))
    move("browInnerUp", 0.9 * bump(38, 56))
    move("browOuterUp", 0.7 * bump(38, 56))
    blink = np.zeros(FRAMES)
    for middle in (15, 33, 52):
        blink[middle - 1 : middle + 2] = 0.5, 1.0, 0.5
    move("eyeBlink", blink)
    times = np.arange(FRAMES) / RATE
    view = rotations(0.2 * np.sin(3 * times), 0.08 * np.cos(4 * times), 0.06 * np.sin(2 * times))
    return KnownClip(times, weights, view, RATE)


@pytest.fixture(scope="session")
def known(tmp_path_factory) -> Known:
    folder = tmp_path_factory.mktemp("known")
    template, prior, generator = HeadTemplate.load(), ReflectancePrior.load(), np.random.default_rng(2024)
    identity = generator.normal(0, 0.8, len(template.identity))
    person = personalise(template, identity)
    levels = tuple(
        PackageLevel(
            person.vertices[level.vertex_ids], level.quads, level.uv, level.face_uv, level.face_part,
            template.joint_weights[level.vertex_ids], person.arkit[:, level.vertex_ids],
            np.zeros((0, len(level.vertex_ids), 3), np.float32), np.zeros((68, 3), np.float32),
        )
        for level in template.levels
    )  # fmt: skip
    package = HeadPackage(
        "known", identity, levels, PART_NAMES, PART_TEXTURE_SET, JOINT_NAMES, JOINT_PARENTS, person.joint_positions, ()
    ).write(folder, {})
    atlas = SkinAtlas.make(template, 512)
    log = prior.log_albedo(generator.normal(0, 0.7, len(prior.vertex_log_albedo_modes)))
    skin = atlas.from_vertices(log) + atlas.resized(prior.feature_map(template))[:, None]
    anatomy = make_maps(np.array([0.06, 0.035, 0.02]), 1, 1024)
    materials = photo_materials(
        {"diffuse": atlas.padded(np.exp(skin).astype(np.float32))}, anatomy["eye_diffuse"], anatomy["mouth_diffuse"]
    )
    eyes = person.joint_positions[3:5].mean(0)
    renderer = ClipRenderer(person.vertices, person.arkit, eyes, materials, 320, 320)
    truth = performance()
    return Known(package, write_video(folder / "known.mp4", renderer.frames(truth), RATE), truth)
