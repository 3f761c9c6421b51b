"""Blender's half of `mien fit`, for any Python that has bpy: package -> head.blend, head.fbx, head.glb, preview.png.

    python blender_addon/headless.py FOLDER.head --out DIR [--blend --fbx --glb --preview] [--photo FILE ...]

Standard output carries one JSON object per line and nothing else: {"done": 0.4, "text": "fbx"} while working,
{"written": "path"} for each file, {"error": "sentence"} at the end of a failure. What Blender prints goes to standard
error. Exit codes: 0 done, 2 wrong arguments, 3 unusable package, 4 a file cannot be written, 70 a bug of ours.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import logging
import os
import shutil
import sys
import traceback
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mien_extension"
KINDS = ("blend", "fbx", "glb", "preview")
OK, USAGE, BAD_PACKAGE, CANNOT_WRITE, BUG = 0, 2, 3, 4, 70


class Report:
    """The JSON lines. Takes file descriptor 1 for itself, so that no print of Blender's C code falls between them."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)

    def send(self, **message: object) -> None:
        self._stream.write(json.dumps(message) + "\n")
        self._stream.flush()


def mount() -> None:
    """Make the folder that holds blender_addon and neural_backend a package, as Blender does with an extension."""
    if PACKAGE not in sys.modules:
        module = types.ModuleType(PACKAGE)
        module.__path__ = [str(ROOT)]
        sys.modules[PACKAGE] = module


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A head package into Blender's files.")
    parser.add_argument("package", type=Path, help="the folder NAME.head")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true")
    parser.add_argument("--photo", type=Path, nargs="*", default=[], help="photos that the package itself leaves out")
    parser.add_argument("--tile", type=int, default=480, help="size of the preview's tiles in pixels")
    parser.add_argument("--samples", type=int, default=16, help="the preview's samples per pixel")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, report: Report) -> None:
    """Make the wanted files; without any of the four options, all of them."""
    import bpy

    mount()
    wanted = [kind for kind in KINDS if getattr(options, kind)] or list(KINDS)
    module = {
        name: importlib.import_module(f"{PACKAGE}.blender_addon.{name}")
        for name in ("head.build", "head.export", "head.package", "preview", "preview.scene")
    }
    report.send(done=0.0, text="building the head")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    package = module["head.package"].read_package(options.package)
    photos = tuple(
        dataclasses.replace(photo, file=file) if photo.file is None else photo
        for photo, file in zip(package.photos, [*options.photo, *[None] * len(package.photos)], strict=False)
    )
    package = dataclasses.replace(package, photos=photos)
    head = module["head.build"].build_head(bpy.context, options.package)
    options.out.mkdir(parents=True, exist_ok=True)

    # The preview takes nearly all the time.
    share = {"blend": 1.0, "fbx": 1.0, "glb": 3.0, "preview": 30.0}
    total, before = sum(share[kind] for kind in wanted), 0.0
    for kind in wanted:
        start = before / total
        report.send(done=round(start, 3), text=kind)
        if kind == "blend":
            module["preview.scene"].set_up_scene(bpy.context.scene, head)
            written = module["head.export"].save_blend(options.out / "head.blend")
        elif kind == "fbx":
            written = module["head.export"].export_fbx(bpy.context, head, options.out / "head.fbx")
        elif kind == "glb":
            written = module["head.export"].export_glb(bpy.context, head, options.out / "head.glb")
        else:

            def advance(done: float, text: str, start: float = start, length: float = share[kind] / total) -> None:
                report.send(done=round(start + done * length, 3), text=text)

            written = module["preview"].render_preview(
                head, package, options.out / "preview.png", advance, options.tile, options.samples
            )
        report.send(written=str(written))
        before += share[kind]
    report.send(done=1.0, text="done")


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    report = Report()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    try:
        run(options, report)
        return OK
    except Exception as error:  # the process's edge
        kind = type(error).__name__
        if kind == "PackageError":
            code, sentence = BAD_PACKAGE, str(error)
        elif kind == "ExportError" or isinstance(error, OSError):
            code, sentence = CANNOT_WRITE, str(error)
        else:
            code, sentence = BUG, f"Blender's half failed ({kind}: {error}): please report this with the log."
        traceback.print_exc()
        report.send(error=sentence)
        return code


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if "bpy" in sys.modules:
        shutil.rmtree(sys.modules["bpy"].app.tempdir, ignore_errors=True)  # what an orderly exit would do
    sys.stderr.flush()
    os._exit(status)  # bpy 4.2 may crash while the interpreter shuts down
