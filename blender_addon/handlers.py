"""What must happen when Blender loads or saves a file, undoes, redoes."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import session, slices
from .head import build


@persistent
def _after_load(*_: object) -> None:
    session.revive()


@persistent
def _before_change(*_: object) -> None:
    slices.abandon_all()


@persistent
def _after_change(*_: object) -> None:
    build.sweep()


def _handlers() -> list[tuple[list, object]]:
    app = bpy.app.handlers
    before = [app.undo_pre, app.redo_pre, app.load_pre, app.save_pre]
    after = [app.undo_post, app.redo_post, app.load_post]
    return [
        (app.load_post, _after_load),
        *((each, _before_change) for each in before),
        *((each, _after_change) for each in after),
    ]


def register() -> None:
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    slices.abandon_all()
    for handlers, function in _handlers():
        handlers.remove(function)
