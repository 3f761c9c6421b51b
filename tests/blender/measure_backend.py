"""Measures the live backend from inside Blender and prints a table; asserts nothing.

    .venv/bin/python tests/blender/measure_backend.py [--quality standard] [--maps 2048] [--fits 3] [--cancels 20]

Pumped by hand every 50 ms, as Blender's timer does it in a window: how long the pump and the panel held the main thread
at most during whole fits, how long the finished head took to come into the scene, cancel to idle at random moments,
what was left in the folder after cancels, and the memory of both processes after each fit.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import conftest  # noqa: E402 - first: it prepares what importing bpy looks at, and makes addon_utils importable

addon_utils = importlib.import_module("addon_utils")
bpy = conftest.bpy

from backend_helpers import PORTRAIT, backend_environment, backend_python  # noqa: E402
from conftest import MODULE, REPOSITORY, _mount_folder  # noqa: E402
from test_photos import Layout  # noqa: E402


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


class Clock:
    """Longest and median of what was timed."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def time(self, function, *arguments):
        started = time.perf_counter()
        result = function(*arguments)
        self.seconds.append(time.perf_counter() - started)
        return result

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        if not ordered:
            return "-"
        return f"median {ordered[len(ordered) // 2] * 1e3:.2f} ms, longest {ordered[-1] * 1e3:.1f} ms of {len(ordered)}"


def enable(heads: Path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    repository = bpy.context.preferences.extensions.repos.new(
        name=REPOSITORY, module=REPOSITORY, custom_directory=str(_mount_folder())
    )
    repository.use_custom_directory = repository.enabled = True
    addon_utils.enable(MODULE, default_set=True)
    backend_environment()
    modules = {name: sys.modules[f"{MODULE}.blender_addon.{name}"] for name in ("session", "preferences")}
    chosen = modules["preferences"].preferences()
    chosen.python_path, chosen.heads_folder = backend_python(), str(heads)
    return modules["session"]


def draw_panel() -> None:
    panel = sys.modules[f"{MODULE}.blender_addon.panels.photos"].MIEN_PT_photos
    panel.draw(type("Panel", (), {"layout": Layout()})(), bpy.context)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quality", default="draft", choices=("draft", "standard", "high"))
    parser.add_argument("--maps", type=int, default=1024, choices=(1024, 2048, 4096))
    parser.add_argument("--fits", type=int, default=3)
    parser.add_argument("--cancels", type=int, default=20)
    options = parser.parse_args()
    heads = Path(tempfile.mkdtemp(prefix="mien_measure_"))
    session = enable(heads)
    builds = sys.modules[f"{MODULE}.blender_addon.head.build"]
    jobs = sys.modules[f"{MODULE}.operators.job_operator"]
    pump, panel, submit, build = Clock(), Clock(), Clock(), Clock()
    print(f"Blender {bpy.app.version_string}, {os.cpu_count()} cores, {options.quality}, maps {options.maps}")

    def start():
        return submit.time(
            session.submit_fit, (str(PORTRAIT),), "measured", options.quality, options.maps, 0, True
        )  # fmt: skip

    def wait(work, until=lambda view: False) -> None:
        while not work.job.is_over and not until(work.job.view):
            pump.time(session.pump)
            panel.time(draw_panel)
            time.sleep(0.05)

    durations, memory = [], []
    for _ in range(options.fits):
        started = time.perf_counter()
        work = start()
        wait(work)
        durations.append(time.perf_counter() - started)
        assert work.path, work.job.view.error
        package = jobs.read_and_check(work.path)  # in the extension a thread does this
        head = builds.HeadBuild(bpy.context, package, builds.BuildOptions())
        while not build.time(head.advance, jobs.SLICE_S):
            pass
        del head
        session.dismiss(work)
        bpy.ops.wm.read_homefile(use_empty=True)  # the head leaves again
        del package
        gc.collect()
        memory.append((memory_mb(os.getpid()), memory_mb(session.get().client.pid)))

    chance, idle, left = random.Random(1), Clock(), 0
    longest = min(durations)
    before = set(os.listdir(heads))
    for _ in range(options.cancels):
        work, at = start(), time.perf_counter() + chance.uniform(0, longest)
        wait(work, lambda view, at=at: time.perf_counter() > at)
        session.get().client.cancel(work.job)

        def to_idle(work=work):
            while not work.job.wait(0.002):
                session.pump()

        idle.time(to_idle)
        left += len(set(os.listdir(heads)) - before) if work.job.view.state.value == "cancelled" else 0
        session.dismiss(work)

    session.close(6.0)
    rows = [
        ("fits, seconds", ", ".join(f"{value:.1f}" for value in durations)),
        ("main thread held by the pump", pump),
        ("... by drawing the panel (layout double)", panel),
        ("... by submitting", submit),
        ("... by a slice of the finished head", build),
        ("cancel to idle, at random moments", idle),
        ("files left by cancelled fits", left),
        ("memory of Blender after each fit, MB", ", ".join(f"{blender:.0f}" for blender, _ in memory)),
        ("memory of the backend after each fit, MB", ", ".join(f"{backend:.0f}" for _, backend in memory)),
    ]
    for name, value in rows:
        print(f"{name:<42} {value}")
    sys.stdout.flush()
    os._exit(0)  # bpy 4.2 may crash while the interpreter shuts down


if __name__ == "__main__":
    main()
