"""Simple hair strands (beards, close afro hair) grown on a skin surface, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Strands:
    points: np.ndarray  # [S, P, 3] metres
    radius: float  # metres, at the root


@dataclass(frozen=True)
class StrandStyle:
    count: int
    length: float  # metres
    lift: float  # 0 lies on the skin, 1 stands straight out
    steps: int
    gravity: float = 0.0
    curl: float = 0.0  # metres, radius of the helix
    turns: float = 0.0  # of the helix along a strand
    frizz: float = 0.0  # metres per step
    radius: float = 0.00008


STYLES: dict[str, StrandStyle] = {
    "stubble": StrandStyle(2600, 0.0013, 0.6, 2, radius=0.00006),
    "moustache": StrandStyle(1300, 0.008, 0.25, 5, gravity=6.0, frizz=0.0003),
    "goatee": StrandStyle(2600, 0.013, 0.35, 6, gravity=8.0, frizz=0.0004),
    "full": StrandStyle(7000, 0.013, 0.38, 6, gravity=8.0, frizz=0.0005),
    "afro": StrandStyle(11000, 0.042, 0.95, 18, curl=0.0026, turns=3.5, frizz=0.0009, radius=0.00013),
}


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def beard_mask(mean_skin: np.ndarray, kind: str) -> np.ndarray:
    """[N] 0..1 where a beard grows, on the template's mean skin ([N, 3] metres).

    The curves are drawn by hand on the mean head, in centimetres, in the manner of a barber's chart.
    """
    x, y, z = (mean_skin * 100).T
    side = np.abs(x)
    top = np.interp(side, [0, 2.6, 4, 6, 7.5], [-2.0, -2.2, -2.8, -1.0, 2.6])
    mask = smoothstep(-0.2, 0.4, top - y) * smoothstep(-9.5, -7.8, y) * (z > 1.2) * (side < 8.0)
    lips = smoothstep(0.95, 1.35, (x / 2.7) ** 2 + ((y + 3.55) / 1.15) ** 2)
    mask = mask * lips
    moustache = smoothstep(-0.2, 0.25, -1.25 - y) * (y > -3.3) * (side < 2.9) * lips * (z > 6)
    if kind == "moustache":
        return moustache
    if kind == "goatee":
        return np.maximum(moustache, mask * (side < 3.0)) * (z > 4)
    return np.maximum(mask, moustache)


def scalp_mask(mean_skin: np.ndarray) -> np.ndarray:
    """[N] 0..1 where scalp hair grows, on the template's mean skin."""
    x, y, z = (mean_skin * 100).T
    around = np.degrees(np.arctan2(np.abs(x), z - 1.0))
    line = np.interp(
        around,
        [0, 20, 38, 52, 60, 68, 80, 88, 100, 115, 135, 180],
        [9.9, 9.9, 9.2, 7.6, 5.2, 2.6, 2.4, 5.2, 6.2, 1.0, -3.2, -4.8],
    )
    ear = (np.abs(x) > 7.95) & (z < 2.2) & (z > -4) & (y < 7.2) & (y > -3)
    return smoothstep(-0.25, 0.35, y - line) * ~ear


def grow(
    skin: np.ndarray,  # [N, 3] metres
    triangles: np.ndarray,  # [T, 3]
    mask: np.ndarray,  # [N] 0..1 density
    style: StrandStyle,
    generator: np.random.Generator,
) -> Strands:
    """Strands from random roots, leaning down the face, at `style.lift` from the skin."""
    corner = skin[triangles]  # [T, 3, 3]
    cross = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    weight = np.linalg.norm(cross, axis=1) * mask[triangles].mean(1)
    chosen = generator.choice(len(triangles), style.count, p=weight / weight.sum())
    first, second = generator.random((2, style.count))
    root = np.sqrt(first)
    barycentric = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    position = (corner[chosen] * barycentric[..., None]).sum(1)
    normal = cross[chosen] / np.linalg.norm(cross[chosen], axis=1, keepdims=True)
    down = np.tile([0.0, -1.0, 0.0], (style.count, 1))
    down = down - (down * normal).sum(1, keepdims=True) * normal
    down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-6)
    direction = style.lift * normal + (1 - style.lift) * down + generator.normal(size=normal.shape) * 0.16
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = style.length * generator.uniform(0.6, 1.1, style.count)
    step = (length / (style.steps - 1))[:, None]
    points = [position - 0.0003 * normal]
    for _ in range(1, style.steps):
        points.append(points[-1] + direction * step)
        direction = direction + np.array([0.0, -1.0, 0.0]) * style.gravity * step
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    strand = np.stack(points, axis=1)  # [S, P, 3]
    along = np.linspace(0, 1, style.steps)
    if style.curl:
        axis = strand[:, -1] - strand[:, 0]
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        u = np.cross(axis, [0.3, 0.2, 0.9])
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        v = np.cross(axis, u)
        angle = 2 * np.pi * (style.turns * along[None] + generator.random((style.count, 1)))
        helix = np.cos(angle)[..., None] * u[:, None] + np.sin(angle)[..., None] * v[:, None]
        strand = strand + style.curl * np.minimum(1, 3 * along)[None, :, None] * helix
    if style.frizz:
        strand = strand + np.cumsum(generator.normal(size=strand.shape), axis=1) * style.frizz * along[None, :, None]
    return Strands(strand.astype(np.float32), style.radius)
