"""An export in a Blender of its own: the exporters take seconds, and the artist's window must not wait for them.

The head goes there as a .blend of its own with the pixels that are painted and not yet saved; `child.py` writes the
file with the very functions that a script calls in the artist's Blender.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..beside import Beside, new_folder, run
from ..compat import save_copy
from ..head.export import ExportError, unfinished, with_suffix
from ..head.objects import HeadObjects
from .engine import unfinished_maps
from .presets import PRESETS

CHILD = Path(__file__).with_name("child.py")
REQUEST, RESULT, SCENE = "request.json", "result.json", "head.blend"


@dataclass(frozen=True)
class ExportRequest:
    """What is to be written. Plain values: it travels as JSON."""

    kind: str  # "fbx", "glb" or "engine"
    path: str
    preset: str = ""  # of an engine, a key of presets.PRESETS
    levels: bool = True
    map_size: int = 0


@dataclass
class Exporting(Beside):
    """A file being written; once the process has ended, `take` its path."""

    path: Path  # of the file

    def take(self) -> Path:
        """The file that was written.

        Raises:
            ExportError: it was not.
        """
        try:
            result = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ExportError(f"The export failed ({self.last_words}): try again.") from error
        if result["problem"]:
            raise ExportError(result["problem"])
        return Path(result["path"])

    def close(self) -> None:
        """End the process if it still runs; without a result the file is as it was before."""
        super().close()
        shutil.rmtree(unfinished_maps(self.path), ignore_errors=True)  # a crash leaves them too
        unfinished(self.path).unlink(missing_ok=True)


def start(head: HeadObjects, request: ExportRequest) -> Exporting:
    """Begin to write the head as it is now.

    Raises:
        ExportError: the disk is full, or no second Blender can be started.
    """
    try:
        with new_folder("export") as folder:
            painted = {}
            for number, image in enumerate(_images(head.head)):
                if image.is_dirty:
                    # Under its own file's name, which the exporters give to pictures.
                    name = bpy.path.basename(image.filepath) or bpy.path.clean_name(image.name)
                    file = folder / f"painted_{number}" / bpy.path.ensure_ext(name, ".png")
                    file.parent.mkdir()
                    save_copy(image, str(file))
                    painted[image.name] = str(file)
            # The mesh is named too: from the rig Blender comes first to its shape keys, by the drivers, and complains.
            data = {head.rig, head.head, head.head.data}
            bpy.data.libraries.write(str(folder / SCENE), data, path_remap="ABSOLUTE")
            path = with_suffix(request.path, _suffix(request))
            words = {**vars(request), "path": str(path), "head": head.head.name, "painted": painted}
            (folder / REQUEST).write_text(json.dumps(words), encoding="utf-8")
            return Exporting(folder, run(folder, _command(folder)), path)
    except (OSError, RuntimeError) as error:
        raise ExportError(f"The export cannot be started ({error}): free some space and try again.") from error


def _suffix(request: ExportRequest) -> str:
    return PRESETS[request.preset].extension if request.kind == "engine" else f".{request.kind}"


def _images(mesh: bpy.types.Object) -> list[bpy.types.Image]:
    """The images that the mesh's materials show."""
    materials = [slot.material for slot in mesh.material_slots if slot.material is not None]
    nodes = [node for material in materials if material.node_tree for node in material.node_tree.nodes]
    return list(dict.fromkeys(node.image for node in nodes if node.type == "TEX_IMAGE" and node.image is not None))


def _command(folder: Path) -> list[str]:
    if not bpy.app.binary_path:  # Blender as a Python module
        return [sys.executable, str(CHILD), str(folder)]
    options = ["--background", "--factory-startup", "--python-exit-code", "1", "--python", str(CHILD)]
    return [bpy.app.binary_path, *options, "--", str(folder)]
