"""Solve a head again: the photos of its package, with the artist's pins, and what was painted left as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..fitting.locked_texels import LockedMap
from ..fitting.pins import Pins
from ..head.package import HeadPackage
from ..protocol.errors import MienError
from . import fit
from .progress import Progress, silent

STAGE_WEIGHTS = fit.STAGE_WEIGHTS
LANDMARKS = 68


@dataclass(frozen=True)
class SolveRequest:
    """What the user asks for."""

    head: str  # the package
    output: str  # folder that receives <name>.head
    name: str
    pins: tuple[tuple[float, ...], ...] = ()  # (photo, landmark, x, y) each; pixels of the package's photo
    painted: tuple[tuple[str, ...], ...] = ()  # (map of the skin, PNG file) each
    quality: str = "standard"
    device: str = "auto"
    seed: int = 0


def run(request: SolveRequest, progress: Progress = silent) -> fit.FitOutcome:
    """Write a new package beside the old one, which stays as it is.

    Raises:
        MienError: the package cannot be used or has no photos, a pin or a painted map does not belong to it.
        Cancelled: `progress` asked to stop; nothing has been written.
    """
    package = HeadPackage.read(Path(request.head))
    photos = []
    for index, photo in enumerate(package.photos):
        if photo.file is None or not (package.path / photo.file).is_file():
            sentence = f"{package.path.name} does not hold photo {index + 1}: fit the photos again with Keep Photos on."
            raise MienError("missing_head", sentence)
        photos.append(str(package.path / photo.file))
    map_size = int(package.report.get("map_size", 0)) or None
    again = fit.Again(
        focals_px=tuple(float(photo.intrinsics[0, 0]) for photo in package.photos),
        pins=tuple(_pins(request.pins, index, len(photos)) for index in range(len(photos))),
        painted={entry[0]: _painted(package, *entry) for entry in request.painted},
    )
    return fit.run(
        fit.FitRequest(
            photos=tuple(photos), output=request.output, name=request.name, quality=request.quality,
            map_size=map_size, device=request.device, seed=request.seed, again=again,
        ),
        progress,
    )  # fmt: skip


def _pins(pins: tuple[tuple[float, ...], ...], photo: int, photos: int) -> Pins:
    """Those of one photo; of two for the same landmark the later."""
    chosen: dict[int, tuple[float, float]] = {}
    for pin in pins:
        if len(pin) != 4 or not np.isfinite(pin).all() or pin[0] not in range(photos) or pin[1] not in range(LANDMARKS):
            raise MienError("bad_option", f"The pin {tuple(pin)} belongs to no photo or landmark of this head.")
        if pin[0] == photo:
            chosen[int(pin[1])] = pin[2], pin[3]
    return Pins(np.array(list(chosen), int), np.array(list(chosen.values()), float).reshape(-1, 2))


def _painted(package: HeadPackage, name: str, file: str) -> LockedMap:
    if name not in package.maps.get("skin", {}) or name == "confidence":
        raise MienError("bad_option", f"The head has no map {name} that could keep its paint.")
    written = _read(package.path / package.maps["skin"][name])
    painted = _read(Path(file))
    if painted.shape[:2] != written.shape[:2]:
        raise MienError(
            "bad_paint",
            f"The painted {name} map has {painted.shape[1]} x {painted.shape[0]} texels, the head's has "
            f"{written.shape[1]} x {written.shape[0]}: keep the size when you paint.",
        )
    mark = package.path / fit.locked_file(name)
    before = _read(mark) > 0 if mark.is_file() else None
    return LockedMap.of(_like(painted, written), written, before)


def _read(file: Path) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED) if file.is_file() else None
    if image is None:
        raise MienError("bad_paint", f"{file.name} cannot be read: save the painted map and solve again.")
    return image if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[2]]]  # OpenCV has BGR


def _like(image: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The image in the channels and depth of `wanted`: Blender saves grey maps as RGB, and may add an alpha."""
    if wanted.ndim == 2 and image.ndim == 3:
        image = image[..., 0]
    elif wanted.ndim == 3 and image.ndim == 2:
        image = np.repeat(image[..., None], 3, -1)
    if wanted.ndim == 3:
        image = image[..., : wanted.shape[2]]
    if image.dtype != wanted.dtype:  # 255 x 257 = 65535: both ways exact
        image = image.astype(np.uint16) * 257 if wanted.dtype == np.uint16 else ((image + 128.0) / 257).astype(np.uint8)
    return image
