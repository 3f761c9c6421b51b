"""The timer of operators that stay: something is looked at, or a slice of work done, at each beat."""

from __future__ import annotations

import logging
import time

import bpy

from ..blender_addon import status

log = logging.getLogger(__name__)

REST_S = 0.01  # between two slices of writing, which Blender has to itself
SLICE_S, LONGEST_SLICE_S = 0.008, 0.016
SLOW_S = 0.1  # a redraw that takes so long makes the slices longer: the hand feels no difference, and there are fewer

#: Modal operators that run now; each takes itself off when it ends.
staying: list[bpy.types.Operator] = []


class Beat:
    """Mixin of modal operators. Their `cancel` must leave nothing behind: it is also called at the extension's end."""

    _timer = None
    _beat_s = 0.0
    _asked = 0.0  # when slice_s was asked last

    def set_beat(self, context: bpy.types.Context, seconds: float) -> None:
        if seconds != self._beat_s:
            self.stop_beat(context)
            self._timer = context.window_manager.event_timer_add(seconds, window=context.window)
            self._beat_s = seconds
            staying.append(self)

    def slice_s(self) -> float:
        """How long this beat's slice may take."""
        before, self._asked = self._asked, time.perf_counter()
        return LONGEST_SLICE_S if before and self._asked - before > SLOW_S else SLICE_S

    def say(self, context: bpy.types.Context, words: str) -> None:
        """In the status bar, until `hush`."""
        status.say(context, id(self), words)

    def hush(self, context: bpy.types.Context) -> None:
        status.hush(context, id(self))

    def stop_beat(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer, self._beat_s = None, 0.0
            staying.remove(self)


def cancel_all() -> None:
    """Before the extension goes: Blender drops the operators of a removed class without a word to them."""
    for operator in staying[:]:
        try:
            operator.cancel(bpy.context)
        except Exception:  # whatever it is, the extension must go
            log.exception("An operator did not end cleanly.")
            if operator in staying:
                staying.remove(operator)
