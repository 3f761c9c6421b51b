"""Solve Again: fit the head's photos once more, through the pins, and leave what was painted as it is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy

from ..blender_addon import session
from ..blender_addon.head.objects import current_head
from ..blender_addon.head.package import PackageError
from ..blender_addon.head.update import update_head
from ..blender_addon.pins.painted import PaintError, painted_maps
from ..blender_addon.pins.store import all_pins
from ..blender_addon.properties import QUALITIES
from ..blender_addon.slices import Removed, Slices
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .target_operator import TargetOperator, package_of, target_of


class MIEN_OT_solve_again(TargetOperator, bpy.types.Operator):
    bl_idname = "mien.solve_again"
    bl_label = "Solve Again"
    bl_description = (
        "Fit the photos again, through the pins; identity edits are replaced, expressions, animation and painted texels"
        " stay"
    )

    _update: Slices | None = None

    quality: bpy.props.EnumProperty(name="Quality", items=QUALITIES, default="STANDARD", options={"SKIP_SAVE"})
    keep_paint: bpy.props.BoolProperty(
        name="Keep Paint", description="Texels that were painted stay bit for bit", default=True, options={"SKIP_SAVE"}
    )

    def start(self, context: bpy.types.Context) -> Work:
        head = current_head(context)
        package = package_of(head)
        painted = ()
        if self.keep_paint:
            folder = Path(tempfile.mkdtemp(prefix="mien_paint_", dir=bpy.app.tempdir))  # Blender removes it at the end
            try:
                painted = painted_maps(head, package, folder)
            except PaintError as error:
                raise MienError("cannot_write", str(error)) from error
        quality = self.quality if self.properties.is_property_set("quality") else context.scene.mien_fit.quality
        return session.submit_solve(str(package), head.uuid, head.head.name, all_pins(head), painted, quality.lower())

    def finish_some(self, context: bpy.types.Context, work: Work, seconds: float) -> bool:
        if self._update is None or self._update.abandoned:
            self._update = Slices(update_head(context, target_of(context, work), work.package))
        try:
            if not self._update.advance(seconds):
                return False
        except Removed as error:
            raise PackageError(f"The head was removed while {work.name} was written: undo, then try again.") from error
        self.report({"INFO"}, f"{work.name}: solved again")
        return True

    def give_up(self) -> None:
        if self._update is not None:
            self._update.abandon()


CLASSES = (MIEN_OT_solve_again,)
