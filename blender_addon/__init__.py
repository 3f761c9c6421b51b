"""All that Blender knows of Mien: heads from packages, their panel, their export. No torch, no operators."""

from __future__ import annotations


def register() -> None:
    from . import head_properties, panels
    from .registration import register_classes, unregister_classes

    register_classes(head_properties.CLASSES)
    try:
        head_properties.add_properties()
        register_classes(panels.CLASSES)
    except Exception:
        unregister_classes(head_properties.CLASSES)
        raise


def unregister() -> None:
    from . import head_properties, panels
    from .registration import unregister_classes

    unregister_classes(panels.CLASSES)
    head_properties.remove_properties()
    unregister_classes(head_properties.CLASSES)
