"""The common base of actions that take long: modal with a timer from a button, waiting from a script."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.head.package import PackageError, check_maps, read_package
from ..blender_addon.jobs import State
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError

BEAT_S = 0.1


def read_and_check(path: str):
    """Read a finished head's package; runs in a thread."""
    package = read_package(path)
    check_maps(package)
    return package


class JobOperator:
    """Mixin. Keeps the id of its work, nothing else: undo and file loading leave references dangling.

    All writing to Blender's data happens in `finish`, in Blender's main thread and one undo step, once the job is over.
    An operator whose window or file is gone simply ends: the work stays, and the panel offers its result.
    """

    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would fit again at each change of a number

    _work_id = ""
    _timer = None

    def start(self, context: bpy.types.Context) -> Work:
        """Give the job to the backend. Raises MienError."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, work: Work) -> None:
        """Write the result into the scene. Raises PackageError."""
        raise NotImplementedError

    def can_finish(self, context: bpy.types.Context) -> bool:
        """Is Blender in a state in which `finish` may write? If not, it is asked again later."""
        return context.mode == "OBJECT"

    # --- from a button

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        work = self._start(context)
        if work is None:
            return {"CANCELLED"}
        manager = context.window_manager
        self._timer = manager.event_timer_add(BEAT_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        work = session.find(self._work_id)
        if work is None:  # cancelled or dismissed
            return self._end(context, {"CANCELLED"})
        current = session.get()
        if work.file != current.file:  # should Blender ever keep an operator through the loading of a file
            work.watched = False
            return self._end(context, {"CANCELLED"})
        if not work.job.is_over:
            return {"PASS_THROUGH"}
        if work.job.view.state is not State.DONE:
            self._report_end(work)
            return self._end(context, {"CANCELLED"})
        if not work.read(read_and_check, PackageError) or not self.can_finish(context):
            return {"PASS_THROUGH"}
        return self._end(context, self._finish(context, work))

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator by itself: another file, a closed window, the end."""
        self._remove_timer(context)
        work = session.find(self._work_id)
        if work is not None:
            work.watched = False

    # --- from a script

    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self._start(context)
        if work is None:
            return {"CANCELLED"}
        session.wait(work)
        if work.job.view.state is not State.DONE:
            self._report_end(work)
            session.dismiss(work)
            return {"CANCELLED"}
        work.read(read_and_check, PackageError)
        work.wait_for_reading()
        return self._finish(context, work)

    # --- both

    def _start(self, context: bpy.types.Context) -> Work | None:
        try:
            work = self.start(context)
        except MienError as error:
            self.report({"ERROR"}, error.sentence)
            return None
        self._work_id, work.watched = work.id, True
        return work

    def _finish(self, context: bpy.types.Context, work: Work) -> set[str]:
        try:
            if work.package_problem:
                raise PackageError(work.package_problem)
            self.finish(context, work)
        except PackageError as error:
            self.report({"ERROR"}, str(error))
            work.watched = False  # the panel goes on offering it
            return {"CANCELLED"}
        session.dismiss(work)
        return {"FINISHED"}

    def _report_end(self, work: Work) -> None:
        error = work.job.view.error
        if error is not None:
            self.report({"ERROR"}, error.text)

    def _end(self, context: bpy.types.Context, status: set[str]) -> set[str]:
        self._remove_timer(context)
        session.redraw()
        return status

    def _remove_timer(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
