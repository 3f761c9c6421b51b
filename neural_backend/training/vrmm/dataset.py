"""Batches from a folder of captures, read as they are wanted and kept in memory as the 8-bit codes they came as.

Every draw is seeded by (seed, step, place in the batch): a run that goes on after a stop sees what it would have seen,
and several processes share out what one would have seen.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ...lightstage.captures import Capture, CaptureSet
from ...protocol.errors import MienError
from ...rendering.camera import Camera
from .batch import Batch, Heads
from .lighting import draw_light_weights


@dataclass(frozen=True)
class CodedView:
    """One view's light groups as square-root codes: a quarter of the memory of floats, no loss beside the JPEG's."""

    codes: np.ndarray  # [G, H, W, 3] uint8
    scales: np.ndarray  # [G] radiance of code 255
    alpha: np.ndarray  # [H, W] uint8

    @classmethod
    def of(cls, capture: Capture, view: int) -> CodedView:
        """The view under its lamps; environments, which only test sets have, are left out."""
        lamps = len(capture.light_directions)
        alpha = (capture.alpha(view) * 255 + 0.5).astype(np.uint8)
        return cls(capture.coded_groups(view)[:lamps], capture.scales[view][:lamps].astype(np.float32), alpha)

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.alpha.nbytes

    @property
    def opacity(self) -> np.ndarray:
        """[H, W] float32 0..1."""
        return self.alpha.astype(np.float32) / 255

    def brightness(self) -> np.ndarray:
        """[G] mean over the head of each group."""
        head = self.alpha > 127
        squares = self.codes[:, head].astype(np.float32) / 255
        return (squares**2).mean((1, 2)) * self.scales

    def lit(self, weights: np.ndarray) -> np.ndarray:
        """[G, 3] weights -> [H, W, 3] linear picture, premultiplied."""
        groups, height, width, _ = self.codes.shape
        picture = np.zeros((height, width, 3), np.float32)
        used = np.flatnonzero(weights.max(1) > 0)
        for group in used:
            value = _SQUARES[self.codes[group]]
            picture += value * (weights[group] * self.scales[group])
        return picture


_SQUARES = (np.arange(256, dtype=np.float32) / 255) ** 2


class Captures:
    """Draws batches from a growing capture set."""

    def __init__(
        self,
        folder: Path,
        encoder_size: int,
        encoder_views: int,
        crop: int,
        cache_mb: int,
        seed: int,
        withhold: bool = False,
    ):
        self.folder = Path(folder)
        self.encoder_size, self.encoder_views, self.crop, self.seed = encoder_size, encoder_views, crop, seed
        self._withhold = withhold
        self._limit = cache_mb * 1_000_000
        self._cache: OrderedDict[tuple[str, int], CodedView] = OrderedDict()
        self._cached = 0
        self._captures: dict[str, Capture] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again: rendering may go on while training does.

        Raises:
            MienError: the folder has no captures.
        """
        self.set = CaptureSet.open(self.folder)
        self.names = self.set.names

    @property
    def subjects(self) -> tuple[str, ...]:
        return self.set.subjects

    def batch(self, step: int, places: range) -> Batch:
        """The pictures at `places` of step `step`'s batch."""
        return collate([self.sample(np.random.default_rng([self.seed, 1, step, place])) for place in places])

    def heads(self, step: int, places: range, count: int) -> Heads | None:
        """Geometry of `count` captures for each place of step `step`'s batch; None where a drawn one withholds it."""
        drawn = [
            np.random.default_rng([self.seed, 4, step, place]).integers(len(self.names), size=count) for place in places
        ]
        captures = [self._read(self.names[index]) for index in np.concatenate(drawn)]
        if any(x is None for capture in captures for x in (capture.vertices, capture.expression, capture.gaze_rad)):
            return None
        return Heads(
            tuple(capture.subject for capture in captures),
            *(
                torch.as_tensor(np.stack([getattr(capture, name) for capture in captures]), dtype=torch.float32)
                for name in ("vertices", "expression", "gaze_rad")
            ),
        )

    def sample(self, rng: np.random.Generator, name: str | None = None, view: int | None = None) -> Batch:
        """One picture as a batch of one; name and view drawn if None. Views count round: 1 of one view is view 0."""
        name = self.names[rng.integers(len(self.names))] if name is None else name
        capture = self._read(name)
        view = int(rng.integers(len(capture.cameras))) if view is None else view % len(capture.cameras)
        target, first = self._view(name, view), self._view(name, 0)
        weights = draw_light_weights(capture.light_directions, first.brightness(), rng)
        picture, alpha = target.lit(weights), target.opacity
        camera, picture, alpha = _crop(capture.cameras[view], picture, alpha, self.crop, rng)
        encoder = [
            resized(self._view(name, index).lit(weights), self._view(name, index).opacity, self.encoder_size)
            for index in range(self.encoder_views)
        ]
        encoder_camera = capture.cameras[0].scaled(self.encoder_size / capture.cameras[0].width)
        # Cameras are kept by where the head is; what is fixed is where they are in the world.
        head_from_world = np.linalg.inv(capture.world_from_head)
        known = capture.vertices is not None

        def tensor(array, dtype=torch.float32):
            return torch.as_tensor(np.asarray(array), dtype=dtype)[None]

        return Batch(
            subjects=(capture.subject,),
            encoder_rgb=tensor(np.stack([rgb for rgb, _ in encoder])).permute(0, 1, 4, 2, 3),
            encoder_alpha=tensor(np.stack([alpha for _, alpha in encoder])),
            rgb=tensor(picture).permute(0, 3, 1, 2),
            alpha=tensor(alpha),
            background=tensor(rng.random(3) ** 2),
            intrinsics=tensor(camera.intrinsics),
            camera_from_world=tensor(camera.camera_from_head @ head_from_world),
            encoder_intrinsics=tensor(encoder_camera.intrinsics),
            encoder_camera_from_world=tensor(encoder_camera.camera_from_head @ head_from_world),
            light_directions=tensor(capture.light_directions),
            light_radii_rad=tensor(capture.light_radii_rad),
            light_radiance=tensor(weights * np.asarray(capture.light_radiance)[:, None]),
            world_from_head=tensor(capture.world_from_head) if known else None,
            vertices=tensor(capture.vertices) if known else None,
            arkit=tensor(capture.expression) if capture.expression is not None else None,
            gaze_rad=tensor(capture.gaze_rad) if capture.gaze_rad is not None else None,
        )

    def _read(self, name: str) -> Capture:
        if name not in self._captures:
            capture = self.set.read(name)
            if any(camera.width != camera.height for camera in capture.cameras):
                raise MienError("bad_capture", f"The pictures of {name} are not square: crop them and their cameras.")
            self._captures[name] = capture.withheld() if self._withhold else capture
        return self._captures[name]

    def _view(self, name: str, view: int) -> CodedView:
        key = name, view
        if key not in self._cache:
            self._cache[key] = CodedView.of(self._read(name), view)
            self._cached += self._cache[key].nbytes
            while self._cached > self._limit and len(self._cache) > 1:
                self._cached -= self._cache.popitem(last=False)[1].nbytes
        self._cache.move_to_end(key)
        return self._cache[key]


def _crop(
    camera: Camera, picture: np.ndarray, alpha: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[Camera, np.ndarray, np.ndarray]:
    """A random square piece with the camera that sees it; everything if `side` is 0 or too large."""
    height, width = alpha.shape
    if not 0 < side < min(height, width):
        return camera, picture, alpha
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    intrinsics = np.array(camera.intrinsics, dtype=np.float64)
    intrinsics[:2, 2] -= (left, top)
    part = slice(top, top + side), slice(left, left + side)
    return Camera(side, side, intrinsics, camera.camera_from_head), picture[part], alpha[part]


def resized(picture: np.ndarray, alpha: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """[h, h, 3] and [h, h] float32 at the encoder's size."""
    if alpha.shape == (size, size):
        return picture, alpha
    way = cv2.INTER_AREA if size < len(alpha) else cv2.INTER_LINEAR
    return cv2.resize(picture, (size, size), interpolation=way), cv2.resize(alpha, (size, size), interpolation=way)


def collate(batches: list[Batch]) -> Batch:
    """Batches of one as one batch. Captures with and without geometry cannot share a batch."""
    values = {}
    for name in Batch.__dataclass_fields__:
        parts = [getattr(batch, name) for batch in batches]
        if name == "subjects":
            values[name] = sum(parts, ())
        elif any(part is None for part in parts):
            values[name] = None
        else:
            values[name] = torch.cat(parts)
    return Batch(**values)
