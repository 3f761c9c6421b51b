"""From an empty scene to a head that is animated and saved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bpy
import eyes
import hand
import mien
import numpy as np
import reading
import report
from watch import NO_BLOCK, Watch

REPOSITORY = Path(os.environ["REPOSITORY"])
PHOTOS = Path(tempfile.gettempdir()) / "photos"
SAVED = PHOTOS.with_name("astronaut.blend")
FIT_S = 420  # at most, on two busy cores


def start() -> Iterator[float]:
    """A window as a user has it, with the sidebar open at Mien; the default cube gone."""
    preferences = bpy.context.preferences
    preferences.view.show_splash = False
    preferences.view.filebrowser_display_type = "SCREEN"  # without a window manager a second window hides the first
    preferences.view.smooth_view = 0
    preferences.inputs.use_mouse_continuous = False  # the pointer is led by absolute places
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    mien.preferences().python_path = os.environ["VENV"] + "/bin/python"
    PHOTOS.mkdir(exist_ok=True)
    for photo in ("astronaut.png", "grace_hopper.jpg"):
        shutil.copy(REPOSITORY / "examples" / photo, PHOTOS)
    eyes.area().spaces.active.show_region_ui = True
    yield 1.0
    yield from hand.focus()
    view = eyes.region("WINDOW")
    yield from hand.click(view.x + 200, view.y + 200)
    eyes.region("UI").active_panel_category = "Mien"
    eyes.area().tag_redraw()
    yield 1.0
    report.check("the extension is enabled", mien.PACKAGE in preferences.addons, bpy.app.version_string)
    yield from mien.until(lambda: mien.session().check is not None, 60, "checking the backend's Python")
    report.check("the backend's Python is found complete", mien.session().check.is_ready, mien.session().check)
    yield from report.shoot("start")


def photo() -> Iterator[float]:
    """Add Photos with the mouse, the file with the keyboard."""
    yield from eyes.press("mien.add_photos", across=0.96)
    yield from choose_file(PHOTOS / "astronaut.png")
    yield from mien.until(lambda: len(mien.settings().photos) == 1, 10, "the photo in the list")
    path = str(PHOTOS / "astronaut.png")
    report.check("the chosen photo is in the list", mien.settings().photos[0].path == path, path)
    yield from mien.until(lambda: mien.module("inspections").verdict(path) is not None, 120, "the look at the photo")
    verdict = mien.module("inspections").verdict(path)
    report.check("a face is found in it when it is added", not verdict.problem, verdict)
    yield 1.0
    yield from report.shoot("photo_added")


def choose_file(path: Path) -> Iterator[float]:
    """In the file browser: the folder by Ctrl-L, the name in its field, and the button."""
    has_browser = lambda: any(area.type == "FILE_BROWSER" for area in eyes.window().screen.areas)  # noqa: E731
    yield from mien.until(has_browser, 10, "the file browser")
    yield 1.0
    files = eyes.region("WINDOW", "FILE_BROWSER")
    yield from hand.move(files.x + files.width / 2, files.y + files.height / 2)
    yield from hand.key("ctrl+l")
    yield from hand.key("ctrl+a")
    yield from hand.write(str(path.parent))
    yield from hand.key("Return")
    yield 1.0
    row = eyes.region("EXECUTE", "FILE_BROWSER")
    yield from hand.click(row.x + row.width * 0.25, row.y + row.height / 2)
    yield from hand.key("ctrl+a")
    yield from hand.write(path.name)
    yield from hand.key("Return")
    yield from report.shoot("file_browser")
    yield from hand.move(row.x + row.width * 0.25, row.y + row.height / 2)
    for _ in range(3):  # leaving the field by Return may already confirm
        if not has_browser():
            return
        yield from hand.move(files.x + files.width / 2, files.y + files.height / 2)
        yield from hand.key("Return")
        yield 1.0
    raise eyes.NotFoundError(f"the file browser does not take {path}")


def fit() -> Iterator[float]:
    """Fit from Photo with the mouse; the view is turned with the mouse until the head is there."""
    place = yield from eyes.find("mien.fit_photos")
    view = eyes.region("WINDOW")
    rotation = eyes.area().spaces.active.region_3d.view_rotation.copy()
    watch = Watch()
    watch.start()
    yield from hand.click(*place)
    yield from mien.until(lambda: bool(mien.works()), 5, "the fit under way")
    work = mien.works()[0]
    centre = (view.x + view.width / 2, view.y + view.height / 2)
    turns, turned = 0, 0.0
    for step in range(FIT_S):
        if work.job.is_over:
            break
        side = 120 if step % 2 else -120
        yield from hand.drag(centre, (centre[0] + side, centre[1] + side / 4), button=2)
        turns += 1
        now = eyes.area().spaces.active.region_3d.view_rotation
        turned = max(turned, rotation.rotation_difference(now).angle)  # at the end it may be back where it was
    else:
        raise mien.TimeOutError(f"the fit: not within {turns} turns of the view")
    yield from mien.until(lambda: bool(mien.heads()), 120, "the head in the scene", 0.05)
    yield 1.0
    watch.stop()
    keys = mien.heads()[0].data.shape_keys.key_blocks
    report.check("head in the scene after the fit, with 52 shapes", len(keys) == 53, f"{len(keys) - 1} and Basis")
    report.check("the view turned with the mouse during the fit", turned > 0.05, f"{turns} drags, {turned:.2f} rad")
    _report_watch(watch)
    yield from report.shoot("head_fitted")


def _report_watch(watch: Watch) -> None:
    report.measure("fit, from the press to the head", f"{watch.seconds:.0f} s, {watch.ticks} looks at the main thread")
    rate = len(watch.draws) / watch.seconds
    report.check("the 3D view was drawn all the while", rate > 0.2, f"{len(watch.draws)} times, {rate:.1f} a second")
    gap = watch.longest_without_picture()
    report.check("longest time without a new picture of the view", gap < 15, f"{gap:.2f} s (in software OpenGL)")
    longest = watch.longest()
    report.measure("main thread held longest, by anything", f"{longest.seconds * 1000:.0f} ms: {longest.what}")
    building = [block for block in watch.blocks if "blender_addon/head/" in block.ours]
    others = [block for block in watch.blocks if block not in building]
    for when, blocks in (("while the fit ran", others), ("as the head came into the scene", building)):
        ours = max(blocks, key=lambda block: block.ours_s, default=NO_BLOCK)
        report.measure(f"... by Mien's Python {when}", f"{ours.ours_s * 1000:.0f} ms: {ours.ours}")
        if blocks is building:
            whole = max((block.seconds for block in building), default=0.0)
            report.measure("... until the next turn of the main loop", f"{whole * 1000:.0f} ms, with what it set off")
    slowest = mien.session().slowest_tick_s
    report.check("slowest tick of the pump (limit 20 ms)", slowest < 0.02, f"{slowest * 1000:.1f} ms")
    for block in sorted(watch.blocks, key=lambda block: -block.ours_s)[:5]:
        print(f"    block of {block.seconds * 1000:.0f} ms, Mien {block.ours_s * 1000:.0f} ms: {block.ours}")


def slider() -> Iterator[float]:
    """Open Expressions and a region, drag jawOpen, key it by its diamond."""
    yield from frame_head()
    yield from reading.press_header("Photos")  # the list's panel is not needed for the rest
    yield from reading.press_header("Expressions")
    yield from reading.press_header("Jaw")
    head = mien.heads()[0]
    before = evaluated(head)
    x, y = yield from eyes.find(lambda answer: 'key_blocks["jawOpen"].value' in answer)
    yield from hand.drag((x - 20, y), (x + 60, y))
    value = head.data.shape_keys.key_blocks["jawOpen"].value
    moved = np.abs(evaluated(head) - before).max() * 1000
    report.check("dragging the slider set the shape", value > 0.05, f"jawOpen {value:.2f}")
    report.check("the slider moved the mesh", moved > 1, f"{moved:.1f} mm at most")
    yield from report.shoot("slider")
    yield from eyes.press('insert_expression_keys(shape="jawOpen"', across=0.97)
    action = head.data.shape_keys.animation_data and head.data.shape_keys.animation_data.action
    paths = [curve.data_path for curve in action.fcurves] if action else []
    report.check("the diamond made a keyframe", paths == ['key_blocks["jawOpen"].value'], paths)
    yield from report.shoot("keyframe")


def frame_head() -> Iterator[float]:
    """The head fills the view: with the keys that an artist presses."""
    view = eyes.area().spaces.active
    view.shading.type, view.shading.color_type = "SOLID", "TEXTURE"
    view.overlay.show_floor = view.overlay.show_cursor = view.overlay.show_bones = view.overlay.show_extras = False
    view.overlay.show_relationship_lines = False
    place = eyes.region("WINDOW")
    yield from hand.move(place.x + place.width / 2, place.y + place.height / 2)
    yield from hand.key("KP_1")
    yield from hand.key("KP_Decimal")
    yield 1.5


def evaluated(head: bpy.types.Object) -> np.ndarray:
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    return vertices.reshape(-1, 3)


def saved() -> Iterator[float]:
    """Save, load again: the head is a head again."""
    bpy.ops.wm.save_as_mainfile(filepath=str(SAVED))
    yield 0.5
    bpy.ops.wm.open_mainfile(filepath=str(SAVED))
    yield 2.0
    keys = mien.heads()[0].data.shape_keys
    curves = [curve.data_path for curve in keys.animation_data.action.fcurves]
    report.check("saved and opened again", len(keys.key_blocks) == 53, f"{SAVED.stat().st_size / 1e6:.0f} MB")
    value = keys.key_blocks["jawOpen"].value
    report.check("... with its keyframe and its value", bool(curves) and value > 0.05, curves)
    report.check("... with the list of photos", len(mien.settings().photos) == 1, mien.settings().photos[0].path)
    with bpy.context.temp_override(window=eyes.window(), area=eyes.area()):
        eyes.area().spaces.active.show_region_ui = True
    yield 1.0
