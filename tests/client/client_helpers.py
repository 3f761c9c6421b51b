"""What the tests of the client share: blender_addon mounted as a package of another name, jobs, launches, waiting."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "mien_client"
PORTRAIT = ROOT / "examples" / "astronaut.png"
SCRIPTED = Path(__file__).with_name("scripted_backend.py")
#: Shared by all test runs: warp compiles its kernels once.
WARP_CACHE = Path(tempfile.gettempdir()) / "mien_test_warp_cache"
#: A backend's start on a machine with other work to do. A bound on waiting, not a promise to users.
START_S = 60.0

if PACKAGE not in sys.modules:
    module = types.ModuleType(PACKAGE)
    module.__path__ = [str(ROOT)]
    sys.modules[PACKAGE] = module


def addon(name: str):
    return importlib.import_module(f"{PACKAGE}.blender_addon.{name}")


def messages():
    """The messages as the client sees them: not the classes of `neural_backend.protocol.messages`."""
    return importlib.import_module(f"{PACKAGE}.neural_backend.protocol.messages")


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WARP_CACHE_PATH": str(WARP_CACHE)}


def launch(folder: Path, *command: str):
    return addon("connection").Launch(command, environment(), folder, folder / "backend.log")


def fit_job(output: Path, name: str = "head", photo: Path = PORTRAIT, clean=None):
    fit = messages().Fit

    def request(job: str):
        return fit(job, (str(photo),), str(output), name, "draft", 1024)

    return addon("jobs").Job(request, name, clean)


def until(condition, seconds: float, client=None) -> None:
    """Wait for a condition, pumping as Blender does; fails the test when it takes longer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        if client is not None:
            client.pump()
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """A process that runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
