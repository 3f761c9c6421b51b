"""A box that tells how a work is: under way, failed with a remedy, finished and waiting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy

from .. import pictures
from ..jobs import State
from ..messages import AGAIN, describe
from ..work import Work
from .text import draw_sentence


@dataclass(frozen=True)
class WorkWords:
    """How one kind of work is spoken of."""

    icon: str
    start: str  # the operator that starts one
    stages: dict[str, str]  # stage of the job -> what the artist reads
    finished: str
    collect: str  # the operator that brings a finished one into the scene
    collect_icon: str
    coming: str


def draw_work(box: bpy.types.UILayout, context: bpy.types.Context, work: Work, file: int, words: WorkWords) -> None:
    view = work.job.view
    row = box.row(align=True)
    row.label(text=work.name, icon=words.icon)
    if work.is_under_way:
        row.operator("mien.cancel_job", text="Cancel", icon="X").work = work.id
        text = words.stages.get(view.stage, "Waiting for the backend")
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
        remedy = replace(AGAIN, operator=words.start) if notice.remedy is AGAIN else notice.remedy
        if remedy is not None:
            button = box.operator(remedy.operator, text=remedy.label, icon=remedy.icon)
            if remedy.operator == "mien.remove_photo":
                button.path = work.photo_at_fault or ""
    elif work.waits_for_the_artist(file):
        row.operator("mien.dismiss_work", text="", icon="X").work = work.id
        draw_sentence(box, context, words.finished, "CHECKMARK")
        box.operator(words.collect, icon=words.collect_icon).work = work.id
    elif view.state is State.DONE and context.mode != "OBJECT":
        draw_sentence(box, context, "Finished: it comes into the scene as soon as you are in Object Mode", "INFO")
    elif view.state is State.DONE:
        draw_sentence(box, context, words.coming, "TIME")
