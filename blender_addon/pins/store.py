"""Pins are kept on their photo's camera: saved with the file, undone with everything else."""

from __future__ import annotations

import bpy

from ..head.objects import PHOTO_PROPERTY, HeadObjects

PINS_PROPERTY = "mien_pins"


def pins_of(camera: bpy.types.Object) -> dict[int, tuple[float, float]]:
    """Landmark -> its place in the photo, pixels from the top left."""
    stored = camera.get(PINS_PROPERTY)
    return {} if stored is None else {int(name): tuple(place) for name, place in stored.to_dict().items()}


def set_pin(camera: bpy.types.Object, landmark: int, place: tuple[float, float]) -> None:
    pins = pins_of(camera) | {landmark: place}
    camera[PINS_PROPERTY] = {str(name): [float(x), float(y)] for name, (x, y) in pins.items()}


def remove_pin(camera: bpy.types.Object, landmark: int) -> None:
    pins = pins_of(camera)
    if pins.pop(landmark, None) is not None:
        camera[PINS_PROPERTY] = {str(name): [float(x), float(y)] for name, (x, y) in pins.items()}


def clear_pins(camera: bpy.types.Object) -> None:
    if PINS_PROPERTY in camera:
        del camera[PINS_PROPERTY]


def all_pins(head: HeadObjects) -> tuple[tuple[float, ...], ...]:
    """(photo, landmark, x, y) of every pin of the head, as the backend wants them."""
    return tuple(
        (float(camera.get(PHOTO_PROPERTY, index)), float(landmark), x, y)  # older imports have no such property
        for index, camera in enumerate(head.cameras)
        for landmark, (x, y) in sorted(pins_of(camera).items())
    )
