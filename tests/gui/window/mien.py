"""The installed extension and what it made, as the steps look at it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import bpy

PACKAGE = "bl_ext.user_default.mien"


class TimeOutError(Exception):
    pass


def module(name: str) -> ModuleType:
    """A module of the extension; asked anew each time, since disabling and enabling loads it anew."""
    return sys.modules[f"{PACKAGE}.blender_addon.{name}"]


def session():
    return module("session").get()


def preferences():
    return bpy.context.preferences.addons[PACKAGE].preferences


def settings():
    return bpy.context.scene.mien_fit


def works() -> list:
    return session().works


def backend_pid() -> int | None:
    """The process that runs the backend, looked for among all: what the extension believes is what is tested."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"neural_backend.server" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    return None


def heads() -> list[bpy.types.Object]:
    """The heads of the scene, as the panels find them."""
    objects = module("head.objects")
    return [thing for thing in bpy.context.scene.objects if thing.get(objects.ROLE_PROPERTY) == "head"]


def modal() -> list[str]:
    """The operators that run in the window."""
    return [operator.bl_idname.replace("_OT_", ".").lower() for operator in window().modal_operators]


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def heads_folder() -> Path:
    return module("paths").heads_folder(preferences().heads_folder)


def on_disk() -> set[str]:
    """Everything in the folder of heads, hidden names too."""
    folder = heads_folder()
    return set(os.listdir(folder)) if folder.is_dir() else set()


def data_names() -> dict[str, set[str]]:
    """Every datablock that a fit could leave."""
    kinds = ("objects", "meshes", "armatures", "materials", "images", "cameras", "collections", "actions")
    return {kind: {block.name for block in getattr(bpy.data, kind)} for kind in kinds}


def until(holds: Callable[[], bool], seconds: float, what: str, beat: float = 0.1) -> Iterator[float]:
    """Wait by the clock; returns the seconds that it took."""
    began = time.perf_counter()
    while not holds():
        if time.perf_counter() - began > seconds:
            raise TimeOutError(f"{what}: not within {seconds:g} s")
        yield beat
    return time.perf_counter() - began
