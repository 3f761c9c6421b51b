"""The first panel: photos in, Fit from Photo, and how the fits under way are."""

from __future__ import annotations

import bpy

from .. import inspections, pictures, session
from ..jobs import State
from ..messages import describe
from ..properties import absolute
from ..work import Work
from .backend_state import draw_backend_state, draw_installation
from .sidebar import Sidebar
from .text import draw_sentence

STAGES = {
    "look": "Reading the photos",
    "fit": "Fitting the head",
    "textures": "Taking the light out of the skin",
    "write": "Writing the head",
}


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
        column.prop(settings, "head_name", text="Name")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("mien.fit_photos", icon="USER")
        current = session.peek()
        if current is not None:
            for work in current.works:
                _draw_work(layout.box(), context, work, current.file)
            if current.installer is not None:
                draw_installation(layout, current.installer.view)
        draw_backend_state(layout)
        if not session.is_available():
            layout.operator("mien.install_backend", icon="IMPORT")


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


def _draw_work(box: bpy.types.UILayout, context: bpy.types.Context, work: Work, file: int) -> None:
    view = work.job.view
    row = box.row(align=True)
    row.label(text=work.name, icon="USER")
    if work.is_under_way:
        row.operator("mien.cancel_job", text="Cancel", icon="X").work = work.id
        text = STAGES.get(view.stage, "Waiting for the backend")
        if view.state is State.WAITING and view.waiting:
            text = f"Waiting for {view.waiting} other" + ("s" if view.waiting > 1 else "")
        elif view.state is State.CANCELLING:
            text = "Stopping"
        box.progress(factor=view.total, text=text)
        icon = pictures.picture(work.id)
        if icon:
            box.template_icon(icon_value=icon, scale=8.0)
    elif view.state is State.FAILED:
        row.operator("mien.dismiss_work", text="", icon="X").work = work.id
        notice = describe(view.error)
        draw_sentence(box, context, notice.sentence, "ERROR")
        if notice.remedy is not None:
            button = box.operator(notice.remedy.operator, text=notice.remedy.label, icon=notice.remedy.icon)
            if notice.remedy.operator == "mien.remove_photo":
                button.path = work.photo_at_fault or ""
    elif view.state is State.DONE:
        if work.waits_for_the_artist(file):
            row.operator("mien.dismiss_work", text="", icon="X").work = work.id
            draw_sentence(box, context, "This head is finished", "CHECKMARK")
            box.operator("mien.collect_head", icon="IMPORT").work = work.id
        elif context.mode != "OBJECT":
            draw_sentence(box, context, "Finished: it comes into the scene as soon as you are in Object Mode", "INFO")
        else:
            draw_sentence(box, context, "Coming into the scene", "TIME")


CLASSES = (MIEN_UL_photos, MIEN_PT_photos)
