"""Pictures as numpy arrays: read and written by Blender's own image code, since it brings no other."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 4] float32, row 0 at the top. A PNG or JPEG gives its stored 0..1 values, an EXR its linear ones."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        width, height = image.size
        if width == 0:
            raise ValueError(f"{path} is not a picture that can be read")
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def write_png(path: Path, picture: np.ndarray) -> None:  # [H, W, 3] 0..1 display values, row 0 at the top
    height, width = picture.shape[:2]
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = picture[::-1]
    partial = path.with_name(f".{path.stem}.partial.png")  # renamed when whole
    image = bpy.data.images.new(path.stem, width, height, alpha=False)
    try:
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw = str(partial)
        image.file_format = "PNG"
        try:
            image.save()
        except RuntimeError as error:
            raise OSError(f"{path} could not be written ({str(error).strip()}): choose another folder.") from error
        partial.replace(path)
    finally:
        bpy.data.images.remove(image)
        if partial.is_file():
            partial.unlink()


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W, C] -> [height, width, C]: area mean when shrinking, bilinear when growing."""
    for axis, size in ((0, height), (1, width)):
        picture = _resize_axis(picture, axis, size)
    return picture


def _resize_axis(picture: np.ndarray, axis: int, size: int) -> np.ndarray:
    old = picture.shape[axis]
    if size == old:
        return picture
    moved = np.moveaxis(picture, axis, 0)
    if size < old:  # differences of the running sum, interpolated at the new pixels' edges
        running = np.concatenate([np.zeros_like(moved[:1]), np.cumsum(moved, 0, dtype=np.float64)])
        edges = np.linspace(0, old, size + 1)
        low = np.minimum(edges.astype(int), old - 1)
        part = (edges - low).reshape(-1, *[1] * (moved.ndim - 1))
        at_edges = running[low] * (1 - part) + running[low + 1] * part
        result = np.diff(at_edges, axis=0) * (size / old)
    else:
        centres = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.minimum(centres.astype(int), max(old - 2, 0))
        part = (centres - low).reshape(-1, *[1] * (moved.ndim - 1))
        result = moved[low] * (1 - part) + moved[np.minimum(low + 1, old - 1)] * part
    return np.moveaxis(result.astype(np.float32), 0, axis)


def to_display(linear: np.ndarray) -> np.ndarray:
    """Scene linear -> sRGB 0..1. Exact up to 0.6; brighter values roll off instead of clipping."""
    knee = 0.6
    over = np.maximum(linear - knee, 0.0)
    rolled = np.minimum(linear, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    rolled = np.clip(rolled, 0.0, 1.0)
    return np.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled ** (1 / 2.4) - 0.055)


def to_linear(display: np.ndarray) -> np.ndarray:
    """sRGB 0..1 -> scene linear, without undoing the roll-off of `to_display`: photos are read by this."""
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
