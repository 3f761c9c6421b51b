"""Points that move linearly with identity and expression, and how their images move with every unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..head.template import HeadTemplate
from .parameters import BLOCK, EXPRESSION, FOCAL, PhotoState, minus_skew


@dataclass(frozen=True)
class LinearPoints:
    """P points of the head: mean + identity modes + ARKit shapes, metres."""

    mean: np.ndarray  # [P, 3]
    identity: np.ndarray  # [K, P, 3]
    expression: np.ndarray  # [52, P, 3]

    @classmethod
    def at_vertices(cls, template: HeadTemplate, vertex_ids: np.ndarray) -> LinearPoints:
        return cls(
            template.vertices[vertex_ids].astype(np.float64),
            template.identity[:, vertex_ids],
            template.arkit[:, vertex_ids],
        )

    @classmethod
    def on_triangles(
        cls,
        template: HeadTemplate,
        triangle: np.ndarray,  # [P, 3] level-1 vertex ids
        barycentric: np.ndarray,  # [P, 3]
        offset: np.ndarray | None = None,  # [P, 3] metres in the head's axes
    ) -> LinearPoints:
        def blend(field: np.ndarray) -> np.ndarray:  # [..., V, 3] -> [..., P, 3]
            return sum(field[..., triangle[:, k], :] * barycentric[:, k, None] for k in range(3))

        mean = blend(template.vertices.astype(np.float64))
        if offset is not None:
            mean = mean + offset
        return cls(mean, blend(template.identity), blend(template.arkit))

    def __len__(self) -> int:
        return len(self.mean)

    def joined(self, other: LinearPoints) -> LinearPoints:
        return LinearPoints(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.identity, other.identity], 1),
            np.concatenate([self.expression, other.expression], 1),
        )

    def positions(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """[P, 3] in the head's frame."""
        return (
            self.mean
            + np.tensordot(identity.astype(np.float32), self.identity, 1)
            + np.tensordot(expression.astype(np.float32), self.expression, 1)
        )


def camera_jacobian(in_camera: np.ndarray, focal_px: float) -> np.ndarray:
    """[P, 3] camera space -> [P, 2, 3] derivative of the pixel with respect to the point in camera space."""
    inverse_depth = focal_px / in_camera[:, 2]
    out = np.zeros((len(in_camera), 2, 3))
    out[:, 0, 0] = out[:, 1, 1] = inverse_depth
    out[:, :, 2] = -in_camera[:, :2] / in_camera[:, 2:] * inverse_depth[:, None]
    return out


def project(points: np.ndarray, photo: PhotoState) -> tuple[np.ndarray, np.ndarray]:
    """[P, 3] head frame -> ([P, 2] pixels, [P, 3] camera space)."""
    in_camera = points @ photo.rotation.T + photo.translation
    return in_camera[:, :2] / in_camera[:, 2:] * photo.focal_px + photo.principal, in_camera


def image_jacobian(model: LinearPoints, points: np.ndarray, in_camera: np.ndarray, photo: PhotoState) -> np.ndarray:
    """[P, 2, K + BLOCK] derivative of the pixels of `points` with respect to HeadState.indices of the photo."""
    to_pixel = camera_jacobian(in_camera, photo.focal_px)  # [P, 2, 3]
    to_pixel_head = to_pixel @ photo.rotation
    count = len(model.identity)
    out = np.empty((len(points), 2, count + BLOCK))
    out[:, :, :count] = np.einsum("pab,kpb->pak", to_pixel_head, model.identity, optimize=True)
    out[:, :, count : count + 3] = to_pixel @ minus_skew(points @ photo.rotation.T)
    out[:, :, count + 3 : count + 6] = to_pixel
    out[:, :, count + FOCAL] = in_camera[:, :2] / in_camera[:, 2:] * photo.focal_px
    out[:, :, count + EXPRESSION :] = np.einsum("pab,kpb->pak", to_pixel_head, model.expression, optimize=True)
    return out
