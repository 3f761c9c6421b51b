"""What the guide's pictures show, done on the way: expression, identity, export, preferences."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import bpy
import eyes
import hand
import mien
import numpy as np
import reading
import report
from first_head import PHOTOS, choose_file, evaluated, frame_head
from watch import watched

EXPORTED = PHOTOS / "astronaut.glb"


def identity() -> Iterator[float]:
    """A slider of the face's shape, dragged: the head follows, Basis stays."""
    head = mien.heads()[0]
    blocks = head.data.shape_keys.key_blocks
    blocks["jawOpen"].value = 0
    yield from reading.press_header("Expressions")  # closed again
    yield from reading.press_header("Identity")
    yield from reading.press_header("Nose")
    before = evaluated(head)
    x, y = yield from eyes.find("mien_identity.control_")
    yield from hand.drag((x - 20, y), (x + 70, y))
    yield 1.0
    moved = np.abs(evaluated(head) - before).max() * 1000
    report.check("an identity slider moves the head", moved > 0.5, f"{moved:.1f} mm at most")
    yield from report.shoot("identity")
    yield from eyes.press("mien.reset_identity(", across=0.96)
    yield 0.5
    left = np.abs(evaluated(head) - before).max() * 1000
    report.check("... and its Reset brings it back", left < 0.01, f"{left:.4f} mm")
    yield from hand.drag((x - 20, y), (x + 70, y))
    with watched("Apply Identity"):
        yield from eyes.press("mien.apply_identity(")
        yield from mien.until(lambda: "mien.apply_identity" in mien.modal(), 5, "Apply under way")
        yield from mien.until(lambda: "mien.apply_identity" not in mien.modal(), 60, "the identity applied")
        yield 1.0
    moved = np.abs(evaluated(mien.heads()[0]) - before).max() * 1000
    report.check("Apply makes it the head's own", moved > 0.5, f"{moved:.1f} mm at most")
    yield from report.shoot("applied")
    yield from undo()
    again = "Identity (unapplied)" in mien.heads()[0].data.shape_keys.key_blocks
    report.check("... which one undo takes back", again, f"{'sliders as before' if again else 'still applied'}")
    yield from eyes.press("mien.reset_identity(", across=0.96)
    yield from reading.press_header("Identity")


def undo() -> Iterator[float]:
    """Ctrl-Z over the view."""
    view = eyes.region("WINDOW")
    yield from hand.move(view.x + view.width / 2, view.y + view.height / 2)
    yield from hand.key("ctrl+z")
    yield 1.5


def expression() -> Iterator[float]:
    """A preset on the head, with a region's sliders open; the head lit by its materials."""
    yield from reading.press_header("Expressions")
    yield from reading.press_header("Mouth")
    bpy.ops.mien.apply_preset(name="Open Smile")
    yield from frame_head()
    value = mien.heads()[0].data.shape_keys.key_blocks["mouthSmileLeft"].value
    report.check("a preset sets the sliders", value > 0.5, f"mouthSmileLeft {value:.2f}")
    yield from report.shoot("expression")
    yield from reading.press_header("Expressions")


def export() -> Iterator[float]:
    """For an engine and as plain GLB with the mouse, the name with the keyboard; Blender goes on meanwhile."""
    yield from reading.press_header("Export")
    yield from report.shoot("export")
    for button, path, across in (
        ("export_engine", EXPORTED.with_suffix(".fbx"), 0.4), ("export_glb", EXPORTED, 0.7),
    ):  # fmt: skip
        yield from eyes.press(button, across)
        with watched(f"Export of {path.name}"):
            yield from choose_file(path)
            yield from report.shoot("exporting")
            seconds = yield from mien.until(path.exists, 120, path.name)
            yield 1.0
        size = path.stat().st_size / 1e6
        report.check(f"{button} writes a file", size > 1.0, f"{size:.1f} MB, {seconds:.0f} s after the browser")
    maps = sorted(path.name for path in EXPORTED.with_name(f"{EXPORTED.stem}_textures").iterdir())
    report.check("... and the engine's maps", any(name.endswith("_ORM.png") for name in maps), ", ".join(maps))
    yield from reading.press_header("Export")
    bpy.ops.mien.apply_preset(name="Neutral")


def imported() -> Iterator[float]:
    """Import Head of the head's own package, by the file browser; undone again."""
    before = len(mien.heads())
    package = Path(mien.heads()[0].parent["mien_package"])
    yield from eyes.press("mien.import_head")
    with watched("Import Head"):
        yield from choose_file(package / "head.json")
        yield from mien.until(lambda: len(mien.heads()) == before + 1, 120, "the head imported")
        yield 1.0
    report.check("Import Head from the browser", len(mien.heads()) == before + 1, f"{len(mien.heads())} heads")
    yield from report.shoot("imported")
    yield from undo()
    report.check("... which one undo takes back", len(mien.heads()) == before, f"{len(mien.heads())} heads")


def preferences() -> Iterator[float]:
    """The preferences as they are before anything is installed, offline and online."""
    chosen, area = mien.preferences(), eyes.area()
    chosen.python_path = ""
    yield 1.0
    yield from report.shoot("not_installed_offline")
    bpy.context.preferences.system.use_online_access = True
    area.type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "Mien"
    yield 1.0
    yield from _expand_addon()
    yield from report.shoot("preferences")
    area.type = "VIEW_3D"
    bpy.context.preferences.system.use_online_access = False
    chosen.python_path = os.environ["VENV"] + "/bin/python"
    yield 1.0
    area.spaces.active.show_region_ui = True
    eyes.region("UI").active_panel_category = "Mien"
    yield 1.0


def _expand_addon() -> Iterator[float]:
    """Press the arrow of the one add-on that the search has left."""
    panel = eyes.region("WINDOW", "PREFERENCES")
    for y in range(panel.y + panel.height - 10, panel.y + panel.height // 2, -eyes.ROW_STEP_PX):
        for x in (panel.x + 20, panel.x + 32):
            yield from hand.move(x, y, 0.1)
            if "addon_expand" in eyes.under_mouse("PREFERENCES", "WINDOW"):
                yield from hand.click(x, y - 4)
                yield 1.0
                return
    raise eyes.NotFoundError("the add-on's arrow was not found in the preferences")
