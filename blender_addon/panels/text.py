"""Sentences in a narrow panel: Blender's labels do not wrap."""

from __future__ import annotations

import textwrap

import bpy

_PIXELS_PER_LETTER = 6.6  # at scale 1; a little wide rather than cut off


def draw_sentence(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE") -> None:
    region = getattr(context, "region", None)
    width = 300 if region is None else region.width
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window
    letters = max(int(width / (_PIXELS_PER_LETTER * scale)) - 6, 16)
    column = layout.column(align=True)
    for index, line in enumerate(textwrap.wrap(text, letters)):
        column.label(text=line, icon=icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE")
