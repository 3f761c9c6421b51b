"""One user action per file."""

from __future__ import annotations


def _classes() -> tuple[type, ...]:
    from . import export_head, expression, import_head

    return (*import_head.CLASSES, *export_head.CLASSES, *expression.CLASSES)


def register() -> None:
    from ..blender_addon.registration import register_classes

    register_classes(_classes())


def unregister() -> None:
    from ..blender_addon.registration import unregister_classes

    unregister_classes(_classes())
