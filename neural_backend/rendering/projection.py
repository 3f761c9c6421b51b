"""The camera in torch: projection and rigid motions with gradients. `camera.Camera` is the same as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .camera import Camera


@dataclass(frozen=True)
class TensorCamera:
    """`Camera` on a torch device, open to gradients."""

    width: int
    height: int
    intrinsics: Tensor  # [3, 3] pixels
    camera_from_head: Tensor  # [4, 4] rigid, metres

    @classmethod
    def of(cls, camera: Camera, device: torch.device | str = "cpu") -> TensorCamera:
        def tensor(matrix):
            return torch.as_tensor(matrix, dtype=torch.float32, device=device)

        return cls(camera.width, camera.height, tensor(camera.intrinsics), tensor(camera.camera_from_head))

    @property
    def centre_head(self) -> Tensor:  # [3] metres, in the head's frame
        return camera_centre(self.camera_from_head)

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """[..., N, 3] -> pixels [..., N, 2], depth [..., N]."""
        return project(points, self.intrinsics, self.camera_from_head)

    def scaled(self, factor: int) -> TensorCamera:
        """The same view with `factor` times as many pixels across."""
        scale = self.intrinsics.new_tensor([[factor], [factor], [1]])
        return TensorCamera(self.width * factor, self.height * factor, self.intrinsics * scale, self.camera_from_head)


def project(
    points: Tensor,  # [..., N, 3] metres, head frame
    intrinsics: Tensor,  # [3, 3] pixels
    camera_from_head: Tensor,  # [4, 4] or [3, 4] rigid, metres
) -> tuple[Tensor, Tensor]:
    """Pixels [..., N, 2] (x right, y down, centres at +0.5) and depth [..., N] in metres along the optical axis."""
    assert points.shape[-1] == 3 and intrinsics.shape == (3, 3), (points.shape, intrinsics.shape)
    in_camera = points @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    depth = in_camera[..., 2]
    homogeneous = in_camera @ intrinsics.T
    # Points in the camera's plane have no pixel; the rasterizer skips their triangles by depth.
    safe = torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)
    return homogeneous[..., :2] / safe[..., None], depth


def rotation_matrix(axis_angle: Tensor) -> Tensor:
    """[..., 3] rotation vectors (radians) -> [..., 3, 3], with exact gradients at zero (Rodrigues)."""
    squared = axis_angle.square().sum(-1)[..., None, None]
    small = squared < 1e-6
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - squared / 6, torch.sin(angle) / angle)
    cosine = torch.where(small, 0.5 - squared / 24, (1 - torch.cos(angle)) / safe)
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis_angle.shape[:-1], 3, 3)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + sine * cross + cosine * (cross @ cross)


def rigid_motion(axis_angle: Tensor, translation: Tensor) -> Tensor:
    """[3], [3] -> [4, 4] matrix that rotates, then translates (metres)."""
    top = torch.cat([rotation_matrix(axis_angle), translation[:, None]], 1)
    return torch.cat([top, top.new_tensor([[0.0, 0.0, 0.0, 1.0]])], 0)


def intrinsics_matrix(focal_px: Tensor, width: int, height: int) -> Tensor:
    """[3, 3] square pixels, principal point in the middle; differentiable in the focal length."""
    zero, one = torch.zeros_like(focal_px), torch.ones_like(focal_px)
    return torch.stack([focal_px, zero, one * width / 2, zero, focal_px, one * height / 2, zero, zero, one]).reshape(
        3, 3
    )


def camera_centre(camera_from_head: Tensor) -> Tensor:
    """[3] the camera's position in the head's frame."""
    return -camera_from_head[:3, :3].T @ camera_from_head[:3, 3]
