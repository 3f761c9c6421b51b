"""Small meshes made in code: eyeballs, glasses, a shirt."""

from __future__ import annotations

import numpy as np

from .appearance import Glasses
from .proxies import Surface

IRIS_RADIUS = 0.0059  # metres; human irises hardly vary (11.8 mm across)
#: MakeHuman's eye pictures: centre of the first eye, radius of the iris and of the eye, in UV.
PICTURE_CENTRE, PICTURE_IRIS, PICTURE_EYE = (0.291, 0.299), 0.1075, 0.285


def eyeball(centre: np.ndarray, radius: float, gaze: tuple[float, float]) -> tuple[Surface, np.ndarray]:
    """A sphere with its pole at the pupil.

    Returns:
        The surface, its UV in MakeHuman's eye picture, and per vertex the angle from the gaze in iris radii.
    """
    rings, sectors = 40, 40
    iris = np.arcsin(IRIS_RADIUS / radius)
    polar = np.pi * (np.linspace(0, 1, rings + 1) ** 1.6)  # finer at the pupil
    around = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    local = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], axis=-1).reshape(-1, 3)
    yaw, pitch = gaze
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    vertices = centre + radius * local @ (turn @ tilt).T
    inner = PICTURE_IRIS * p / iris
    outer = PICTURE_IRIS + (PICTURE_EYE - PICTURE_IRIS) * (p - iris) / (np.radians(105) - iris)
    reach = np.where(p < iris, inner, np.minimum(outer, 0.97 * PICTURE_EYE))
    uv = np.stack([PICTURE_CENTRE[0] + reach * np.cos(a), PICTURE_CENTRE[1] + reach * np.sin(a)], -1).reshape(-1, 2)
    ring, sector = np.meshgrid(np.arange(rings), np.arange(sectors), indexing="ij")
    after = (sector + 1) % sectors
    quads = np.stack(
        [ring * sectors + sector, (ring + 1) * sectors + sector, (ring + 1) * sectors + after, ring * sectors + after],
        -1,
    ).reshape(-1, 4)
    return Surface(vertices, quads, uv[quads]), (p / iris).ravel()


def tube(path: np.ndarray, radius: float, closed: bool, sides: int = 8) -> Surface:
    """A round tube along a path ([N, 3] metres)."""
    count = len(path)
    if closed:
        tangent = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, [0.13, 0.31, 0.94])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * other[:, None]
    vertices = (path[:, None] + radius * ring).reshape(-1, 3)
    last = count if closed else count - 1
    i, k = np.meshgrid(np.arange(last), np.arange(sides), indexing="ij")
    following, beside = (i + 1) % count, (k + 1) % sides
    quads = np.stack(
        [i * sides + k, i * sides + beside, following * sides + beside, following * sides + k], -1
    ).reshape(-1, 4)
    return Surface(vertices, quads, np.zeros((len(quads), 4, 2)))


def joined(surfaces: list[Surface]) -> Surface:
    starts = np.cumsum([0] + [len(surface.vertices) for surface in surfaces])
    return Surface(
        np.concatenate([surface.vertices for surface in surfaces]),
        np.concatenate([surface.quads + start for surface, start in zip(surfaces, starts, strict=False)]),
        np.concatenate([surface.corner_uv for surface in surfaces]),
    )


def glasses(spec: Glasses, skin: np.ndarray, eyes: tuple, ears: tuple[np.ndarray, np.ndarray]) -> Surface:
    """Frames of two superellipse rims, a bridge and two temples, set on the nose.

    Args:
        skin: [N, 3] metres.
        eyes: left and right Eyeball.
        ears: [2][3] where the temples rest, left and right.
    """
    height = np.mean([eye.centre[1] for eye in eyes]) - 0.003
    bridge_zone = (np.abs(skin[:, 0]) < 0.011) & (np.abs(skin[:, 1] - height) < 0.010)
    front = max(skin[bridge_zone, 2].max() + 0.001, max(eye.centre[2] + eye.radius for eye in eyes) + 0.011)
    half = np.mean([abs(eye.centre[0]) for eye in eyes])
    bridge = max(half - spec.width / 2, 0.008)
    angle = np.linspace(0, 2 * np.pi, 56, endpoint=False)
    cos, sin, power = np.cos(angle), np.sin(angle), 2 / spec.roundness
    outline_x = np.sign(cos) * np.abs(cos) ** power * spec.width / 2
    outline_y = np.sign(sin) * np.abs(sin) ** power * spec.height / 2
    parts = []
    for sign, ear in zip((1, -1), ears, strict=True):
        x = sign * (bridge + spec.width / 2) + outline_x
        wrap = front - 6.0 * np.maximum(np.abs(x) - bridge, 0) ** 2 / 2
        parts.append(tube(np.stack([x, height + outline_y, wrap], 1), spec.thickness, True))
        hinge = np.array([sign * (bridge + spec.width), height + 0.25 * spec.height, wrap.min()])
        outward = np.array([sign * (abs(ear[0]) + 0.002), ear[1], ear[2]])
        bend = outward + np.array([sign * 0.001, -0.004, -0.012])
        t = np.linspace(0, 1, 14)[:, None]
        bulge = np.array([sign * 0.006, 0, 0]) * np.sin(np.pi * t)
        parts.append(tube(np.concatenate([hinge + t * (outward - hinge) + bulge, bend[None]]), spec.thickness, False))
    t = np.linspace(-1, 1, 12)
    arch = np.stack([t * bridge, height + 0.2 * spec.height + 0.003 * (1 - t**2), np.full(12, front) + 0.001], 1)
    parts.append(tube(arch, spec.thickness, False))
    return joined(parts)
