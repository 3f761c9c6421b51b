"""The unknowns of a fit: one identity shared by all photos; pose, focal length and expression of each photo."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..protocol.arkit import ARKIT_INDEX
from ..rendering.camera import Camera

POSE = 6  # rotation vector (left perturbation, camera axes), then translation in metres
FOCAL = 6  # index of the logarithm of the focal length in a photo's block
EXPRESSION = 7  # first ARKit weight in a photo's block
EXPRESSION_COUNT = 52
BLOCK = EXPRESSION + EXPRESSION_COUNT  # unknowns of one photo
JAW_OPEN, MOUTH_CLOSE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """[3] rotation vector -> [3, 3] (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def possible_expression(expression: np.ndarray) -> np.ndarray:
    """[52] weights that a face can have: in 0..1, and lips close no further than the jaw is open.

    mouthClose takes back what jawOpen opens; more of it would push the lips through each other.
    """
    expression = np.clip(expression, 0.0, 1.0)
    expression[MOUTH_CLOSE] = min(expression[MOUTH_CLOSE], expression[JAW_OPEN])
    return expression


def minus_skew(points: np.ndarray) -> np.ndarray:
    """[P, 3] -> [P, 3, 3]: derivative of (w x point) with respect to w."""
    out = np.zeros((len(points), 3, 3))
    out[:, 0, 1], out[:, 0, 2] = points[:, 2], -points[:, 1]
    out[:, 1, 0], out[:, 1, 2] = -points[:, 2], points[:, 0]
    out[:, 2, 0], out[:, 2, 1] = points[:, 1], -points[:, 0]
    return out


def view_angles(rotation: np.ndarray, translation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[..., 3, 3], [..., 3] camera from head -> (yaw, pitch) [...] of the head as seen by the camera, radians.

    From the direction in which the camera lies, so a head at the picture's side is seen as turned as it looks.
    """
    to_camera = -np.einsum("...ji,...j->...i", rotation, translation)
    x, y, z = np.moveaxis(to_camera / np.linalg.norm(to_camera, axis=-1, keepdims=True), -1, 0)
    return -np.arctan2(x, z), -np.arcsin(np.clip(y, -1, 1))


@dataclass
class PhotoState:
    """Where one photo was taken from, and the expression in it."""

    width: int
    height: int
    rotation: np.ndarray  # [3, 3] camera from head
    translation: np.ndarray  # [3] metres
    focal_px: float
    focal_prior_px: float
    focal_log_sd: float
    expression: np.ndarray  # [52]
    principal: np.ndarray = field(init=False)  # [2] pixels: the middle of the photo

    def __post_init__(self) -> None:
        self.principal = np.array([self.width / 2.0, self.height / 2.0])

    @property
    def yaw(self) -> float:
        """Radians between the nose and the way to the camera; positive where the nose points to the picture's right."""
        return float(view_angles(self.rotation, self.translation)[0])

    @property
    def pitch(self) -> float:
        """Radians; positive where the nose points above the camera."""
        return float(view_angles(self.rotation, self.translation)[1])

    @property
    def roll(self) -> float:
        """Radians the head's up axis is turned clockwise in the picture."""
        up = self.rotation[:, 1]
        return float(np.arctan2(up[0], -up[1]))

    def camera(self) -> Camera:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.translation
        intrinsics = np.array(
            [[self.focal_px, 0, self.principal[0]], [0, self.focal_px, self.principal[1]], [0, 0, 1.0]]
        )
        return Camera(self.width, self.height, intrinsics, matrix)

    def move(self, step: np.ndarray) -> None:
        """Apply a step [7 or BLOCK] of the normal equations; large steps are cut, expression stays possible."""
        self.rotation = rotation_from_vector(np.clip(step[:3], -0.3, 0.3)) @ self.rotation
        self.translation = self.translation + step[3:6]
        self.focal_px *= float(np.exp(np.clip(step[FOCAL], -0.3, 0.3)))
        if len(step) > EXPRESSION:
            self.expression = possible_expression(self.expression + step[EXPRESSION:BLOCK])


@dataclass
class HeadState:
    """One person in several photos."""

    identity: np.ndarray  # [K]
    photos: list[PhotoState]

    @property
    def size(self) -> int:
        return len(self.identity) + BLOCK * len(self.photos)

    def block(self, photo: int) -> np.ndarray:
        """[BLOCK] indices of one photo's unknowns: identity comes first, then the photos."""
        start = len(self.identity) + BLOCK * photo
        return np.arange(start, start + BLOCK)

    def indices(self, photo: int) -> np.ndarray:
        """[K + BLOCK] indices of what one photo sees: identity and its own block."""
        return np.concatenate([np.arange(len(self.identity)), self.block(photo)])

    def move(self, step: np.ndarray, limit: float = 1.5) -> None:
        """Apply a step [size]; identity moves by at most `limit` standard deviations at once."""
        count = len(self.identity)
        self.identity = np.clip(self.identity + np.clip(step[:count], -limit, limit), -3.5, 3.5)
        for index, photo in enumerate(self.photos):
            photo.move(step[self.block(index)])
