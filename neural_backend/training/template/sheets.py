"""Clay pictures of the template: contact sheets of identities, expressions and close-ups, ray cast with embree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import trimesh
from trimesh.ray.ray_pyembree import RayMeshIntersector

from ...head.template import PART_NAMES, HeadTemplate

_COLOUR = {
    "skin": (0.78, 0.70, 0.64), "mouth_bag": (0.62, 0.30, 0.29), "nostril": (0.74, 0.60, 0.55),
    "eye_left": (0.92, 0.92, 0.90), "eye_right": (0.92, 0.92, 0.90), "teeth_upper": (0.95, 0.93, 0.86),
    "teeth_lower": (0.95, 0.93, 0.86), "gums_upper": (0.80, 0.45, 0.45), "gums_lower": (0.80, 0.45, 0.45),
    "tongue": (0.80, 0.42, 0.42), "lashes": (0.15, 0.12, 0.1), "eye_socket_left": (0.65, 0.35, 0.33),
    "eye_socket_right": (0.65, 0.35, 0.33),
}  # fmt: skip
#: Clear parts are left out: the eye is seen through them.
_CLEAR = ("cornea_left", "cornea_right", "tear_line")
_LIGHTS = (((0.5, 0.6, 0.75), 0.75), ((-0.85, 0.15, 0.5), 0.25), ((0.0, -0.6, 0.6), 0.08))
_AMBIENT = 0.10
_SUPERSAMPLE = 2
#: Parts inside the head get ambient occlusion; casting it for the whole skin would only cost time.
_CAVITIES = ("nostril", "mouth_bag", "gums_upper", "gums_lower", "teeth_upper", "teeth_lower", "tongue")
_SKY_RAYS, _SKY_OFFSET = 24, 1e-3
_BOUNCE = 0.35  # light that other surfaces send into a cavity
_IRIS, _PUPIL = 5.9e-3, 2.0e-3


@dataclass(frozen=True)
class View:
    """An orthographic view: what is in the middle, half the height of the picture (m), and how far it is turned."""

    centre: tuple[float, float, float]
    half: float
    yaw: float = 0.0  # degrees, the subject turns to its left
    pitch: float = 0.0


PORTRAIT = View((0.0, 0.015, 0.05), 0.165)
FACE = View((0.0, 0.0, 0.05), 0.115)
LEFT_EYE = View((0.032, 0.036, 0.09), 0.026)
MOUTH = View((0.0, -0.036, 0.1), 0.042)


def render(template: HeadTemplate, vertices: np.ndarray, view: View, size: int, level: int = 1) -> np.ndarray:
    """[size, size, 3] uint8 BGR clay picture of vertices [V, 3] (the template's level-1 array)."""
    lod = template.levels[level]
    shown = ~np.isin(lod.triangle_part, [PART_NAMES.index(part) for part in _CLEAR])
    triangles, part = lod.triangles[shown], lod.triangle_part[shown]
    points = vertices[lod.vertex_ids].astype(np.float64)
    turn = _rotation(view.yaw, view.pitch)
    centre = np.array(view.centre)
    points = (points - centre) @ turn.T / view.half
    count = size * _SUPERSAMPLE
    place = (np.arange(count) + 0.5) / count * 2 - 1
    x, y = np.meshgrid(place, -place)
    origins = np.stack([x.ravel(), y.ravel(), np.full(x.size, 20.0)], 1)
    mesh = trimesh.Trimesh(points, triangles, process=False)
    caster = RayMeshIntersector(mesh, scale_to_box=False)
    hit = caster.intersects_first(origins, np.tile([0.0, 0, -1], (len(origins), 1)))
    image = np.full((len(origins), 3), 0.16)
    seen = np.flatnonzero(hit >= 0)
    face = hit[seen]
    corners = points[triangles[face]]
    bary = trimesh.triangles.points_to_barycentric(
        corners * [1, 1, 0], np.concatenate([origins[seen, :2], np.zeros((len(seen), 1))], 1)
    )
    normal = (bary[..., None] * mesh.vertex_normals[triangles[face]]).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    palette = np.array([_COLOUR.get(name, (0.7, 0.7, 0.7)) for name in PART_NAMES])
    colour = palette[part[face]]
    for side in ("left", "right"):
        _paint_iris(template, vertices, side, part[face], (bary[..., None] * corners).sum(1), turn, view, colour)
    shade = np.full(len(seen), _AMBIENT)
    for direction, strength in _LIGHTS:
        towards = np.array(direction) / np.linalg.norm(direction)
        shade += strength * np.clip(normal @ towards, 0, 1)
    place = (bary[..., None] * corners).sum(1)
    inside = np.flatnonzero(np.isin(part[face], [PART_NAMES.index(name) for name in _CAVITIES]))
    shade[inside] *= _BOUNCE + (1 - _BOUNCE) * _open_sky(caster, place[inside], normal[inside])
    half = np.array([0.3, 0.4, 1.0]) / np.linalg.norm([0.3, 0.4, 1.0])
    image[seen] = colour * shade[:, None] + 0.10 * np.clip(normal @ half, 0, 1)[:, None] ** 40
    image = np.clip(image, 0, 1) ** (1 / 2.2)
    image = (image.reshape(count, count, 3)[..., ::-1] * 255).astype(np.uint8)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def _open_sky(caster: RayMeshIntersector, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """[n] share of the hemisphere over each point that sees out: cavities are dark because of it."""
    rng = np.random.default_rng(0)
    seen = np.zeros(len(points))
    for _ in range(_SKY_RAYS):
        direction = rng.normal(size=points.shape)
        direction = normals + direction / np.linalg.norm(direction, axis=1, keepdims=True)  # cosine-weighted
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
        seen += ~caster.intersects_any(points + normals * _SKY_OFFSET, direction)
    return seen / _SKY_RAYS


def _paint_iris(template, vertices, side, part, points, turn, view, colour) -> None:
    """Iris and pupil as rings about the eye's foremost axis: the clay has no texture."""
    index = PART_NAMES.index(f"eye_{side}")
    own = part == index
    ids = template.part_vertices(f"eye_{side}")
    rest = template.vertices[ids]
    axis_tip = ids[np.linalg.norm(rest[:, :2] - rest[:, :2].mean(0), axis=1).argmin()]
    front = ids[rest[:, 2] > rest[:, 2].mean()]
    tip = front[np.linalg.norm(template.vertices[front, :2] - template.vertices[axis_tip, :2], axis=1).argmin()]
    middle = vertices[ids].mean(0)
    axis = vertices[tip] - middle
    axis = turn @ (axis / np.linalg.norm(axis))
    offset = points[own] * view.half - (turn @ (middle - np.array(view.centre)))
    along = offset @ axis
    radius = np.linalg.norm(offset - along[:, None] * axis, axis=1)
    ring = np.full((own.sum(), 3), 0.92)
    ring[(radius < _IRIS) & (along > 0)] = (0.32, 0.24, 0.17)
    ring[(radius < _PUPIL) & (along > 0)] = 0.02
    colour[own] = ring


def _rotation(yaw: float, pitch: float) -> np.ndarray:
    a, b = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_x @ about_y


def labelled(image: np.ndarray, text: str) -> np.ndarray:
    """The picture with a caption in its top left corner."""
    image = image.copy()
    cv2.putText(image, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def contact_sheet(images: Iterable[np.ndarray], columns: int) -> np.ndarray:
    """Pictures of one size in rows."""
    images = list(images)
    images += [np.zeros_like(images[0])] * (-len(images) % columns)
    return np.concatenate([np.concatenate(images[at : at + columns], 1) for at in range(0, len(images), columns)], 0)
