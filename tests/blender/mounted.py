"""The checkout as a package for scripts that run in a bare bpy: nothing is registered."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "mien_mounted"


def load(name: str):
    """load("head.build") -> that module of blender_addon."""
    if PACKAGE not in sys.modules:
        module = types.ModuleType(PACKAGE)
        module.__path__ = [str(ROOT)]
        sys.modules[PACKAGE] = module
    return importlib.import_module(f"{PACKAGE}.blender_addon.{name}")
