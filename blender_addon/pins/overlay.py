"""Landmarks and pins drawn over a photo in the 3D view."""

from __future__ import annotations

import math
from collections.abc import Iterable

import gpu
from gpu_extras.batch import batch_for_shader

LANDMARK, PIN, HOVERED, LINE = (0.2, 0.75, 1.0, 0.9), (1.0, 0.45, 0.1, 1.0), (1.0, 1.0, 1.0, 1.0), (1.0, 0.45, 0.1, 0.7)
RIM = (0.0, 0.0, 0.0, 0.7)
LANDMARK_RADIUS, PIN_RADIUS = 3.0, 5.5  # pixels at a scale of 1
_CORNERS = 12

Place = tuple[float, float]


def draw(landmarks: dict[int, Place], pins: dict[int, Place], hovered: int | None, scale: float) -> None:
    """Draw into the current region, in its pixels: the head's landmarks, the pins, and what a pin pulls at."""
    gpu.state.blend_set("ALPHA")
    _lines([(landmarks[name], place) for name, place in pins.items() if name in landmarks], LINE, 1.5 * scale)
    free = [place for name, place in landmarks.items() if name not in pins]
    _discs(free, LANDMARK_RADIUS * scale + 1, RIM)
    _discs(free, LANDMARK_RADIUS * scale, LANDMARK)
    _discs(pins.values(), PIN_RADIUS * scale + 1, RIM)
    _discs(pins.values(), PIN_RADIUS * scale, PIN)
    if hovered is not None:
        place = pins.get(hovered, landmarks.get(hovered))
        if place is not None:
            _discs([place], PIN_RADIUS * scale, HOVERED)
    gpu.state.blend_set("NONE")


def _discs(places: Iterable[Place], radius: float, colour: tuple[float, float, float, float]) -> None:
    # Triangles: what a point's size means differs between the graphics systems that Blender runs on.
    turns = [2 * math.pi * index / _CORNERS for index in range(_CORNERS + 1)]
    rim = [(radius * math.cos(turn), radius * math.sin(turn)) for turn in turns]
    corners = []
    for x, y in places:
        for (ax, ay), (bx, by) in zip(rim, rim[1:], strict=False):
            corners += [(x, y), (x + ax, y + ay), (x + bx, y + by)]
    _triangles(corners, colour)


def _lines(ends: Iterable[tuple[Place, Place]], colour: tuple[float, float, float, float], width: float) -> None:
    corners = []
    for (ax, ay), (bx, by) in ends:
        length = math.hypot(bx - ax, by - ay)
        if length < 1.0:
            continue
        x, y = (ay - by) / length * width / 2, (bx - ax) / length * width / 2
        corners += [(ax + x, ay + y), (ax - x, ay - y), (bx + x, by + y)]
        corners += [(bx + x, by + y), (ax - x, ay - y), (bx - x, by - y)]
    _triangles(corners, colour)


def _triangles(corners: list[Place], colour: tuple[float, float, float, float]) -> None:
    if corners:
        shader = gpu.shader.from_builtin("UNIFORM_COLOR")
        shader.uniform_float("color", colour)
        batch_for_shader(shader, "TRIS", {"pos": [(x, y, 0.0) for x, y in corners]}).draw(shader)
