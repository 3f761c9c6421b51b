"""The eye as a solid: its sizes, its surface as lids meet it, its gaze, and fitting its centre behind given lids.

Shared by the template's builder and by `personalise`. Metres and radians; the eye looks along +Z at rest.
"""

from __future__ import annotations

import numpy as np

BALL_RADIUS = 12.0e-3
CORNEA_RADIUS = 7.8e-3
LIMBUS_RADIUS = 5.9e-3
PUPIL_RADIUS = 1.9e-3
#: How far the gaze turns at weight 1 of an eyeLook shape: up, down, towards the nose, away from it.
GAZE_UP, GAZE_DOWN, GAZE_IN, GAZE_OUT = np.radians([25.0, 28.0, 30.0, 30.0])

_SULCUS = 0.12e-3  # the width over which cornea and sclera melt into each other
_TEAR_FILM = 0.03e-3  # the cap's rim stands this far over the sclera
# The map of the eye: iris and pupil are flat out to the limbus, the sclera is laid around them.
MAP_LIMBUS = 0.22
_MAP_RIM = 0.49


def _sphere_height(radius: np.ndarray, sphere_radius: float) -> np.ndarray:
    return np.sqrt(np.maximum(sphere_radius**2 - radius**2, 0.0))


def cornea_height(radius: np.ndarray) -> np.ndarray:
    """Height [n] of the eye's outer surface along its axis at a distance [n] from it: cornea, then sclera."""
    sclera = _sphere_height(radius, BALL_RADIUS) + _TEAR_FILM
    limbus = np.sqrt(BALL_RADIUS**2 - LIMBUS_RADIUS**2)
    cornea = limbus - np.sqrt(CORNEA_RADIUS**2 - LIMBUS_RADIUS**2) + _sphere_height(radius, CORNEA_RADIUS)
    top = np.maximum(sclera, cornea)
    # The soft maximum keeps the ring between them smooth, as the limbal sulcus is.
    return top + _SULCUS * np.log1p(np.exp(-np.abs(sclera - cornea) / _SULCUS)) * np.exp(
        -np.abs(sclera - cornea) / 0.4e-3
    )


def eye_map_radius(radius: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Distance [n] from the middle of the eye's UV square for a point at `radius` from the axis and `height` along it.

    Inside the limbus the map is a flat picture of the iris; outside it runs over the angle, wider in front than behind.
    """
    angle = np.arctan2(radius, height)
    start = np.arcsin(LIMBUS_RADIUS / BALL_RADIUS)
    outside = np.clip((angle - start) / (np.pi - start), 0.0, 1.0)
    sclera = MAP_LIMBUS + (_MAP_RIM - MAP_LIMBUS) * (1 - (1 - outside) ** 1.5)
    flat = MAP_LIMBUS * radius / LIMBUS_RADIUS
    return np.where((radius <= LIMBUS_RADIUS) & (height > 0), flat, sclera)


def gaze_rotation(pitch: float, yaw: float) -> np.ndarray:
    """[3, 3] rotation that turns a gaze along +Z up by `pitch` and towards +X by `yaw`."""
    cos_p, sin_p, cos_y, sin_y = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cos_p, sin_p], [0, -sin_p, cos_p]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    return about_y @ about_x


def gaze_of(name: str) -> tuple[float, float] | None:
    """(pitch, yaw) of an eyeLook shape at weight 1, or None when the shape does not turn an eye."""
    if not name.startswith("eyeLook"):
        return None
    outwards = 1.0 if name.endswith("Left") else -1.0  # the left eye's outside is +X
    if "Up" in name:
        return GAZE_UP, 0.0
    if "Down" in name:
        return -GAZE_DOWN, 0.0
    return (0.0, -outwards * GAZE_IN) if "In" in name else (0.0, outwards * GAZE_OUT)


def surface_radius(direction: np.ndarray, gaze: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Distance [n] of the eye's outer surface from its centre along unit directions [n, 3], for one `gaze` [3]."""
    cosine = direction @ gaze
    limbus = np.sqrt(BALL_RADIUS**2 - LIMBUS_RADIUS**2)
    centre = limbus - np.sqrt(CORNEA_RADIUS**2 - LIMBUS_RADIUS**2)  # of the cornea's sphere, on the axis
    inside = np.maximum(CORNEA_RADIUS**2 - centre**2 * (1 - cosine**2), 0.0)
    cornea = centre * cosine + np.sqrt(inside)
    cap = cosine > np.cos(np.arcsin(LIMBUS_RADIUS / BALL_RADIUS))
    return scale * (np.where(cap, np.maximum(cornea, BALL_RADIUS), BALL_RADIUS) + _TEAR_FILM)


def fit_centre(
    lid_edge: np.ndarray,  # [n, 3] the rear edge of both lids
    start: np.ndarray,  # [3]
    radius: float = BALL_RADIUS,
    gap: float = 0.15e-3,
    prior: float = 0.02,
) -> np.ndarray:
    """Centre [3] of the ball whose surface lies `gap` behind the lid edge (Gauss-Newton, pulled weakly to `start`).

    The edge alone hardly fixes the depth when an eye is narrow, so `prior` (relative to one edge point) keeps the
    centre near `start`.
    """
    centre = np.asarray(start, float).copy()
    for _ in range(20):
        offset = lid_edge - centre
        distance = np.linalg.norm(offset, axis=1)
        jacobian = -offset / distance[:, None]
        residual = distance - (radius + gap)
        normal = jacobian.T @ jacobian + prior * len(lid_edge) * np.eye(3)
        step = np.linalg.solve(normal, jacobian.T @ residual + prior * len(lid_edge) * (centre - start))
        centre -= step
        if np.linalg.norm(step) < 1e-9:
            break
    return centre
