"""A clip whose truth is known: a finished head performs, rendered with its own maps, written as a video.

The performance holds what faces do: a smile that comes and goes, an open jaw, speech, brows, single and quick blinks
(three frames at 30 a second), glances, lips to one side; the head turns all the while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ..fitting.picture import photo_materials
from ..geometry.normals import vertex_normals
from ..head.package import HeadPackage
from ..head.template import HeadTemplate
from ..perception.image import linear_to_srgb, srgb_to_linear
from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from ..rendering.camera import Camera
from ..rendering.light import SphericalHarmonicLight
from ..rendering.render import Material, material_ids, render_head
from ..rendering.silhouette import silhouette_edges
from ..rendering.visibility import Transfer, compute_transfer

#: shape (both sides where there are two) -> (seconds, weight) knots, cosine between them, of a clip of 6 s
PERFORMANCE: dict[str, tuple[tuple[float, float], ...]] = {
    "mouthSmile": ((0.3, 0), (0.9, 0.8), (1.3, 0.8), (1.8, 0), (5.0, 0), (5.4, 0.5), (5.8, 0)),
    "cheekSquint": ((0.3, 0), (0.9, 0.4), (1.3, 0.4), (1.8, 0)),
    "jawOpen": (
        (1.8, 0), (2.2, 0.7), (2.5, 0.1), (2.75, 0.35), (2.95, 0.03), (3.15, 0.3), (3.3, 0.05), (3.5, 0.4), (3.8, 0),
    ),
    "mouthFunnel": ((2.55, 0), (2.75, 0.5), (2.95, 0), (3.3, 0), (3.5, 0.3), (3.7, 0)),
    "mouthPucker": ((3.8, 0), (4.15, 0.7), (4.5, 0)),
    "mouthUpperUp": ((5.0, 0), (5.4, 0.3), (5.8, 0)),
    "browInnerUp": ((1.9, 0), (2.2, 0.6), (2.6, 0), (4.4, 0), (4.7, 0.8), (5.0, 0)),
    "browOuterUp": ((1.9, 0), (2.2, 0.7), (2.6, 0), (4.4, 0), (4.7, 0.5), (5.0, 0)),
    "browDown": ((3.6, 0), (3.95, 0.8), (4.3, 0)),
    "eyeSquint": ((3.6, 0), (3.95, 0.4), (4.3, 0)),
    "eyeWide": ((1.9, 0), (2.2, 0.4), (2.5, 0)),
    "mouthLeft": ((4.5, 0), (4.75, 0.6), (5.0, 0)),
    "eyeLookInLeft": ((2.9, 0), (3.0, 0.6), (3.5, 0.6), (3.6, 0)),
    "eyeLookOutRight": ((2.9, 0), (3.0, 0.6), (3.5, 0.6), (3.6, 0)),
    "eyeLookUp": ((4.4, 0), (4.5, 0.4), (4.9, 0.4), (5.0, 0)),
    "mouthFrown": ((5.8, 0), (6.2, 0)),
}  # fmt: skip
#: seconds and height of blinks; three frames at 30 a second: half shut, shut, half shut
BLINKS = ((0.5, 1.0), (1.6, 0.95), (2.6333, 1.0), (4.3333, 1.0), (5.2, 1.0))
WINK = (3.2, 1.0)  # of the left eye
SECONDS, RATE = 6.0, 30.0
#: Shadows are traced in these poses and mixed by the weights: tracing each frame would take twice as long.
SHADOW_POSES = ("jawOpen", "eyeBlink")
MAP_SIDE = 1024  # texels; more is not seen at the size of a video


@dataclass(frozen=True)
class KnownClip:
    """What the head does, [F] frames."""

    seconds: np.ndarray  # [F]
    weights: np.ndarray  # [F, 52]
    view_from_head: np.ndarray  # [F, 3, 3]
    rate: float


def perform(rate: float = RATE, seconds: float = SECONDS, still: bool = False) -> KnownClip:
    """The performance; `still` keeps the head's pose."""
    times = np.arange(round(seconds * rate)) / rate
    weights = np.zeros((len(times), len(ARKIT_NAMES)))
    for shape, knots in PERFORMANCE.items():
        names = [shape] if shape in ARKIT_INDEX else [f"{shape}Left", f"{shape}Right"]
        at, height = np.array(knots).T
        for name in names:
            weights[:, ARKIT_INDEX[name]] = _eased(times, at, height)
    for side in ("Left", "Right"):
        lid = weights[:, ARKIT_INDEX[f"eyeBlink{side}"]]
        for at, height in (*BLINKS, *((WINK,) if side == "Left" else ())):
            lid += height * np.clip(1 - np.abs(times - at) * RATE / 2, 0, 1)  # 0, 1/2, 1, 1/2, 0 at 30 frames a second
    turn = 0.0 if still else 1.0
    yaw = turn * 0.22 * np.sin(2 * np.pi * times / 4.0)
    pitch = turn * 0.10 * np.sin(2 * np.pi * times / 2.7 + 0.5)
    roll = turn * 0.08 * np.sin(2 * np.pi * times / 3.3 + 1.0)
    return KnownClip(times, np.clip(weights, 0, 1), rotations(yaw, pitch, roll), rate)


def rotations(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """[F, 3, 3] Rz(roll) Ry(yaw) Rx(pitch), radians [F]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("ZYX", np.stack([roll, yaw, pitch], 1)).as_matrix()


def _eased(times: np.ndarray, at: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Through the knots with rest at each: cosine between them."""
    place = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 2)
    share = np.clip((times - at[place]) / (at[place + 1] - at[place]), 0, 1)
    return height[place] + (0.5 - 0.5 * np.cos(np.pi * share)) * (height[place + 1] - height[place])


#: Degree-2 harmonics of soft light from the upper left, scene linear.
SOFT_LIGHT = np.array([3.6, 0.8, 1.1, -0.7, 0, 0, 0, 0, 0])[:, None] * np.array([1.0, 0.97, 0.93])


class ClipRenderer:
    """One head before a camera."""

    def __init__(
        self,
        vertices: np.ndarray,  # [V, 3] neutral, level 1
        arkit: np.ndarray,  # [52, V, 3]
        eyes: np.ndarray,  # [3] between the eyeballs
        materials: list[Material],
        width: int = 400,
        height: int = 400,
        focal: float = 1.6,  # focal length in picture heights
        light: np.ndarray = SOFT_LIGHT,  # [9, 3]
    ) -> None:
        self.level = HeadTemplate.load().levels[1]
        ids = material_ids(self.level)
        drawn = ids >= 0
        self.triangles = torch.from_numpy(self.level.triangles[drawn])
        self.triangle_uv = torch.from_numpy(self.level.triangle_uv[drawn])
        self.material = torch.from_numpy(ids[drawn])
        self.uv = torch.from_numpy(self.level.uv)
        self.edges = silhouette_edges(self.triangles, "cpu")
        self.materials = materials
        self.neutral, self.arkit = vertices, arkit
        self.transfers = [self._traced({}), *(self._traced({shape: 1.0}) for shape in SHADOW_POSES)]
        self.light = SphericalHarmonicLight(torch.from_numpy(np.asarray(light, np.float32)))
        self.width, self.height, self.focal_px = width, height, focal * height
        self.pivot = eyes + np.array([0, -0.03, -0.06])  # what stays in the middle of the picture

    @classmethod
    def of_package(cls, package: HeadPackage, width: int = 400, height: int = 400) -> ClipRenderer:
        fine = package.levels[1]
        return cls(fine.vertices, fine.arkit, package.joint_positions[3:5].mean(0), _materials(package), width, height)

    def _traced(self, weights: dict[str, float]) -> Transfer:
        vertices = self.neutral.copy()
        for name, weight in weights.items():
            for each in [name] if name in ARKIT_INDEX else [f"{name}Left", f"{name}Right"]:
                vertices += weight * self.arkit[ARKIT_INDEX[each]]
        posed = torch.from_numpy(np.ascontiguousarray(vertices, np.float32))
        return compute_transfer(posed, self.triangles, vertex_normals(posed, self.triangles), degree=2, rays=64)

    def _transfer(self, weights: np.ndarray) -> Transfer:
        jaw = float(weights[ARKIT_INDEX["jawOpen"]])
        lids = float(weights[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]].mean())

        def mixed(name: str) -> torch.Tensor:
            closed, opened, shut = (getattr(transfer, name) for transfer in self.transfers)
            return closed + jaw * (opened - closed) + lids * (shut - closed)

        return Transfer(
            mixed("shadow"), (), mixed("visibility"), self.transfers[0].bent_normal, mixed("openness").clamp(0, 1)
        )

    def camera(self, view_from_head: np.ndarray) -> Camera:
        matrix = np.eye(4)
        matrix[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ view_from_head
        distance = 0.28 * self.focal_px / self.height  # so much of a metre fills the height
        matrix[:3, 3] = np.array([0, 0, distance]) - matrix[:3, :3] @ self.pivot
        intrinsics = np.array([[self.focal_px, 0, self.width / 2], [0, self.focal_px, self.height / 2], [0, 0, 1.0]])
        return Camera(self.width, self.height, intrinsics, matrix)

    @torch.no_grad()
    def frame(self, weights: np.ndarray, view_from_head: np.ndarray) -> np.ndarray:
        """[H, W, 3] uint8 sRGB."""
        vertices = self.neutral + np.tensordot(np.asarray(weights, np.float32), self.arkit, 1)
        image = render_head(
            torch.from_numpy(np.ascontiguousarray(vertices, np.float32)), self.triangles, self.uv, self.triangle_uv,
            self.materials, self.camera(view_from_head), self.light, triangle_material=self.material,
            transfer=self._transfer(weights), edges=self.edges,
        ).numpy()  # fmt: skip
        composed = image[..., :3] + 0.18 * (1 - image[..., 3:])
        return (linear_to_srgb(np.clip(composed, 0, 1)) * 255 + 0.5).astype(np.uint8)

    def frames(self, clip: KnownClip) -> Iterator[np.ndarray]:
        for weights, view in zip(clip.weights, clip.view_from_head, strict=True):
            yield self.frame(weights, view)


def _materials(package: HeadPackage) -> list[Material]:
    def read(texture_set: str, name: str, encoded: bool) -> np.ndarray | None:
        file = package.maps.get(texture_set, {}).get(name)
        if file is None:
            return None
        pixels = cv2.imread(str(package.path / file), cv2.IMREAD_UNCHANGED)
        values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
        if max(values.shape) > MAP_SIDE:
            values = cv2.resize(values, (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
        if values.ndim == 3:
            values = np.ascontiguousarray(values[..., 2::-1])
        return srgb_to_linear(values) if encoded else values

    maps = {"diffuse": read("skin", "diffuse", True), "roughness": read("skin", "roughness", False)}
    specular = read("skin", "specular", False)
    if specular is not None:
        maps["specular"] = specular * 0.08  # files hold Principled's specular level
    maps = {name: values for name, values in maps.items() if values is not None}
    return photo_materials(maps, read("eye", "diffuse", True), read("mouth", "diffuse", True))


def write_video(path: Path, frames: Iterator[np.ndarray], rate: float, fourcc: str = "mp4v") -> Path:
    """Write [H, W, 3] uint8 sRGB frames as a video that OpenCV can read again.

    Raises:
        OSError: the encoder is missing or the file cannot be written.
    """
    writer = None
    for frame in frames:
        if writer is None:
            size = frame.shape[1], frame.shape[0]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), rate, size)
            if not writer.isOpened():
                raise OSError(f"{path} cannot be written as {fourcc}")
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    if writer is not None:
        writer.release()
    return path
