"""Measures of a UV map: overlap by rasterising, flips, mirror error, texel density."""

from __future__ import annotations

import numpy as np


def signed_areas(uv: np.ndarray, face_uv: np.ndarray) -> np.ndarray:
    """[2F] twice the signed area of the triangles (0, 1, 2) and (0, 2, 3) of each quad."""
    corners = uv[np.concatenate([face_uv[:, [0, 1, 2]], face_uv[:, [0, 2, 3]]])]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def coverage(uv: np.ndarray, face_uv: np.ndarray, size: int) -> np.ndarray:
    """[size, size] uint8: how many triangles hold each texel's centre strictly inside."""
    count = np.zeros((size, size), np.uint8)
    corners = uv[np.concatenate([face_uv[:, [0, 1, 2]], face_uv[:, [0, 2, 3]]])] * size
    for (ax, ay), (bx, by), (cx, cy) in corners:
        double = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(double) < 1e-12:
            continue
        x = np.arange(max(int(min(ax, bx, cx)), 0), min(int(max(ax, bx, cx)) + 1, size))
        y = np.arange(max(int(min(ay, by, cy)), 0), min(int(max(ay, by, cy)) + 1, size))
        px, py = x[None] + 0.5, y[:, None] + 0.5
        w1 = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) / double
        w2 = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) / double
        inside = (w1 > 1e-9) & (w2 > 1e-9) & (w1 + w2 < 1 - 1e-9)
        count[y[0] : y[-1] + 1, x[0] : x[-1] + 1] += inside if len(x) and len(y) else 0
    return count


def texel_density(vertices: np.ndarray, quads: np.ndarray, uv: np.ndarray, face_uv: np.ndarray, size: int):
    """([F] texels per millimetre at `size`, [F] area in mm^2) of each quad; vertices in metres."""
    corners = vertices[quads]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1) * 1e6
    flat = uv[face_uv]
    d, e = flat[:, 2] - flat[:, 0], flat[:, 3] - flat[:, 1]
    flat_area = 0.5 * np.abs(d[:, 0] * e[:, 1] - d[:, 1] * e[:, 0])
    return size * np.sqrt(flat_area / np.maximum(area, 1e-12)), area


def weighted_percentiles(values: np.ndarray, weights: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    """Values below which the given shares of the weight lie."""
    order = np.argsort(values)
    total = np.cumsum(weights[order]) / weights.sum()
    return [float(values[order][min(int(np.searchsorted(total, share)), len(values) - 1)]) for share in shares]
