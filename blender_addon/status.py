"""What goes on now, in the status bar of every workspace: an artist may switch while a head is written.

Blender's own `status_text_set` belongs to one workspace, and stays in it when the work ends elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable

import bpy

#: Who says it -> the words.
_said: dict[Hashable, str] = {}


def say(context: bpy.types.Context, who: Hashable, words: str) -> None:
    _said[who] = words
    _redraw(context)


def hush(context: bpy.types.Context, who: Hashable) -> None:
    if _said.pop(who, None) is not None:
        _redraw(context)


def words() -> tuple[str, ...]:
    """All that is said now."""
    return tuple(_said.values())


def _redraw(context: bpy.types.Context) -> None:
    if context.workspace is not None:
        context.workspace.status_text_set(None)  # no other call redraws the bar, which belongs to no screen


def _draw(self: bpy.types.Header, context: bpy.types.Context) -> None:
    for text in _said.values():
        self.layout.label(text=text, icon="TIME")


def register() -> None:
    bpy.types.STATUSBAR_HT_header.prepend(_draw)


def unregister() -> None:
    _said.clear()
    bpy.types.STATUSBAR_HT_header.remove(_draw)
