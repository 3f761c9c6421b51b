"""Small pictures of a fit under way, for whoever waits: the found landmarks, then the fitted mesh over the photo.

Lines drawn by OpenCV, no rendering: a picture costs a few hundredths of a second, a few per cent of the stage it shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..geometry.normals import vertex_normals_numpy
from ..head.template import HeadTemplate
from ..perception.image import Photo
from .linear_points import LinearPoints, project
from .parameters import HeadState

SIDE = 320  # px, the longer one
LANDMARK, MESH = (255, 196, 64), (96, 220, 255)  # sRGB
_SHIFT = 4  # OpenCV draws at sixteenths of a pixel


def thumbnail(photo: Photo) -> tuple[np.ndarray, float]:
    """([h, w, 3] uint8 sRGB, its pixels per pixel of the photo)."""
    scale = SIDE / max(photo.width, photo.height)
    size = (max(round(photo.width * scale), 1), max(round(photo.height * scale), 1))
    return cv2.resize(photo.srgb, size, interpolation=cv2.INTER_AREA), scale


def landmark_overlay(photo: Photo, landmarks: np.ndarray) -> np.ndarray:
    """[h, w, 3] uint8 sRGB: the photo with its landmarks [L, >=2] (pixels of the photo)."""
    image, scale = thumbnail(photo)
    for x, y in np.round(landmarks[:, :2] * scale * 2**_SHIFT).astype(int):
        cv2.circle(image, (int(x), int(y)), 1 << _SHIFT, LANDMARK, -1, cv2.LINE_AA, _SHIFT)
    return image


class MeshOverlay:
    """Draws the coarse mesh of a head that is being fitted. Made once per fit: it holds the modes of its vertices."""

    def __init__(self, template: HeadTemplate) -> None:
        level = template.levels[0]
        faces = level.faces_of("skin")
        used, self._quads = np.unique(level.quads[faces], return_inverse=True)
        self._quads = self._quads.reshape(-1, 4)
        self._triangles = np.concatenate([self._quads[:, [0, 1, 2]], self._quads[:, [0, 2, 3]]])
        self._points = LinearPoints.at_vertices(template, level.vertex_ids[used])

    def draw(self, photo: Photo, head: HeadState, index: int) -> np.ndarray:
        """[h, w, 3] uint8 sRGB: photo number `index` with the mesh's front over it."""
        state = head.photos[index]
        positions = self._points.positions(head.identity, state.expression)
        pixels, _ = project(positions, state)
        normals = vertex_normals_numpy(positions.astype(np.float32), self._triangles)
        to_eye = -(positions @ state.rotation.T + state.translation)
        front = np.einsum("vi,vi->v", normals @ state.rotation.T, to_eye) > 0
        image, scale = thumbnail(photo)
        corners = np.round(pixels * scale * 2**_SHIFT).astype(np.int32)[self._quads[front[self._quads].all(1)]]
        lines = image.copy()
        cv2.polylines(lines, list(corners), True, MESH, 1, cv2.LINE_AA, _SHIFT)
        return cv2.addWeighted(lines, 0.6, image, 0.4, 0)


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of all photos as one, beside each other, no wider than three photos."""
    height = min(picture.shape[0] for picture in pictures)
    row = [
        cv2.resize(picture, (max(round(picture.shape[1] * height / picture.shape[0]), 1), height))
        for picture in pictures
    ]
    joined = np.concatenate(row, 1)
    scale = min(1.0, 3 * SIDE / joined.shape[1])
    return joined if scale == 1.0 else cv2.resize(joined, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
