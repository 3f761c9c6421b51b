"""Randomise Identity: another face, by chance, the same for the same seed."""

from __future__ import annotations

import bpy
import numpy as np

from ..blender_addon.head.objects import current_head
from ..blender_addon.identity.codes import codes_of
from ..blender_addon.identity.controls import MODE_COUNT
from ..blender_addon.identity.live import show_codes
from .head_operator import IdentityOperator


class MIEN_OT_randomise_identity(IdentityOperator, bpy.types.Operator):
    bl_idname = "mien.randomise_identity"
    bl_label = "Randomise"
    bl_description = "Set the identity sliders by chance"

    seed: bpy.props.IntProperty(name="Seed", description="The same seed gives the same face", default=0, min=0)
    strength: bpy.props.FloatProperty(
        name="Strength", description="1 is as far as people differ", default=0.5, min=0.0, soft_max=1.0, max=1.5
    )
    around: bpy.props.EnumProperty(
        name="Around",
        items=[
            ("HEAD", "This Head", "A relative: chance is added to the head as applied", 0),
            ("AVERAGE", "The Average", "A stranger: chance is added to the average head", 1),
        ],
        default="HEAD",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        head = current_head(context)
        chance = np.random.default_rng(self.seed).normal(size=MODE_COUNT) * self.strength
        start = codes_of(head.head) if self.around == "HEAD" else 0.0
        show_codes(head, start + chance)
        return {"FINISHED"}


CLASSES = (MIEN_OT_randomise_identity,)
