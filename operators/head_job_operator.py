"""The common base of actions whose job ends in a head: it comes into the scene in slices."""

from __future__ import annotations

import bpy

from ..blender_addon.head.build import BuildOptions, HeadBuild
from ..blender_addon.head.framing import frame_head
from ..blender_addon.work import Work
from .job_operator import JobOperator


class HeadJobOperator(JobOperator):
    """Mixin. Undo in the middle abandons what is built (handlers.py); the next slice begins again."""

    _build: HeadBuild | None = None

    def finish_some(self, context: bpy.types.Context, work: Work, seconds: float) -> bool:
        if self._build is None or self._build.abandoned:
            self._build = HeadBuild(context, work.package, BuildOptions())
        if not self._build.advance(seconds):
            return False
        if self._timer is not None:  # from a button
            frame_head(context, context.area, self._build.head.head)
        self.report({"INFO"}, f"{work.name} is in the scene")
        return True

    def give_up(self) -> None:
        if self._build is not None:
            self._build.abandon()
