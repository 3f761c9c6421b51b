"""Mien: photos of a face into a rigged, relightable head.

Nothing is imported at module level: Blender (and pytest) may look at this file without wanting anything of it.
"""


def register() -> None:
    from . import blender_addon, operators

    blender_addon.register()
    try:
        operators.register()
    except Exception:
        blender_addon.unregister()
        raise


def unregister() -> None:
    from . import blender_addon, operators

    operators.unregister()
    blender_addon.unregister()
