"""Which maps of a head the artist has painted, as PNG files for the backend."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..compat import save_copy
from ..head.materials import SET_PROPERTY, map_image
from ..head.objects import HeadObjects

PAINTABLE = ("diffuse", "specular", "roughness", "normal")


class PaintError(Exception):
    """A painted map cannot be written; one sentence for the artist."""


def painted_maps(head: HeadObjects, package: Path, folder: Path) -> tuple[tuple[str, ...], ...]:
    """(map, file) of each map of the skin that is not as its package has it, or holds paint of before; copies go into
    `folder`.

    A map that is not packed but painted into its file is the package's own file: there is nothing to compare it with.

    Raises:
        PaintError: a file cannot be written.
    """
    skin = next((each for each in head.head.data.materials if each and each.get(SET_PROPERTY) == "skin"), None)
    found = []
    for name in PAINTABLE if skin is not None else ():
        image, written = map_image(skin, name), package / "maps" / f"{name}.png"
        if image is None or not written.is_file():
            continue
        file = folder / f"{name}.png"
        try:
            if image.is_dirty:
                save_copy(image, str(file))
            elif image.packed_file is not None and image.packed_file.data != written.read_bytes():
                file.write_bytes(image.packed_file.data)
            elif image.packed_file is None and not _same(other := Path(bpy.path.abspath(image.filepath)), written):
                file = other  # painted elsewhere
            elif (package / "maps" / f"{name}_locked.png").is_file():
                file = written  # painted before an earlier Solve Again: still locked
            else:
                continue
        except (OSError, RuntimeError) as error:
            raise PaintError(f"The painted {name} map cannot be written ({error}): free some space.") from error
        found.append((name, str(file)))
    return tuple(found)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
