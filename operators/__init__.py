"""One user action per file."""

from __future__ import annotations


def _classes() -> tuple[type, ...]:
    from . import cancel_job, export_head, expression, fit_photos, import_head, install_backend, photos

    return (
        *photos.CLASSES,
        *fit_photos.CLASSES,
        *cancel_job.CLASSES,
        *install_backend.CLASSES,
        *import_head.CLASSES,
        *export_head.CLASSES,
        *expression.CLASSES,
    )


def register() -> None:
    from ..blender_addon.registration import register_classes

    register_classes(_classes())


def unregister() -> None:
    from ..blender_addon.registration import unregister_classes

    unregister_classes(_classes())
