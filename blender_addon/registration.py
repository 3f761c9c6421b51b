"""Registers classes all or none: a half-enabled extension could not be enabled again."""

from __future__ import annotations

from collections.abc import Sequence

import bpy


def register_classes(classes: Sequence[type]) -> None:
    done = []
    try:
        for cls in classes:
            bpy.utils.register_class(cls)
            done.append(cls)
    except Exception:
        unregister_classes(done)
        raise


def unregister_classes(classes: Sequence[type]) -> None:
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)
