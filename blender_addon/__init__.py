"""All that Blender knows of Mien: heads, their panels, and the backend seen from here. No torch, no operators."""

from __future__ import annotations

from collections.abc import Callable


def _steps() -> list[tuple[Callable[[], None], Callable[[], None]]]:
    """(do, undo) in the order of registration."""
    from . import (
        capture_properties,
        export_properties,
        handlers,
        head_properties,
        panels,
        pictures,
        preferences,
        properties,
        session,
        status,
    )  # fmt: skip
    from .registration import register_classes, unregister_classes

    holders = (preferences, properties, head_properties, capture_properties, export_properties)
    first, rest = tuple(cls for module in holders for cls in module.CLASSES), panels.CLASSES
    return [
        (lambda: register_classes(first), lambda: unregister_classes(first)),
        (properties.register, properties.unregister),
        (capture_properties.register, capture_properties.unregister),
        (export_properties.register, export_properties.unregister),
        (head_properties.add_properties, head_properties.remove_properties),
        (pictures.register, pictures.unregister),
        (status.register, status.unregister),
        (lambda: register_classes(rest), lambda: unregister_classes(rest)),
        (session.register, session.unregister),
        (handlers.register, handlers.unregister),
    ]


def register() -> None:
    done = []
    try:
        for do, undo in _steps():
            do()
            done.append(undo)
    except Exception:
        for undo in reversed(done):
            undo()
        raise


def unregister() -> None:
    for _, undo in reversed(_steps()):
        undo()
