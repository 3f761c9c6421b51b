"""What the tests of the live backend share: its Python, its environment, a photo, waiting."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parents[2]
PORTRAIT = ROOT / "examples" / "astronaut.png"


def backend_python() -> str:
    """A Python with torch: this one, or .venv's where Blender's Python is another."""
    if importlib.util.find_spec("torch"):
        return sys.executable
    python = ROOT / ".venv" / "bin" / "python"
    assert python.is_file(), "The live backend needs .venv: run 'make setup' first."
    return str(python)


def backend_environment() -> None:
    """Let warp keep its kernels between test runs, and leave the other cores alone."""
    os.environ["WARP_CACHE_PATH"] = str(Path(tempfile.gettempdir()) / "mien_test_warp_cache")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def add_portrait() -> None:
    assert bpy.ops.mien.add_photos(directory=str(PORTRAIT.parent), files=[{"name": PORTRAIT.name}]) == {"FINISHED"}


def until(condition, seconds: float, beat=lambda: None) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        beat()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """A process that runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
