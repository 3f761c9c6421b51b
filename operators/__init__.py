"""One user action per file."""

from __future__ import annotations

import importlib

MODULES = (
    "photos",
    "fit_photos",
    "cancel_job",
    "install_backend",
    "import_head",
    "export_head",
    "show_photo",
    "reset_expression",
    "mirror_expression",
    "key_expression",
    "copy_pose",
    "apply_preset",
    "import_live_link",
    "bake_expression",
    "apply_identity",
    "reset_identity",
    "randomise_identity",
    "save_identity",
    "load_identity",
)


def _classes() -> tuple[type, ...]:
    return tuple(cls for name in MODULES for cls in importlib.import_module(f".{name}", __package__).CLASSES)


def register() -> None:
    from ..blender_addon.registration import register_classes

    register_classes(_classes())


def unregister() -> None:
    from ..blender_addon.registration import unregister_classes

    unregister_classes(_classes())
