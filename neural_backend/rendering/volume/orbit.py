"""Cameras around a volume, all at the height of its middle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .primitives import TensorCamera

#: From the camera to the nearest part of the volume, metres: a portrait's.
DISTANCE_M = 1.2
#: Yaws at which the framing is looked at.
YAWS = 24
#: Share of the picture that the volume fills.
FILL = 0.96


@dataclass(frozen=True)
class Framing:
    """What keeps a turning volume inside a square picture, at one size."""

    centre: tuple[float, float, float]  # head frame, metres
    distance_m: float  # from there to the camera
    slope: float  # tangent of half the angle of view that every yaw fits into


#: As the light stage's cameras stand to the head (lightstage.rig): what a volume was trained on, and no more, is in the
#: picture. The shoulders that it has beyond were never seen.
PORTRAIT = Framing((0.0, 0.005, 0.01), 1.35, FILL * 0.5 * 0.27 / 0.72 / 1.35)


def frame_all_round(positions: Tensor, scales: Tensor) -> Framing:
    """The framing of boxes with centres [P, 3] and half sides [P, 3], metres, for every yaw."""
    positions, reach = positions.double(), scales.double().norm(dim=-1)
    low, high = (positions - reach[:, None]).amin(0), (positions + reach[:, None]).amax(0)
    centre = (low + high) / 2
    x, y, z = (positions - centre).unbind(-1)
    distance = DISTANCE_M + float((torch.hypot(x, z) + reach).max())
    yaw = torch.arange(YAWS, dtype=torch.float64, device=x.device)[:, None] * (2 * math.pi / YAWS)
    depth = distance - (x * yaw.sin() + z * yaw.cos()) - reach  # [YAWS, P]
    aside = (x * yaw.cos() - z * yaw.sin()).abs() + reach
    slope = torch.maximum(aside, (y.abs() + reach).expand_as(aside)) / depth
    return Framing(tuple(centre.tolist()), distance, float(slope.max()))


def orbit_camera(framing: Framing, yaw_rad: float, size: int, device: torch.device | str = "cpu") -> TensorCamera:
    """A square picture from a yaw: 0 in front, rising towards the subject's left."""
    sine, cosine = math.sin(yaw_rad), math.cos(yaw_rad)
    rotation = torch.tensor([[cosine, 0.0, -sine], [0.0, -1.0, 0.0], [-sine, 0.0, -cosine]], dtype=torch.float64)
    towards_eye = torch.tensor([sine, 0.0, cosine], dtype=torch.float64)
    eye = torch.tensor(framing.centre, dtype=torch.float64) + framing.distance_m * towards_eye
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = rotation, -rotation @ eye
    focal = FILL * size / (2 * framing.slope)
    intrinsics = torch.tensor([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])
    return TensorCamera(size, size, intrinsics[None].to(device), pose.float()[None].to(device))


def yaws(frames: int, sweep_deg: float) -> list[float]:
    """Radians: a whole turn that closes, or a smaller sweep with the front in its middle; one frame is the front."""
    if frames == 1:
        return [0.0]
    if sweep_deg >= 360:
        return [2 * math.pi * i / frames for i in range(frames)]
    return [math.radians(sweep_deg * (i / (frames - 1) - 0.5)) for i in range(frames)]
