"""Runs inside Blender's window: the parts in their order, a step at a time, on a timer."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))

import by_hand  # noqa: E402
import first_head  # noqa: E402
import report  # noqa: E402
import tour  # noqa: E402
import troubles  # noqa: E402

PARTS = {
    "start": first_head.start,
    "photo": first_head.photo,
    "fit": first_head.fit,
    "slider": first_head.slider,
    "saved": first_head.saved,
    "pins": by_hand.pins,
    "identity": tour.identity,
    "expression": tour.expression,
    "export": tour.export,
    "imported": tour.imported,
    "preferences": tour.preferences,
    "cancel": troubles.cancel,
    "no_face": troubles.no_face,
    "killed": troubles.killed,
    "loaded": troubles.loaded,
    "disabled": troubles.disabled,
    "quit": troubles.quit_in_the_middle,
}


def all_parts() -> Iterator[float]:
    wanted = [name for name in os.environ.get("PARTS", "").split(",") if name] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        raise ValueError(f"there is no part {', '.join(sorted(unknown))}: choose of {', '.join(PARTS)}")
    for name in wanted:
        print(f"--- {name}", flush=True)
        yield from PARTS[name]()


def tick() -> float | None:
    try:
        return next(_steps)
    except StopIteration:
        report.write_table()
        if report.has_failed():
            os._exit(1)
        bpy.ops.wm.quit_blender()  # as a user does: what the extension does at exit is part of the test
    except BaseException as problem:
        traceback.print_exc()
        report.check("every step could be done", False, f"{type(problem).__name__}: {problem}")
        report.write_table()
        for _ in report.shoot("failed"):
            time.sleep(0.1)
        os._exit(1)
    return None


_steps = all_parts()
bpy.app.timers.register(tick, first_interval=2.0, persistent=True)
