"""Run by the Blender that `beside.py` starts: writes one file, and says in result.json what came of it."""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "mien_in_child"


def main(folder: Path) -> None:
    # The extension is not enabled here and need not be: its packages are enough. Nothing is written beside them.
    sys.dont_write_bytecode = True
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(ROOT)]
    sys.modules[PACKAGE] = package

    def load(name: str) -> types.ModuleType:
        return importlib.import_module(f"{PACKAGE}.blender_addon.{name}")

    beside, export = load("export.beside"), load("head.export")
    result = {"path": "", "problem": ""}
    try:
        words = json.loads((folder / beside.REQUEST).read_text(encoding="utf-8"))
        head_name, painted = words.pop("head"), words.pop("painted")
        request = beside.ExportRequest(**words)
        head = _take_over(load, folder / beside.SCENE, head_name, painted)
        if request.kind == "engine":
            presets = load("export.presets")
            options = presets.ExportOptions(levels=request.levels, map_size=request.map_size)
            engine = load("export.engine")
            path = engine.export_for_engine(bpy.context, head, presets.PRESETS[request.preset], request.path, options)
        else:
            write = {"fbx": export.export_fbx, "glb": export.export_glb}[request.kind]
            path = write(bpy.context, head, request.path)
        result["path"] = str(path)
    except export.ExportError as error:
        result["problem"] = str(error)
    (folder / beside.RESULT).write_text(json.dumps(result), encoding="utf-8")


def _take_over(load, scene: Path, head_name: str, painted: dict[str, str]):
    """The head of the artist's scene, in an empty scene of this Blender's own."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(scene)) as (there, here):
        here.objects = there.objects
    for thing in here.objects:
        bpy.context.scene.collection.objects.link(thing)
    for name, file in painted.items():
        image = bpy.data.images[name]
        if image.packed_file is not None:
            image.unpack(method="REMOVE")
        image.filepath = file
        image.reload()
    bpy.context.view_layer.update()
    return load("head.objects").head_of(bpy.data.objects[head_name])


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
