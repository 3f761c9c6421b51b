"""What goes wrong or is changed midway: cancelling, a killed backend, another file, the extension disabled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import eyes
import hand
import mien
import reading
import report
from first_head import FIT_S, PHOTOS, SAVED, choose_file


def cancel() -> Iterator[float]:
    """A second fit, stopped with the mouse while it works."""
    yield from _show_photos()
    mien.settings().quality = "DRAFT"
    disk, data = mien.on_disk(), mien.data_names()
    work = yield from _press_fit()
    yield from mien.until(lambda: work.job.view.partial is not None, FIT_S, "a first picture of the fit")
    yield 1.0
    yield from report.shoot("fit_running")
    place = yield from eyes.find("mien.cancel_job", across=0.9)
    under_way = work.is_under_way
    yield from hand.move(*place)
    pressed = time.perf_counter()
    yield from _click_and_time(*place)
    yield from mien.until(lambda: work.job.is_over, 5, "the fit cancelled", 0.01)
    seconds = time.perf_counter() - pressed
    report.check("Cancel was pressed while the fit ran", under_way, work.job.view.stage)
    report.check("cancelled, and idle within 1 s of the press", seconds < 1, f"{seconds:.2f} s, the press itself 0.2 s")
    report.check("... as cancelled, not failed", work.job.view.state.value == "cancelled", work.job.view.state.value)
    yield from mien.until(lambda: not mien.works(), 2, "the panel without the fit")
    yield 1.0
    report.check("... nothing left on disk", mien.on_disk() == disk, sorted(mien.on_disk()))
    report.check("... no new data in the file", mien.data_names() == data, f"{len(data['objects'])} objects as before")
    yield from report.shoot("cancelled")


def killed() -> Iterator[float]:
    """kill -9 of the backend in the middle of a fit; the panel says so; its button fits anew."""
    yield from _show_photos()
    mien.settings().quality = "DRAFT"
    work = yield from _press_fit()
    yield from mien.until(lambda: work.job.view.stage == "fit", FIT_S, "the fit at work")
    view = eyes.region("WINDOW")
    yield from hand.move(view.x + 300, view.y + 300)  # Blender shows the error at the mouse too; not over the panel
    pid = mien.backend_pid()
    os.kill(pid, signal.SIGKILL)
    seconds = yield from mien.until(lambda: work.job.is_over, 5, "the killed backend noticed", 0.01)
    error = work.job.view.error
    report.check("a backend killed in the middle is noticed", error is not None and seconds < 1, f"{seconds:.2f} s")
    report.check("... and said in a sentence", error is not None and error.code == "backend_died", error.text)
    yield 1.0
    yield from report.shoot("backend_killed")
    report.check("... nothing half-written stays", not [n for n in mien.on_disk() if "writing" in n], mien.on_disk())
    before = len(mien.heads())
    yield from eyes.press("mien.fit_photos")
    yield from mien.until(lambda: any(other.is_under_way for other in mien.works()), 5, "the next fit")
    seconds = yield from mien.until(lambda: len(mien.heads()) == before + 1, FIT_S, "the head of the next fit")
    report.check("the next Fit from Photo works", mien.backend_pid() not in (None, pid), f"{seconds:.0f} s")
    yield 1.0
    yield from report.shoot("recovered")


def no_face() -> Iterator[float]:
    """A picture without a face is refused as soon as it is added, with a sentence in the panel."""
    path = PHOTOS / "no_face.png"
    _write_grey(path)
    yield from _show_photos()
    yield from eyes.press("mien.add_photos", across=0.96)
    yield from choose_file(path)
    verdict = mien.module("inspections").verdict
    yield from mien.until(lambda: verdict(str(path)) is not None, 120, "the look at the photo")
    problem = verdict(str(path)).problem
    report.check("a picture without a face is refused at once", bool(problem), problem)
    yield 1.0
    yield from report.shoot("no_face")
    yield from eyes.press("mien.remove_photo", across=0.96)
    report.check("... and taken off the list again", len(mien.settings().photos) == 1, len(mien.settings().photos))


def _write_grey(path: Path) -> None:
    """A grey square: what no detector can take for a face."""
    image = bpy.data.images.new("no_face", 512, 512)
    image.pixels.foreach_set([0.4, 0.5, 0.45, 1.0] * (512 * 512))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def loaded() -> Iterator[float]:
    """Another file is opened in the middle of a fit: the fit goes on, its head is offered there."""
    yield from _show_photos()
    mien.settings().quality = "DRAFT"
    work_id = (yield from _press_fit()).id
    find = mien.module("session").find
    yield from mien.until(lambda: find(work_id).job.view.stage == "fit", FIT_S, "the fit at work")
    bpy.ops.wm.open_mainfile(filepath=str(SAVED))
    yield 2.0
    eyes.area().spaces.active.show_region_ui = True
    report.check("the fit goes on in another file", find(work_id).is_under_way, find(work_id).job.view.state.value)
    before = len(mien.heads())
    yield from mien.until(lambda: find(work_id).job.is_over, FIT_S, "the fit's end")
    yield 1.5
    report.check("its head waits for the artist", len(mien.heads()) == before, f"{before} heads in the file")
    yield from _show_photos()
    yield from report.shoot("finished_in_another_file")
    yield from eyes.press("mien.collect_head")
    yield from mien.until(lambda: len(mien.heads()) == before + 1, 120, "the head after Add to Scene")
    report.check("Add to Scene puts it in", find(work_id) is None, [head.name for head in mien.heads()])


def disabled() -> Iterator[float]:
    """The extension is disabled in the middle of a fit: no process and no half-written head stays."""
    yield from _show_photos()
    mien.settings().quality = "DRAFT"
    work = yield from _press_fit()
    yield from mien.until(lambda: work.job.view.stage == "fit", FIT_S, "the fit at work")
    folder, disk = mien.heads_folder(), mien.on_disk()
    pid = mien.backend_pid()
    report.check("the fit runs in a process", pid is not None, pid)
    bpy.ops.preferences.addon_disable(module=mien.PACKAGE)
    seconds = yield from mien.until(lambda: mien.backend_pid() is None, 15, f"the end of process {pid}")
    report.check("disabled in the middle: no process is left", seconds < 10, f"{seconds:.1f} s")
    report.check("... nothing half-written", set(os.listdir(folder)) == disk, sorted(os.listdir(folder)))
    yield 1.0
    yield from report.shoot("disabled")
    bpy.ops.preferences.addon_enable(module=mien.PACKAGE)
    yield 1.0
    report.check("enabled again", hasattr(bpy.types.Scene, "mien_fit") and not mien.works(), "")
    eyes.region("UI").active_panel_category = "Mien"
    eyes.area().tag_redraw()
    yield 1.0
    yield from report.shoot("enabled_again")


def quit_in_the_middle() -> Iterator[float]:
    """The last part: Blender quits while a fit runs; inside.sh looks for what is left of it."""
    mien.preferences().python_path = os.environ["VENV"] + "/bin/python"
    yield from _show_photos()
    work = yield from _press_fit()
    yield from mien.until(lambda: work.job.view.stage == "fit", FIT_S, "the fit at work")
    report.check("a fit runs as Blender quits", mien.backend_pid() is not None, mien.backend_pid())
    mark = report.OUT / "quit_in_the_middle"
    mark.write_text(str(mien.heads_folder()), encoding="utf-8")


def _press_fit() -> Iterator[float]:
    """Press Fit from Photo; returns the new work."""
    known = {work.id for work in mien.works()}
    yield from eyes.press("mien.fit_photos")
    new = lambda: [work for work in mien.works() if work.id not in known]  # noqa: E731
    yield from mien.until(lambda: bool(new()), 5, "the fit under way")
    return new()[-1]


def _show_photos() -> Iterator[float]:
    """Open the panel Photos if it is closed."""
    eyes.region("UI").active_panel_category = "Mien"
    eyes.area().tag_redraw()
    yield 1.0
    try:
        yield from eyes.find("mien.fit_photos", pages=1)
    except eyes.NotFoundError:
        yield from reading.press_header("Photos")


def _click_and_time(x: float, y: float) -> Iterator[float]:
    """A click of 0.2 s: what is timed begins with the press."""
    hand._do("xdotool mousedown 1")
    yield 0.2
    hand._do("xdotool mouseup 1")
