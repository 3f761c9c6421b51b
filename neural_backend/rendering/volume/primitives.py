"""What the raymarcher takes: the primitives, the camera, the constants of the volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ..camera import Camera

#: Side of the cube that holds a head, metres; also the reference length of the densities: a ray that crosses the
#: whole cube at density 1 gathers opacity 1.
REFERENCE_M = 0.32
#: 1/256 of the volume (MVP, section 4.3), metres.
DEFAULT_STEP_M = REFERENCE_M / 256
#: Opacity fades as exp(-FADE (|x|^8 + |y|^8 + |z|^8)) towards the sides of a primitive, x, y, z in -1..1 (MVP, section
#: 3.2): without it gradients would miss what happens when a side moves.
FADE = 8.0


@dataclass(frozen=True)
class Primitives:
    """P boxes of S^3 voxels for each of B heads. Voxel centres at the ends lie on the box's sides (align corners)."""

    positions: Tensor  # [B, P, 3] centres, head frame, metres
    rotations: Tensor  # [B, P, 3, 3] head_from_primitive
    scales: Tensor  # [B, P, 3] half side lengths, metres, > 0
    payload: Tensor  # [B, P, 4, S, S, S] linear r, g, b >= 0 and opacity density >= 0; axes z, y, x

    def __post_init__(self) -> None:
        batch, count = self.positions.shape[:2]
        expected = ((batch, count, 3), (batch, count, 3, 3), (batch, count, 3))
        shapes = tuple(tuple(x.shape) for x in (self.positions, self.rotations, self.scales))
        if shapes != expected:
            raise ValueError(f"Primitives need positions, rotations, scales of shapes {expected}, not {shapes}.")
        shape = tuple(self.payload.shape)
        if shape[:3] != (batch, count, 4) or len(shape) != 6 or len(set(shape[3:])) != 1 or shape[3] < 2:
            raise ValueError(f"The payload must be [{batch}, {count}, 4, S, S, S] with S >= 2, not {shape}.")

    @property
    def batch(self) -> int:
        return self.positions.shape[0]

    @property
    def count(self) -> int:
        return self.positions.shape[1]

    @property
    def resolution(self) -> int:
        """S, voxels along a side."""
        return self.payload.shape[-1]

    @property
    def device(self) -> torch.device:
        return self.positions.device

    def to(self, device: torch.device | str) -> Primitives:
        return Primitives(*(getattr(self, field.name).to(device) for field in fields(self)))

    def detach(self) -> Primitives:
        return Primitives(*(getattr(self, field.name).detach() for field in fields(self)))


@dataclass(frozen=True)
class TensorCamera:
    """B pinhole cameras with one picture size, OpenCV's convention; differentiable in the pose, not in K."""

    width: int
    height: int
    intrinsics: Tensor  # [B, 3, 3] pixels
    camera_from_head: Tensor  # [B, 4, 4] rigid, metres

    def __post_init__(self) -> None:
        batch = self.intrinsics.shape[0]
        shapes = (tuple(self.intrinsics.shape), tuple(self.camera_from_head.shape))
        if shapes != ((batch, 3, 3), (batch, 4, 4)):
            raise ValueError(f"A camera needs intrinsics [B, 3, 3] and camera_from_head [B, 4, 4], not {shapes}.")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"A picture of {self.width} x {self.height} pixels cannot be drawn: both at least 1.")

    @staticmethod
    def from_cameras(cameras: Sequence[Camera], device: torch.device | str = "cpu") -> TensorCamera:
        """A batch of cameras that share one picture size."""
        sizes = {(camera.width, camera.height) for camera in cameras}
        if len(sizes) != 1:
            raise ValueError(f"Cameras of one batch must share one picture size, not {sorted(sizes)}.")
        (width, height), *_ = sizes
        stack = [np.stack([getattr(c, name) for c in cameras]) for name in ("intrinsics", "camera_from_head")]
        return TensorCamera(width, height, *(torch.from_numpy(x).to(device, torch.float32) for x in stack))

    @property
    def batch(self) -> int:
        return self.intrinsics.shape[0]

    @property
    def eye_head(self) -> Tensor:
        """[B, 3] the cameras' positions in the head's frame, metres."""
        rotation, translation = self.camera_from_head[:, :3, :3], self.camera_from_head[:, :3, 3]
        return -(rotation.mT @ translation[..., None])[..., 0]

    def to(self, device: torch.device | str) -> TensorCamera:
        return TensorCamera(self.width, self.height, self.intrinsics.to(device), self.camera_from_head.to(device))


def box_from_camera(primitives: Primitives, camera: TensorCamera) -> tuple[Tensor, Tensor]:
    """The affine map of camera space into each box, A [B, P, 3, 3] and b [B, P, 3]: A x + b is in -1..1 inside."""
    rotation, translation = camera.camera_from_head[:, None, :3, :3], camera.camera_from_head[:, None, :3, 3]
    axes = rotation @ primitives.rotations.float()  # [B, P, 3, 3] camera_from_primitive
    centres = (rotation @ primitives.positions.float()[..., None])[..., 0] + translation  # [B, P, 3]
    linear = axes.mT / primitives.scales.float()[..., None]
    return linear, -(linear @ centres[..., None])[..., 0]


def box_corners(primitives: Primitives, camera: TensorCamera) -> Tensor:
    """[B, P, 8, 3] the boxes' corners in camera space, metres, without gradient."""
    with torch.no_grad():
        signs = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
        local = signs.to(primitives.device) * primitives.scales.float()[:, :, None]  # [B, P, 8, 3]
        in_head = local @ primitives.rotations.float().mT + primitives.positions.float()[:, :, None]
        rotation, translation = camera.camera_from_head[:, None, :3, :3], camera.camera_from_head[:, None, None, :3, 3]
        return in_head @ rotation.mT + translation


def sample_offsets(camera: TensorCamera, seed: int | None, device: torch.device) -> Tensor:
    """[B, H, W] where in its step each ray takes its samples, 0..1: the middle, or drawn from a seeded generator."""
    shape = (camera.batch, camera.height, camera.width)
    if seed is None:
        return torch.full(shape, 0.5, device=device)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(device)  # drawn alike for every device


def check_march(primitives: Primitives, camera: TensorCamera, step_m: float) -> None:
    """ValueError unless primitives and camera go together and can be marched."""
    if primitives.batch != camera.batch:
        raise ValueError(f"{primitives.batch} heads and {camera.batch} cameras: a batch needs one camera per head.")
    if primitives.device != camera.intrinsics.device:
        raise ValueError(f"Primitives are on {primitives.device}, the camera on {camera.intrinsics.device}: move one.")
    if not step_m > 0:
        raise ValueError(f"The step must be a positive number of metres, not {step_m}.")
