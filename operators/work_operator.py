"""What every action on a work in the panel shares: finding it."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.work import Work


class WorkOperator:
    """An action on one work of the panel's list."""

    work: bpy.props.StringProperty(name="Work", description="Its id", options={"HIDDEN", "SKIP_SAVE"})

    def found(self) -> Work | None:
        """The work named, or without a name the newest; None, and a report, if there is none."""
        current = session.peek()
        works = [] if current is None else current.works
        work = session.find(self.work) if self.work else (works[-1] if works else None)
        if work is None:
            self.report({"WARNING"}, "It is over already")
        return work
