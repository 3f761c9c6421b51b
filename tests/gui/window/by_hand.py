"""Correct by hand: a landmark dragged over the photo, the head solved again through it."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import eyes
import hand
import mien
import numpy as np
import reading
import report
from mathutils import Vector
from watch import watched

CHIN = 8
DRAG_PX = 14
SOLVE_S = 300


def pins() -> Iterator[float]:
    """Edit Pins, a drag, Ctrl-click on a second pin, Enter, Solve Again: all by mouse and keyboard."""
    blocks = mien.heads()[0].data.shape_keys.key_blocks
    for block in blocks:
        block.value = 0.0
    yield from reading.press_header("Correct by Hand")
    yield from eyes.press("mien.edit_pins")
    yield 1.0
    camera = bpy.context.scene.camera
    store = mien.module("pins.store")
    chin, brow = shown(CHIN), shown(19)
    yield from hand.move(*chin)
    yield from report.shoot("pins")
    yield from hand.drag(chin, (chin[0], chin[1] - DRAG_PX))
    yield from hand.drag(brow, (brow[0], brow[1] + DRAG_PX))
    report.check("a landmark dragged is a pin", set(store.pins_of(camera)) == {CHIN, 19}, store.pins_of(camera))
    wanted = store.pins_of(camera)[CHIN]
    yield from report.shoot("pins_dragged")
    yield from hand.click(brow[0], brow[1] + DRAG_PX, modifier="ctrl")
    report.check("Ctrl-click takes a pin away", set(store.pins_of(camera)) == {CHIN}, store.pins_of(camera))
    yield from hand.key("Return")
    before = seen(CHIN)
    package = mien.heads()[0].parent["mien_package"]
    with watched("Solve Again"):
        yield from eyes.press("mien.solve_again")
        solved = lambda: mien.heads()[0].parent["mien_package"] != package and not mien.works()  # noqa: E731
        yield from mien.until(solved, SOLVE_S, "the head solved again")
        yield 1.0
    after = seen(CHIN)
    missed = [float(np.linalg.norm(np.subtract(place, wanted))) for place in (before, after)]
    report.check(
        "solved again, the chin is at its pin", missed[1] < 1.5 < missed[0], f"{missed[0]:.1f} to {missed[1]:.1f} px"
    )
    yield from report.shoot("solved_again")
    yield from reading.press_header("Correct by Hand")
    eyes.area().spaces.active.region_3d.view_perspective = "PERSP"


def world(landmark: int) -> Vector:
    landmarks = mien.module("head.landmarks").landmarks_of
    return Vector(landmarks(mien.heads()[0], bpy.context.evaluated_depsgraph_get())[landmark])


def seen(landmark: int) -> tuple[float, float]:
    """Where the photo shows a landmark of the head: pixels."""
    return mien.module("pins.places").pixel_of_world(bpy.context.scene.camera, world(landmark))


def shown(landmark: int) -> tuple[float, float]:
    """Where the window shows it."""
    view = eyes.region("WINDOW")
    places = mien.module("pins.places")
    place = places.region_of_world(view, eyes.area().spaces.active.region_3d, np.array([world(landmark)]))[0]
    return place[0] + view.x, place[1] + view.y
