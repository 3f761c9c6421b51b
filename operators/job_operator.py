"""The common base of actions that take long: modal with a timer from a button, waiting from a script."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.head.build import read_and_check
from ..blender_addon.head.package import PackageError
from ..blender_addon.jobs import State
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .beat import REST_S, Beat

BEAT_S = 0.1  # between looks at the job


class JobOperator(Beat):
    """Mixin. Keeps the id of its work, nothing else: undo and file loading leave references dangling.

    All writing to Blender's data happens in `finish`, in Blender's main thread and one undo step, once the job is over.
    An operator whose window or file is gone simply ends: the work stays, and the panel offers its result.
    """

    bl_options = {"UNDO"}  # not REGISTER: Adjust Last Operation would fit again at each change of a number

    @classmethod
    def can_start(cls, context: bpy.types.Context) -> bool:
        """For `poll`: is there a backend, and a mode that a result can be written in? Says why not."""
        if not session.is_available():
            cls.poll_message_set("Install the neural backend first")
        elif context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
        else:
            return True
        return False

    _work_id = ""
    _file = 0  # which of the session's .blend files it runs in

    def start(self, context: bpy.types.Context) -> Work:
        """Give the job to the backend. Raises MienError."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, work: Work) -> None:
        """Write the result into the scene. Raises PackageError."""
        raise NotImplementedError

    @staticmethod
    def read(path: str) -> object:
        """What the job wrote, read in a thread; it comes to `finish` as `work.package`. Raises PackageError.

        A head here; an operator whose job writes something else reads that.
        """
        return read_and_check(path)

    def finish_some(self, context: bpy.types.Context, work: Work, seconds: float) -> bool:
        """Go on writing the result for about so long; True when all is written. Raises PackageError.

        At once by default; an operator that has much to write does it in slices.
        """
        self.finish(context, work)
        return True

    def give_up(self) -> None:
        """Blender ends the operator: leave nothing half-written."""

    def can_finish(self, context: bpy.types.Context) -> bool:
        """Is Blender in a state in which `finish` may write? If not, it is asked again later."""
        return context.mode == "OBJECT"

    # --- from a button

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        work = self._start(context)
        if work is None:
            return {"CANCELLED"}
        self.set_beat(context, BEAT_S)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        work = session.find(self._work_id)
        if work is None:  # cancelled or dismissed
            self.give_up()
            return self._end(context, {"CANCELLED"})
        current = session.get()
        if self._file != current.file:  # should Blender ever keep an operator through the loading of a file
            work.watched = False
            self.give_up()
            return self._end(context, {"CANCELLED"})
        if not work.job.is_over:
            return {"PASS_THROUGH"}
        if work.job.view.state is not State.DONE:
            self._report_end(work)
            return self._end(context, {"CANCELLED"})
        try:
            if not work.read(self.read, PackageError) or not self.can_finish(context):
                return {"PASS_THROUGH"}
            status = self._finish(context, work, self.slice_s())
        except Exception:
            self.cancel(context)  # the panel goes on offering the work
            raise
        if status is None:
            self.set_beat(context, REST_S)
            return {"PASS_THROUGH"}
        return self._end(context, status)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator by itself: another file, a closed window, the end."""
        self.stop_beat(context)
        self.give_up()
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
        work.read(self.read, PackageError, wait=True)
        return self._finish(context, work, float("inf"))

    # --- both

    def _start(self, context: bpy.types.Context) -> Work | None:
        try:
            work = self.start(context)
        except MienError as error:
            self.report({"ERROR"}, error.sentence)
            return None
        self._work_id, self._file, work.watched = work.id, session.get().file, True
        work.forget_problem()
        return work

    def _finish(self, context: bpy.types.Context, work: Work, seconds: float) -> set[str] | None:
        """None: not all is written yet."""
        try:
            if work.package_problem:
                raise PackageError(work.package_problem)
            if not self.finish_some(context, work, seconds):
                return None
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
        self.stop_beat(context)
        session.redraw()
        return status
