"""The face's shape: named sliders, raw modes, another head to mix in, chance, files; Apply makes it the head's own."""

from __future__ import annotations

import bpy

from ..head.objects import current_head
from ..identity import saved
from ..identity.controls import GROUPS, MODE_COUNT
from ..identity.live import is_edited, problem
from ..identity.model import read_ahead
from .sidebar import HeadPanel
from .text import draw_sentence


class MIEN_MT_identities(bpy.types.Menu):
    bl_idname = "MIEN_MT_identities"
    bl_label = "Identities"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("mien.reset_identity", text="As Fitted").to = "FIT"
        layout.operator("mien.average_identity")
        layout.separator()
        for path in saved.listed():
            layout.operator("mien.load_identity", text=saved.name_of(path)).filepath = str(path)
        layout.separator()
        layout.operator("mien.save_identity", text="Save ...", icon="FILE_TICK")
        layout.operator("mien.load_identity", text="Load ...", icon="FILE_FOLDER")


class MIEN_PT_identity(HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_identity"
    bl_label = "Identity"

    def draw(self, context: bpy.types.Context) -> None:
        layout, head = self.layout, current_head(context)
        sentence = problem(head)
        if sentence:
            draw_sentence(layout, context, sentence, "ERROR")
            return
        read_ahead()
        row = layout.row(align=True)
        row.menu("MIEN_MT_identities", icon="PRESET")
        row.operator("mien.randomise_identity", icon="FILE_REFRESH")
        row = layout.row(align=True)
        row.operator("mien.apply_identity", text="Apply", icon="CHECKMARK")
        row.operator("mien.reset_identity", text="", icon="LOOP_BACK").to = "APPLIED"
        if is_edited(head.head):
            draw_sentence(layout, context, "Not applied: lids and teeth are approximate", "INFO")


class _Child(HeadPanel):
    bl_parent_id = "MIEN_PT_identity"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        head = current_head(context)
        return head is not None and not problem(head)


def _group_panel(label: str) -> type:
    def draw(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        for control in GROUPS[label]:
            column.prop(current_head(context).head.mien_identity, f"control_{control.id}", slider=True)

    identifier = "MIEN_PT_identity_" + label.lower().replace(" ", "_")
    return type(identifier, (_Child, bpy.types.Panel), {"bl_idname": identifier, "bl_label": label, "draw": draw})


class MIEN_PT_identity_mix(_Child, bpy.types.Panel):
    bl_idname = "MIEN_PT_identity_mix"
    bl_label = "Mix with Another Head"

    def draw(self, context: bpy.types.Context) -> None:
        state = current_head(context).head.mien_identity
        self.layout.prop(state, "mix_with")
        row = self.layout.row()
        row.enabled = state.mix_with is not None
        row.prop(state, "mix", slider=True)


class MIEN_PT_identity_modes(_Child, bpy.types.Panel):
    bl_idname = "MIEN_PT_identity_modes"
    bl_label = "Modes of the Model"

    def draw(self, context: bpy.types.Context) -> None:
        grid = self.layout.grid_flow(columns=2, align=True)
        for index in range(MODE_COUNT):
            grid.prop(current_head(context).head.mien_identity, f"mode_{index:02d}", text=str(index + 1), slider=True)


CLASSES: tuple[type, ...] = (
    MIEN_MT_identities,
    MIEN_PT_identity,
    *(_group_panel(label) for label in GROUPS),
    MIEN_PT_identity_mix,
    MIEN_PT_identity_modes,
)
