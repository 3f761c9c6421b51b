"""Batches from a folder of captures, read as they are wanted and kept in memory as the 8-bit codes they came as.

Every draw is seeded by (seed, step, place in the batch): a run that goes on after a stop sees what it would have seen,
and several processes share out what one would have seen.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ...lightstage.captures import Capture, CaptureSet
from ...protocol.errors import MienError
from ...rendering.camera import Camera
from .batch import Batch, Heads, Readings
from .lighting import draw_light_weights


@dataclass(frozen=True)
class CodedView:
    """One view's light groups as square-root codes: a quarter of the memory of floats, no loss beside the JPEG's.

    They stay on the device that trains, so that a step moves weights there and no pictures.
    """

    codes: Tensor  # [G, H, W, 3] uint8
    scales: np.ndarray  # [G] radiance of code 255
    opacity: Tensor  # [H, W] float32 0..1
    brightness: np.ndarray  # [G] mean over the head of each group

    @classmethod
    def of(cls, capture: Capture, view: int, device: torch.device | str = "cpu") -> CodedView:
        """The view under its lamps; environments, which only test sets have, are left out."""
        lamps = len(capture.light_directions)
        codes, scales = capture.coded_groups(view)[:lamps], capture.scales[view][:lamps].astype(np.float32)
        alpha = capture.alpha(view)
        brightness = np.square(codes[:, alpha > 0.5].astype(np.float32) / 255).mean((1, 2)) * scales
        return cls(torch.from_numpy(codes).to(device), scales, torch.from_numpy(alpha).to(device), brightness)

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.opacity.nbytes

    def lit(self, weights: np.ndarray) -> Tensor:
        """[G, 3] weights -> [H, W, 3] linear picture, premultiplied."""
        used = np.flatnonzero(weights.max(1) > 0)
        codes = self.codes if len(used) == len(weights) else self.codes[torch.from_numpy(used).to(self.codes.device)]
        gains = torch.from_numpy((weights * self.scales[:, None] / 255**2)[used].astype(np.float32))
        return torch.einsum("ghwc,gc->hwc", codes.float().square_(), gains.to(codes.device))


@dataclass(frozen=True)
class Geometry:
    """Known geometry of all captures, on the device."""

    names: tuple[str, ...]  # N
    subjects: tuple[str, ...]  # N
    vertices: Tensor  # [N, N0, 3]
    arkit: Tensor  # [N, 52]
    gaze_rad: Tensor  # [N, 2]

    @classmethod
    def of(cls, captures: list[Capture], device: torch.device | str) -> Geometry:
        known = (
            torch.as_tensor(np.stack([getattr(capture, name) for capture in captures]), dtype=torch.float32)
            for name in ("vertices", "expression", "gaze_rad")
        )
        names, subjects = (tuple(getattr(x, key) for x in captures) for key in ("name", "subject"))
        return cls(names, subjects, *(x.to(device) for x in known))

    def heads(self, drawn: np.ndarray) -> Heads:
        """Of the captures of these numbers [M]."""
        index = torch.from_numpy(drawn).to(self.vertices.device)
        subjects = tuple(self.subjects[number] for number in drawn)
        return Heads(subjects, self.vertices[index], self.arkit[index], self.gaze_rad[index])


def _knowledge(capture: Capture) -> tuple[bool, bool, bool]:
    """Whether its geometry, expression and gaze are known."""
    return capture.vertices is not None, capture.expression is not None, capture.gaze_rad is not None


def _is_known(capture: Capture) -> bool:
    return all(_knowledge(capture))


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
        device: torch.device | str = "cpu",
    ):
        """Pictures are kept on `device`.

        Raises:
            MienError: no captures, or some with and some without known geometry.
        """
        self.folder, self.device = Path(folder), device
        self.encoder_size, self.encoder_views, self.crop, self.seed = encoder_size, encoder_views, crop, seed
        self._withhold = withhold
        self._limit = cache_mb * 1_000_000
        self._cache: OrderedDict[tuple[str, int], CodedView] = OrderedDict()
        self._cached = 0
        self._captures: dict[str, Capture] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again: rendering may go on while training does. On an error nothing has changed.

        Raises:
            MienError: the folder has no captures, one is damaged, or not all know the same of their subject.
        """
        found = CaptureSet.open(self.folder)
        known = [_knowledge(self._read(name, found)) for name in found.names]
        if len(set(known)) > 1:
            most = sum(all(pattern) for pattern in known)
            raise MienError(
                "bad_capture",
                f"Of {len(known)} captures {most} have known geometry: train with --withhold-geometry, or keep both "
                "kinds apart.",
            )
        self.set, self.names = found, found.names
        self._geometry: Geometry | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        return self.set.subjects

    def batch(self, step: int, places: range) -> Batch:
        """The pictures at `places` of step `step`'s batch."""
        return collate([self.sample(np.random.default_rng([self.seed, 1, step, place])) for place in places])

    def heads(self, step: int, places: range, count: int) -> Heads | None:
        """Geometry of `count` captures for each place of step `step`'s batch; None where captures withhold it."""
        if not _is_known(self._read(self.names[0])):
            return None
        drawn = np.concatenate(
            [np.random.default_rng([self.seed, 4, step, x]).integers(len(self.names), size=count) for x in places]
        )
        if self._geometry is None or self._geometry.names != tuple(self.names):
            self._geometry = Geometry.of([self._read(name) for name in self.names], self.device)
        return self._geometry.heads(drawn)

    def readings(self, step: int, places: range, count: int) -> Readings | None:
        """What E_e and E_T see in `count` more captures for each place, and what they should read there."""
        if count < 1 or not _is_known(self._read(self.names[0])):
            return None
        seen = []
        for place in places:
            rng = np.random.default_rng([self.seed, 6, step, place])
            for index in rng.integers(len(self.names), size=count):
                capture = self._read(self.names[index])
                weights = draw_light_weights(capture.light_directions, self._view(capture.name, 0).brightness, rng)
                seen.append((capture, *self._encoder_views(capture.name, weights)))
        known = [
            torch.as_tensor(np.stack([getattr(capture, name) for capture, *_ in seen]), dtype=torch.float32)
            for name in ("expression", "gaze_rad", "world_from_head")
        ]
        return Readings(
            torch.stack([rgb for _, rgb, _ in seen]), torch.stack([alpha for _, _, alpha in seen]),
            *(x.to(self.device) for x in known),
        )  # fmt: skip

    def sample(self, rng: np.random.Generator, name: str | None = None, view: int | None = None) -> Batch:
        """One picture as a batch of one; name and view drawn if None. Views count round: 1 of one view is view 0."""
        name = self.names[rng.integers(len(self.names))] if name is None else name
        capture = self._read(name)
        view = int(rng.integers(len(capture.cameras))) if view is None else view % len(capture.cameras)
        target, first = self._view(name, view), self._view(name, 0)
        weights = draw_light_weights(capture.light_directions, first.brightness, rng)
        picture, alpha = target.lit(weights), target.opacity
        camera, picture, alpha = _crop(capture.cameras[view], picture, alpha, self.crop, rng)
        encoder_rgb, encoder_alpha = self._encoder_views(name, weights)
        encoder_camera = capture.cameras[0].scaled(self.encoder_size / capture.cameras[0].width)
        # Cameras are kept by where the head is; what is fixed is where they are in the world.
        head_from_world = np.linalg.inv(capture.world_from_head)
        known = capture.vertices is not None

        def tensor(array):
            return torch.as_tensor(np.asarray(array), dtype=torch.float32)[None]

        return Batch(
            subjects=(capture.subject,),
            encoder_rgb=encoder_rgb[None],
            encoder_alpha=encoder_alpha[None],
            rgb=picture.permute(2, 0, 1)[None],
            alpha=alpha[None],
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

    def _encoder_views(self, name: str, weights: np.ndarray) -> tuple[Tensor, Tensor]:
        """([N, 3, s, s], [N, s, s]) what the encoders see under the lamps at `weights`."""
        views = [self._view(name, index) for index in range(self.encoder_views)]
        pairs = [at_size(view.lit(weights), view.opacity, self.encoder_size) for view in views]
        return torch.stack([rgb.permute(2, 0, 1) for rgb, _ in pairs]), torch.stack([alpha for _, alpha in pairs])

    def _read(self, name: str, found: CaptureSet | None = None) -> Capture:
        if name not in self._captures:
            capture = (found or self.set).read(name)
            if any(camera.width != camera.height for camera in capture.cameras):
                raise MienError("bad_capture", f"The pictures of {name} are not square: crop them and their cameras.")
            self._captures[name] = capture.withheld() if self._withhold else capture
        return self._captures[name]

    def _view(self, name: str, view: int) -> CodedView:
        key = name, view
        if key not in self._cache:
            self._cache[key] = CodedView.of(self._read(name), view, self.device)
            self._cached += self._cache[key].nbytes
            while self._cached > self._limit and len(self._cache) > 1:
                self._cached -= self._cache.popitem(last=False)[1].nbytes
        self._cache.move_to_end(key)
        return self._cache[key]


def _crop(
    camera: Camera, picture: Tensor, alpha: Tensor, side: int, rng: np.random.Generator
) -> tuple[Camera, Tensor, Tensor]:
    """A random square piece with the camera that sees it; everything if `side` is 0 or too large."""
    height, width = alpha.shape
    if not 0 < side < min(height, width):
        return camera, picture, alpha
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    intrinsics = np.array(camera.intrinsics, dtype=np.float64)
    intrinsics[:2, 2] -= (left, top)
    part = slice(top, top + side), slice(left, left + side)
    return Camera(side, side, intrinsics, camera.camera_from_head), picture[part], alpha[part]


def at_size(picture: Tensor, alpha: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """A square picture [h, h, 3] and its opacity [h, h] at the encoder's size: [size, size, 3] and [size, size]."""
    if alpha.shape == (size, size):
        return picture, alpha
    both = torch.cat([picture.permute(2, 0, 1), alpha[None]])[None]
    if size < len(alpha):
        both = functional.interpolate(both, (size, size), mode="area")
    else:
        both = functional.interpolate(both, (size, size), mode="bilinear", align_corners=False)
    return both[0, :3].permute(1, 2, 0), both[0, 3]


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
