"""The first panel: photos in, Fit from Photo, and how the fits under way are."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import inspections, pictures, session
from ..properties import absolute
from .backend_state import draw_backend_state, draw_installation
from .sidebar import Sidebar
from .text import draw_sentence
from .work import WorkWords, draw_work

WORDS = WorkWords(
    icon="USER",
    start="mien.fit_photos",
    stages={
        "look": "Reading the photos",
        "fit": "Fitting the head",
        "textures": "Taking the light out of the skin",
        "write": "Writing the head",
    },
    finished="This head is finished",
    collect="mien.collect_head",
    collect_icon="IMPORT",
    coming="Coming into the scene",
)


class MIEN_UL_photos(bpy.types.UIList):
    bl_idname = "MIEN_UL_photos"

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flag=0) -> None:
        row = layout.row(align=True)
        row.label(text=item.name, icon_value=pictures.thumbnail(absolute(item)))
        row.label(text="", icon=_verdict(absolute(item)))


def _verdict(path: str) -> str:
    """An icon: what looking at the photo gave."""
    verdict = inspections.verdict(path)
    if verdict is None:
        return "TIME" if inspections.is_looking_at(path) else "BLANK1"
    return "ERROR" if verdict.problem else "CHECKMARK"


class MIEN_PT_photos(Sidebar, bpy.types.Panel):
    bl_idname = "MIEN_PT_photos"
    bl_label = "Photos"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        settings = context.scene.mien_fit
        row = layout.row()
        row.template_list("MIEN_UL_photos", "", settings, "photos", settings, "active_photo", rows=3)
        column = row.column(align=True)
        column.operator("mien.add_photos", text="", icon="ADD")
        column.operator("mien.remove_photo", text="", icon="REMOVE")
        _draw_active_photo(layout, context)
        column = layout.column(align=True)
        column.prop(settings, "quality")
        column.prop(settings, "map_size")
        column.prop(settings, "head_name", text="Name", placeholder=_default_name(settings))
        row = layout.row()
        row.scale_y = 1.4
        row.operator("mien.fit_photos", icon="USER")
        current = session.peek()
        if current is not None:
            for work in (each for each in current.works if each.kind == "head"):
                draw_work(layout.box(), context, work, current.file, WORDS)
            if current.installer is not None:
                draw_installation(layout, current.installer.view)
        draw_backend_state(layout)
        if not session.is_available():
            layout.operator("mien.install_backend", icon="IMPORT")


def _default_name(settings: bpy.types.PropertyGroup) -> str:
    """What the head is called if the field stays empty."""
    return Path(settings.photos[0].name).stem if settings.photos else ""


def _draw_active_photo(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    settings = context.scene.mien_fit
    if not settings.photos:
        draw_sentence(layout, context, "Add photos of one person, or drop them here: the front, and more sides if any")
        return
    photo = settings.photos[min(max(settings.active_photo, 0), len(settings.photos) - 1)]
    path = absolute(photo)
    icon = pictures.thumbnail(path)
    if icon:
        layout.template_icon(icon_value=icon, scale=6.0)
    else:
        draw_sentence(layout, context, f"{photo.name} is not there any more: remove it or put it back", "ERROR")
    verdict = inspections.verdict(path)
    if verdict is not None and verdict.problem:
        draw_sentence(layout, context, verdict.problem, "ERROR")


CLASSES = (MIEN_UL_photos, MIEN_PT_photos)
