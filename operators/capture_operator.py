"""What both ways from footage to sliders share."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..blender_addon import session
from ..blender_addon.expression.takes import read_take
from ..blender_addon.head.objects import current_head
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .target_operator import TargetOperator, package_of


class CaptureOperator(TargetOperator):
    """Mixin. Its job ends in a take."""

    read = staticmethod(read_take)

    def setting(self, context: bpy.types.Context, name: str):
        """A script's own value, else the panel's."""
        return getattr(self if self.properties.is_property_set(name) else context.scene.mien_capture, name)

    def submit(self, context: bpy.types.Context, source: str, what: str, **options: object) -> Work:
        """Give one source to the backend.

        Raises:
            MienError: nothing was chosen, it is not there, or the head's package is gone.
        """
        head = current_head(context)
        package = package_of(head)
        if not source.strip():
            raise MienError("missing", f"Nothing is chosen: choose {what} first.")
        path = Path(bpy.path.abspath(source))
        if not path.exists():
            raise MienError("missing", f"{path} is not there: choose another {what.removeprefix('a ')}.")
        neutral = self.setting(context, "neutral").lower()
        return session.submit_capture(str(package), head.uuid, (str(path),), path.stem, neutral=neutral, **options)
