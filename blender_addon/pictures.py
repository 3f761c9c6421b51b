"""Pictures for the panel: thumbnails of photos, and what a fit under way shows. Blender owns them."""

from __future__ import annotations

from pathlib import Path

import bpy.utils.previews
import numpy as np

from ..neural_backend.protocol.messages import Partial

_previews = None
_shown: dict[str, Partial] = {}  # work id -> what its picture holds


def register() -> None:
    global _previews
    _previews = bpy.utils.previews.new()


def unregister() -> None:
    global _previews
    bpy.utils.previews.remove(_previews)
    _previews = None
    _shown.clear()


def thumbnail(path: str) -> int:
    """The icon of a photo, 0 if the file is gone. Blender reads the file in a thread of its own."""
    if path not in _previews:
        if not Path(path).is_file():
            return 0
        _previews.load(path, path, "IMAGE")
    return _previews[path].icon_id


def show(work_id: str, partial: Partial) -> None:
    """Make a picture that came from the backend the picture of a work."""
    if _shown.get(work_id) is partial:
        return
    preview = _previews[work_id] if work_id in _previews else _previews.new(work_id)
    preview.image_size = (partial.width, partial.height)
    preview.image_pixels.foreach_set(np.frombuffer(partial.pixels, np.int32))
    _shown[work_id] = partial


def picture(work_id: str) -> int:
    """The icon of a work's newest picture, 0 if there is none yet."""
    return _previews[work_id].icon_id if work_id in _shown else 0


def forget(work_id: str) -> None:
    if _shown.pop(work_id, None) is not None:
        del _previews[work_id]
