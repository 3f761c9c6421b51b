"""The stage's hardware: fixed cameras around the head, and lamps on a sphere that turns from moment to moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..rendering.camera import Camera
from ..rendering.light import sphere_directions
from .performances import CENTRE

DISTANCE_M = 1.35  # from the cameras to the head's centre
LAMP_DISTANCE_M = 2.6
#: This much of a picture's height shows HEAD_M.
FILL, HEAD_M = 0.72, 0.27
ENCODER_ELEVATION_DEG = 3.0
AZIMUTHS_DEG = (-100, -65, -38, -15, 15, 38, 65, 100)
ELEVATIONS_DEG = (-15, 5, 28)
#: Of the ring, which cameras are kept for tests.
HELD_OUT_CAMERAS = (3, 12, 14)
LAMP_RADIUS_DEG = (6.0, 16.0)
SMALL_RADIUS_DEG = (1.5, 3.0)
#: Irradiance that every lamp brings to a surface that faces it, before its size is chosen.
IRRADIANCE = 0.4


@dataclass(frozen=True)
class Lamps:
    """Disks of light around the head."""

    directions: np.ndarray  # [G, 3] unit, world frame, towards the lamps
    radii_rad: np.ndarray  # [G]
    radiance: np.ndarray  # [G]


def camera_at(azimuth_deg: float, elevation_deg: float, size: int) -> Camera:
    """A camera that aims at the centre; its pose is camera_from_world."""
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    outwards = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.cross(-outwards, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(-outwards, right), -outwards])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, -rotation @ (CENTRE + DISTANCE_M * outwards)
    focal = size * FILL * DISTANCE_M / HEAD_M
    return Camera(size, size, np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]), pose)


def encoder_camera(size: int) -> Camera:
    """View 0 of every moment: the same camera in front."""
    return camera_at(0.0, ENCODER_ELEVATION_DEG, size)


def ring(size: int) -> tuple[Camera, ...]:
    """The other cameras."""
    return tuple(camera_at(azimuth, elevation, size) for elevation in ELEVATIONS_DEG for azimuth in AZIMUTHS_DEG)


def training_cameras() -> tuple[int, ...]:
    """Indices into the ring of the cameras that training sees."""
    return tuple(index for index in range(len(AZIMUTHS_DEG) * len(ELEVATIONS_DEG)) if index not in HELD_OUT_CAMERAS)


def in_front_of(camera: Camera, world_from_head: np.ndarray) -> Camera:
    """A fixed camera (camera_from_world) as it stands to a head that has moved: camera_from_head."""
    return Camera(camera.width, camera.height, camera.intrinsics, camera.camera_from_head @ world_from_head)


def draw_lamps(generator: np.random.Generator, count: int, small: bool = False) -> Lamps:
    """Lamps spread evenly over the sphere, turned as a whole at random, each of its own size.

    A set that stood still would be learned as a basis of its own.
    """
    quaternion = generator.normal(size=4)
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    turn = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    directions = sphere_directions(count).numpy().astype(np.float64) @ turn.T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.radians(generator.uniform(*(SMALL_RADIUS_DEG if small else LAMP_RADIUS_DEG), count))
    return Lamps(directions, radii, IRRADIANCE / (2 * np.pi * (1 - np.cos(radii))))
