"""All that Blender knows of Mien: heads from packages, their panel, their export. No torch, no operators."""

from __future__ import annotations


def register() -> None:
    from . import panels
    from .registration import register_classes

    register_classes(panels.CLASSES)


def unregister() -> None:
    from . import panels
    from .registration import unregister_classes

    unregister_classes(panels.CLASSES)
