"""One user action per file."""

from __future__ import annotations

import importlib

MODULES = (
    "photos",
    "fit_photos",
    "cancel_job",
    "collect_head",
    "dismiss_work",
    "install_backend",
    "check_backend",
    "show_log",
    "open_preferences",
    "import_head",
    "write_export",
    "export_head",
    "export_engine",
    "show_photo",
    "edit_pins",
    "clear_pins",
    "solve_again",
    "reset_expression",
    "mirror_expression",
    "key_expression",
    "copy_pose",
    "apply_preset",
    "import_live_link",
    "expression_from_photo",
    "expression_from_footage",
    "collect_take",
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
    from .beat import cancel_all

    cancel_all()
    unregister_classes(_classes())
