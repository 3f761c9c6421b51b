"""What this Blender has of the backend: the one client, the installer, the works, the pump that keeps them going.

Module-level by nature: there is one per process, it outlives .blend files, and it ends with the extension or Blender.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from ..neural_backend.protocol import messages
from ..neural_backend.protocol.errors import MienError
from . import backend_env, paths, pictures
from .backend_env import Check
from .client import Client, Patience
from .installer import Installer
from .jobs import Job, State
from .preferences import preferences
from .work import Work

log = logging.getLogger(__name__)

BUSY_S, IDLE_S = 0.05, 0.5  # between ticks of the pump
LEAVING_S = 3.0  # for the backend to clean up when Blender quits


@dataclass
class Session:
    client: Client
    works: list[Work] = field(default_factory=list)
    inspections: dict[str, Job] = field(default_factory=dict)  # photo path -> job
    installer: Installer | None = None
    check: Check | None = None  # of the Python named by checked
    checked: str = ""
    file: int = 0  # counts loaded .blend files
    slowest_tick_s: float = 0.0  # how long the pump held Blender's main thread at most
    ticks: int = 0


_session: Session | None = None


def get() -> Session:
    """The session, made when it is first needed."""
    global _session
    if _session is None:
        _session = Session(Client(_find_launch, Patience()))
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=BUSY_S, persistent=True)
    return _session


def peek() -> Session | None:
    """The session if there is one already: for what must not start anything."""
    return _session


def _find_launch():
    chosen = preferences()
    python = backend_env.find_python(paths.backend_folder(), chosen.python_path)
    return backend_env.launch(python, paths.ROOT, paths.backend_folder(), paths.backend_log())


# --- works


def _free_name(folder: Path, wanted: str, kind: str = "head") -> str:
    """A name that neither the folder nor a work under way has taken."""
    under_way = [work.name for work in get().works if work.is_under_way and work.kind == kind]
    return paths.free_name(folder, wanted, under_way, f".{kind}")


def submit_fit(
    photos: tuple[str, ...],
    name: str,
    quality: str,
    map_size: int | None,
    seed: int,
    keep_photos: bool,
    folder: Path | None = None,
) -> Work:
    """Give a fit to the backend.

    Raises:
        MienError: a photo is not there, the folder cannot be used, or there is no backend.
    """
    if not photos:
        raise MienError("no_photo", "No photo was given: add at least one photo of a face.")
    folder = folder or paths.heads_folder(preferences().heads_folder)
    name = _free_name(folder, name)

    def request(job: str) -> messages.Message:
        return messages.Fit(
            job=job,
            photos=photos,
            output=str(folder),
            name=name,
            quality=quality,
            map_size=map_size,
            device=preferences().device.lower(),
            seed=seed,
            keep_photos=keep_photos,
        )

    return _submit(request, photos, name, folder)


def submit_solve(
    head: str,
    target: str,
    name: str,
    pins: tuple[tuple[float, ...], ...],
    painted: tuple[tuple[str, ...], ...],
    quality: str,
) -> Work:
    """Let a head be solved again; `head` is the package's place, `target` the uuid of the head in the scene.

    Raises:
        MienError: there is no backend, or the folder cannot be used.
    """
    folder = Path(head).parent
    if not os.access(folder, os.W_OK):
        folder = paths.heads_folder(preferences().heads_folder)  # a head from a read-only place is solved at home
    name = _free_name(folder, name)

    def request(job: str) -> messages.Message:
        return messages.SolveAgain(
            job=job,
            head=head,
            output=str(folder),
            name=name,
            pins=pins,
            painted=painted,
            quality=quality,
            device=preferences().device.lower(),
        )

    return _submit(request, (), name, folder, target=target)


def submit_capture(
    head: str,
    target: str,
    sources: tuple[str, ...],
    name: str,
    frame_rate: float | None = None,
    stride: int = 1,
    smoothing: float = 1.0,
    neutral: str = "clip",
) -> Work:
    """Give footage to the backend; `head` is the package's place, `target` the uuid of the head in the scene.

    Raises:
        MienError: there is no backend.
    """
    folder = paths.takes_folder()
    name = _free_name(folder, name, "take")

    def request(job: str) -> messages.Message:
        return messages.CaptureExpression(
            job=job,
            head=head,
            sources=sources,
            output=str(folder),
            name=name,
            frame_rate=frame_rate,
            stride=stride,
            smoothing=smoothing,
            neutral=neutral,
            device=preferences().device.lower(),
        )

    return _submit(request, sources, name, folder, kind="take", target=target)


def _submit(
    request: Callable[[str], messages.Message],
    sources: tuple[str, ...],
    name: str,
    folder: Path,
    kind: str = "head",
    target: str = "",
) -> Work:
    session = get()
    job = Job(request, name, clean=lambda: paths.remove_unfinished(folder, name))
    session.client.submit(job)
    work = Work(job, sources, name, session.file, kind=kind, target=target)
    read = [other for other in session.works if other.kind == kind and other.job.view.state is State.FAILED]
    session.works = [other for other in session.works if other not in read] + [work]
    return work


def find(work_id: str) -> Work | None:
    """The work of that id; operators keep ids, never works."""
    session = peek()
    works = [] if session is None else session.works
    return next((work for work in works if work.id == work_id), None)


def dismiss(work: Work) -> None:
    session = get()
    session.works = [other for other in session.works if other is not work]
    pictures.forget(work.id)


def wait(work: Work) -> None:
    """Until the job is over, pumping: for scripts and background mode, where no timer runs."""
    get().client.wait(work.job, beat=_after_change)


# --- the backend's environment


def is_available() -> bool:
    """Is there something that looks like a backend? Looks at files only: panels and polls ask this."""
    try:
        backend_env.find_python(paths.backend_folder(), preferences().python_path)
    except MienError:
        return False
    return True


def check_backend() -> None:
    """Ask the backend's Python what it has, in a thread; `Session.check` has the answer some time later."""
    session = get()
    try:
        python = backend_env.find_python(paths.backend_folder(), preferences().python_path)
    except MienError as error:
        session.check, session.checked = Check("", "", (), error.sentence), ""
        return
    session.check, session.checked = None, str(python)

    def run() -> None:
        found = backend_env.check_python(python)
        if session.checked == str(python):  # otherwise another was chosen in the meantime
            session.check = found

    threading.Thread(target=run, name="mien-check", daemon=True).start()


def install(base_python: Path, index: str = "") -> Installer:
    session = get()
    session.client.close()  # on Windows a running Python cannot be replaced
    session.installer = Installer(base_python, paths.backend_folder(), paths.install_log(), index=index)
    return session.installer


# --- the pump


def _tick() -> float | None:
    """Called by Blender's timer. Never waits: what takes time happens in other threads."""
    session = _session
    if session is None:
        return None
    started = time.perf_counter()
    if session.client.pump():
        _after_change()
    installing = session.installer is not None and not session.installer.view.is_over
    if installing:
        redraw()
    session.ticks += 1
    session.slowest_tick_s = max(session.slowest_tick_s, time.perf_counter() - started)
    return BUSY_S if session.client.jobs or installing else IDLE_S


def pump() -> None:
    """One tick by hand, for background mode and tests."""
    _tick()


def _after_change() -> None:
    session = _session
    if session is None:
        return
    for work in session.works:
        partial = work.job.view.partial
        if partial is not None:
            pictures.show(work.id, partial)
    session.works = [work for work in session.works if work.job.view.state is not State.CANCELLED]
    redraw()


def redraw() -> None:
    """Ask for new pictures of every sidebar."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "PREFERENCES"}:
                for region in area.regions:
                    if region.type in {"UI", "WINDOW"} and (region.type == "UI" or area.type == "PREFERENCES"):
                        region.tag_redraw()


def revive() -> None:
    """After a file was loaded: the timer runs, and works know that they were started in another file."""
    if _session is None:
        return
    _session.file += 1
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=BUSY_S, persistent=True)


def close(seconds: float = 0.0) -> None:
    """End everything. Works under way are stopped; finished heads stay on disk."""
    global _session
    session, _session = _session, None
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if session is None:
        return
    if session.installer is not None:
        session.installer.cancel()
    session.client.close(seconds)


def _at_exit() -> None:
    session = _session
    if session is not None:
        if session.installer is not None:
            session.installer.cancel()
        session.client.close(LEAVING_S)


def register() -> None:
    atexit.register(_at_exit)


def unregister() -> None:
    atexit.unregister(_at_exit)
    close()
