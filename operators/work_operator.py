"""What every action on a work in the panel shares: finding it, and saying so if it is gone."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.work import Work


class WorkOperator:
    """An action on one work of the panel's list."""

    work: bpy.props.StringProperty(name="Work", description="Its id", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self.found()
        return {"CANCELLED"} if work is None else self.act(context, work)

    def act(self, context: bpy.types.Context, work: Work) -> set[str]:
        """What to do with it; the operator's result."""
        raise NotImplementedError

    def found(self) -> Work | None:
        """The work named, or without a name the newest; None, and a report, if there is none."""
        current = session.peek()
        works = [] if current is None else current.works
        work = session.find(self.work) if self.work else (works[-1] if works else None)
        if work is None:
            self.report({"WARNING"}, "It is over already")
        return work
