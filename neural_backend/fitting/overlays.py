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


def head_window(landmarks: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels around the whole head, from landmarks [L, >=2] of a face in the picture."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    reach = float((high - low).max()) * 1.15
    middle = (low + high) / 2 - (0, 0.1 * reach)  # hair above is more than neck below
    left, top = np.floor(np.clip(middle - reach, 0, (width - 2, height - 2))).astype(int)
    right, bottom = np.ceil(np.clip(middle + reach, (left + 1, top + 1), (width, height))).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _window_of(photo: Photo, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """([h, w, 3] uint8 sRGB around the head, its corner [2] in the photo, its pixels per pixel of the photo)."""
    left, top, right, bottom = head_window(landmarks, photo.width, photo.height)
    scale = SIDE / max(right - left, bottom - top)
    size = (max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(photo.srgb[top:bottom, left:right], size, interpolation=method), np.array([left, top]), scale


def landmark_overlay(photo: Photo, landmarks: np.ndarray) -> np.ndarray:
    """[h, w, 3] uint8 sRGB: the head in the photo with its landmarks [L, >=2] (pixels of the photo)."""
    image, corner, scale = _window_of(photo, landmarks)
    for x, y in np.round((landmarks[:, :2] - corner) * scale * 2**_SHIFT).astype(int):
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

    def draw(self, photo: Photo, landmarks: np.ndarray, head: HeadState, index: int) -> np.ndarray:
        """[h, w, 3] uint8 sRGB: the head in photo number `index` with the front of the mesh over it."""
        state = head.photos[index]
        positions = self._points.positions(head.identity, state.expression)
        pixels, _ = project(positions, state)
        normals = vertex_normals_numpy(positions.astype(np.float32), self._triangles)
        to_eye = -(positions @ state.rotation.T + state.translation)
        front = np.einsum("vi,vi->v", normals @ state.rotation.T, to_eye) > 0
        image, corner, scale = _window_of(photo, landmarks)
        corners = np.round((pixels - corner) * scale * 2**_SHIFT).astype(np.int32)[
            self._quads[front[self._quads].all(1)]
        ]
        lines = image.copy()
        cv2.polylines(lines, list(corners), True, MESH, 1, cv2.LINE_AA, _SHIFT)
        return cv2.addWeighted(lines, 0.5, image, 0.5, 0)


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
