"""Reset Identity: drop what is not applied, or go back to what the fit found."""

from __future__ import annotations

import bpy
import numpy as np

from ..blender_addon.head.objects import current_head
from ..blender_addon.identity.codes import codes_of, fit_codes_of
from ..blender_addon.identity.live import clear, show_codes
from .head_operator import IdentityOperator


class MIEN_OT_reset_identity(IdentityOperator, bpy.types.Operator):
    bl_idname = "mien.reset_identity"
    bl_label = "Reset Identity"
    bl_description = "Put the identity sliders back"

    to: bpy.props.EnumProperty(
        name="To",
        items=[
            ("APPLIED", "As Applied", "Drop what has not been applied", 0),
            ("FIT", "As Fitted", "The identity that the fit found; Apply makes it the head's own again", 1),
        ],
        default="APPLIED",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        head = current_head(context)
        clear(head)
        fit = fit_codes_of(head.head)
        if self.to == "FIT" and not np.allclose(fit, codes_of(head.head), atol=1e-5):
            show_codes(head, fit)
        return {"FINISHED"}


CLASSES = (MIEN_OT_reset_identity,)
