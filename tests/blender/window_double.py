"""What stands in for a window in tests of modal operators: the wheel's Blender has none."""

from __future__ import annotations

import bpy


class Window:
    """Timers, handlers, redraws of the status bar; everything else is Blender's own context."""

    def __init__(self):
        self.timers, self.handlers = [], []
        self.window = self.window_manager = self.workspace = self
        self.area = None

    def event_timer_add(self, seconds, window):
        self.timers.append(seconds)
        return seconds

    def event_timer_remove(self, timer):
        self.timers.remove(timer)

    def modal_handler_add(self, operator):
        self.handlers.append(operator)

    def status_text_set(self, text):
        assert text is None  # a text would stay in this workspace alone

    def __getattr__(self, name):
        return getattr(bpy.context, name)


def event(kind: str, value: str = "PRESS"):
    return type("Event", (), {"type": kind, "value": value})()


def double(cls, *bases):
    """An operator's own code without Blender's instance, which only a window makes; its reports are kept."""
    own = {name: value for name, value in vars(cls).items() if callable(value) or isinstance(value, property)}
    plain = {name: value for name, value in vars(cls).items() if name.startswith("_") and value is None}
    plain |= {"_problem": getattr(cls, "_problem", "")}
    own = {name: value for name, value in own.items() if not name.startswith("__")}
    made = type("Double", bases, {**plain, **own})()
    made.reports = []
    made.report = lambda kind, text: made.reports.append((kind, text))
    return made


def beats(operator, window, until=lambda: False):
    """Timer events until `until()`, or until the operator ends; its last status."""
    status = None
    while not until():
        status = operator.modal(window, event("TIMER"))
        if status != {"PASS_THROUGH"}:
            break
    return status
