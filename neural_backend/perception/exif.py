"""The focal length in pixels that a photo's EXIF block tells, if it tells one that still holds for its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

FOCAL_LENGTH_35MM, FOCAL_LENGTH, PIXEL_X, PIXEL_Y = 0xA405, 0x920A, 0xA002, 0xA003
PLANE_X_RESOLUTION, PLANE_UNIT, EXIF_IFD = 0xA20E, 0xA210, 0x8769
DIAGONAL_35MM = math.hypot(36, 24)  # CIPA DCG-001 defines the 35 mm equivalent by the diagonal
UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
PLAUSIBLE = (0.3, 30.0)  # focal length over the long side; beyond it the tag is nonsense
SAME_ASPECT = 0.01


def focal_length_px(exif: Any, size: tuple[int, int]) -> float | None:
    """Focal length in pixels of the picture of `size`.

    Args:
        exif: `PIL.Image.Exif`, or a mapping that already is the Exif sub-block.
        size: (width, height) of the upright picture.

    Returns:
        None when nothing is said, or when the pixel size the camera wrote has another shape than the picture (it was
        cropped, so the principal point and the 35 mm equivalent no longer hold).
    """
    tags: Mapping[int, Any] = exif.get_ifd(EXIF_IFD) if hasattr(exif, "get_ifd") else exif
    width, height = size
    written = _number(tags.get(PIXEL_X)), _number(tags.get(PIXEL_Y))
    if all(written):
        shape = max(written) / min(written)
        if abs(shape * min(size) / max(size) - 1) > SAME_ASPECT:
            return None
    focal = None
    equivalent, millimetres = _number(tags.get(FOCAL_LENGTH_35MM)), _number(tags.get(FOCAL_LENGTH))
    if equivalent:
        focal = equivalent / DIAGONAL_35MM * math.hypot(width, height)
    elif millimetres and all(written):
        per_unit, unit = _number(tags.get(PLANE_X_RESOLUTION)), UNIT_MM.get(tags.get(PLANE_UNIT, 2))
        if per_unit and unit:
            focal = millimetres * per_unit / unit * max(size) / max(written)
    if focal is None or not PLAUSIBLE[0] <= focal / max(size) <= PLAUSIBLE[1]:
        return None
    return focal


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
