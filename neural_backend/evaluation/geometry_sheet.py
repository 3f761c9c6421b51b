"""The pictures of the geometry evaluation: photo, fit over the photo, clay of fit and truth, and where the error is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from ..geometry.normals import vertex_normals_numpy
from ..lightstage.known_heads import FLIP, KnownHead, rotation_matrix
from ..rendering.camera import Camera
from ..rendering.rasterizer import rasterize

if TYPE_CHECKING:
    from .geometry import FaceMetric, ShapeError

TILE = 256
RED_AT = 0.004  # metres of error drawn in full red
KEY = np.array([-0.45, 0.45, 0.77])  # light of the clay pictures, head axes


def clay(
    vertices: np.ndarray,  # [V, 3]
    triangles: np.ndarray,  # [F, 3]
    camera: Camera,
    colour: np.ndarray | None = None,  # [V, 3] 0..1
) -> tuple[np.ndarray, np.ndarray]:
    """([H, W, 3] 0..1 matte picture, [H, W] bool what is covered)."""
    pixels, depth = camera.project(vertices)
    fragments = rasterize(
        torch.from_numpy(pixels.astype(np.float32)),
        torch.from_numpy(depth.astype(np.float32)),
        torch.from_numpy(triangles),
        camera.height,
        camera.width,
    )
    covered = fragments.triangle.numpy() >= 0
    corner = triangles[fragments.triangle.numpy()[covered]]
    weight = fragments.barycentric.numpy()[covered][..., None]
    normal = (vertex_normals_numpy(vertices, triangles)[corner] * weight).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    shade = 0.25 + 0.75 * np.clip(normal @ (KEY / np.linalg.norm(KEY)), 0, 1)
    base = np.full((len(vertices), 3), 0.82) if colour is None else colour
    picture = np.full((camera.height, camera.width, 3), 0.15)
    picture[covered] = (base[corner] * weight).sum(1) * shade[:, None]
    return picture, covered


def heat(distance: np.ndarray) -> np.ndarray:
    """[N] metres -> [N, 3] colours: grey-blue at zero through yellow to red at RED_AT."""
    level = np.clip(distance / RED_AT, 0, 1)
    stops = np.array([[0.35, 0.45, 0.75], [0.55, 0.85, 0.45], [0.95, 0.85, 0.25], [0.9, 0.2, 0.15]])
    return np.stack([np.interp(level, np.linspace(0, 1, 4), stops[:, k]) for k in range(3)], axis=1)


def studio_camera(yaw_deg: float = 20.0) -> Camera:
    """A long lens on the head from a little to its side."""
    rotation = FLIP @ rotation_matrix(yaw_deg, 0, 0)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, -rotation @ np.array([0, -0.01, 0.03]) + [0, 0, 1.2]
    focal = TILE * 4.4
    return Camera(TILE, TILE, np.array([[focal, 0, TILE / 2], [0, focal, TILE / 2], [0, 0, 1.0]]), pose)


def sheet_row(
    head: KnownHead, fit: object, error: ShapeError, metric: FaceMetric, truth: np.ndarray, caption: str
) -> np.ndarray:
    """[TILE + 20, 5 TILE, 3] uint8 BGR: photo, fit on photo, fit, truth, error."""
    photo = cv2.imread(str(head.picture)).astype(np.float64)[..., ::-1] / 255
    fitted = np.asarray(fit.vertices)
    in_photo = fit.photos[0]
    skin = fitted[: len(truth)]
    expressed = skin + np.tensordot(in_photo.expression, np.asarray(fit.arkit)[:, : len(truth)], 1)
    drawn, covered = clay(expressed, metric.triangles, in_photo.camera)
    if drawn.shape[:2] != photo.shape[:2]:
        photo = cv2.resize(photo, drawn.shape[1::-1], interpolation=cv2.INTER_AREA)
    overlay = np.where(covered[..., None], 0.5 * photo + 0.5 * drawn, photo)
    colour = np.full((len(truth), 3), 0.45)
    face = metric.face(np.asarray(truth, np.float64))
    colour[face] = heat(error.distance)
    view = studio_camera()
    tiles = [
        photo,
        overlay,
        clay(error.aligned[: len(truth)], metric.triangles, view)[0],
        clay(np.asarray(truth, np.float64), metric.triangles, view)[0],
        clay(np.asarray(truth, np.float64), metric.triangles, view, colour)[0],
    ]
    row = np.hstack(
        [cv2.resize(np.ascontiguousarray(tile), (TILE, TILE), interpolation=cv2.INTER_AREA) for tile in tiles]
    )
    band = np.zeros((20, row.shape[1], 3), np.uint8)
    cv2.putText(band, caption, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([(np.clip(row[..., ::-1], 0, 1) * 255).astype(np.uint8), band])


def write_sheet(path: Path, rows: list[np.ndarray], columns: int = 2) -> None:
    """Write the rows of sheet_row as one PNG, `columns` rows side by side."""
    rows = rows + [np.zeros_like(rows[0])] * (-len(rows) % columns)
    lines = [np.hstack(rows[start : start + columns]) for start in range(0, len(rows), columns)]
    cv2.imwrite(str(path), np.vstack(lines))
