"""What must happen when Blender loads another file."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import session


@persistent
def _after_load(*_: object) -> None:
    session.revive()


def register() -> None:
    bpy.app.handlers.load_post.append(_after_load)


def unregister() -> None:
    bpy.app.handlers.load_post.remove(_after_load)
