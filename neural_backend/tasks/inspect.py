"""Look at one photo before it is fitted: is there one face that can be? The artist hears at once."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol.cancellation import interruptible
from .progress import Progress, show, silent

STAGE_WEIGHTS = {"look": 1.0}


@dataclass(frozen=True)
class Inspection:
    """A photo that can be fitted."""

    width: int
    height: int
    box: tuple[float, float, float, float]  # the face: left, top, right, bottom, pixels
    focal_from_exif: bool


def run(path: str, device: str = "auto", progress: Progress = silent) -> Inspection:
    """Raises MienError with one of `load_photo`'s or `choose_face`'s codes when the photo cannot be fitted."""
    from ..fitting.fit import load_models
    from ..fitting.overlays import landmark_overlay
    from ..perception.face import choose_face
    from ..perception.image import load_photo
    from ..rendering.device import choose_device

    progress("look", 0.0)
    photo = interruptible(load_photo, path)
    progress("look", 0.3)
    perception = load_models(choose_device(device)).perception
    face = choose_face(interruptible(perception.detect, photo), photo)
    show(progress, "look", lambda: landmark_overlay(photo, face.landmarks))
    progress("look", 1.0)
    box = tuple(round(float(value), 1) for value in face.box)
    return Inspection(photo.width, photo.height, box, photo.focal_px is not None)
