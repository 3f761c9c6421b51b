"""Head package -> objects in the scene: at once, or in slices short enough that no one sees Blender wait."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..slices import Removed, Slices
from .assembly import BuildOptions, assemble
from .images import MAP_PROPERTY
from .materials import SET_PROPERTY
from .objects import UNFINISHED_PROPERTY, HeadObjects
from .package import Package, PackageError, check_maps, read_package

__all__ = ["BuildOptions", "HeadBuild", "build_head", "read_and_check", "sweep"]

#: What a head is made of, users before what they use.
_KINDS = ("collections", "objects", "meshes", "armatures", "cameras", "materials", "images")


def read_and_check(path: Path | str) -> Package:
    """The package at `path` with all its files; no Blender, so that it can run in a thread.

    Raises:
        PackageError: the package cannot be used.
    """
    package = read_package(path)
    check_maps(package)
    return package


def build_head(
    context: bpy.types.Context, package: Package | Path | str, options: BuildOptions | None = None
) -> HeadObjects:
    """Build a head from a package, read already or at a path, into the scene's collection. Needs object mode.

    Nothing is left behind when it fails.

    Raises:
        PackageError: the package cannot be used.
    """
    if not isinstance(package, Package):
        package = read_and_check(package)
    build = HeadBuild(context, package, options or BuildOptions())
    build.advance(float("inf"))
    return build.head


class HeadBuild(Slices):
    """A head on its way into the scene: `advance` it until it is done, or `abandon` it.

    Neither the artist nor a purge of unused data meets half a head (assembly.py). Abandoned, also before a file is
    saved, it leaves nothing, and the build must begin again.
    """

    def __init__(self, context: bpy.types.Context, package: Package, options: BuildOptions):
        super().__init__(assemble(context, package, options))
        self._made: dict[str, set[bpy.types.ID]] = {kind: set() for kind in _KINDS}
        self._before: dict[str, set[bpy.types.ID]] = {}

    @property
    def head(self) -> HeadObjects | None:
        return self.result

    def advance(self, seconds: float) -> bool:
        """Go on for about so long; True once `head` is in the scene. Needs object mode; a failure leaves nothing.

        Raises:
            PackageError: the package cannot be used, or somebody removed parts of the head meanwhile.
        """
        self._before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
        try:
            return super().advance(seconds)
        except Removed as error:
            raise PackageError("The head was removed while it was being built: add it to the scene again.") from error
        finally:
            self._remember()

    def abandon(self) -> bool:
        """Remove what has been made so far. Does nothing to a head that is done."""
        if not super().abandon():
            return False
        self._remember()
        for kind, made in self._made.items():
            collection = getattr(bpy.data, kind)
            for thing in made & set(collection):
                collection.remove(thing)
        return True

    def _remember(self) -> None:
        """What has come since `advance` began is ours: no one else's Python runs in between."""
        for kind, before in self._before.items():
            self._made[kind] |= set(getattr(bpy.data, kind)) - before
        self._before = {}


def sweep() -> None:
    """After undo and loading: remove half heads that an earlier state of the file brought back."""
    unfinished = [collection for collection in bpy.data.collections if UNFINISHED_PROPERTY in collection]
    if not unfinished:
        return
    for collection in unfinished:
        things = list(collection.all_objects)
        bpy.data.batch_remove([*things, *{thing.data for thing in things if thing.data is not None}])
        bpy.data.batch_remove([*collection.children_recursive, collection])
    bpy.data.batch_remove([each for each in bpy.data.materials if SET_PROPERTY in each and each.users == 0])
    maps = [each for each in bpy.data.images if MAP_PROPERTY in each]  # an artist may keep one by its fake user
    bpy.data.batch_remove([each for each in maps if UNFINISHED_PROPERTY in each or each.users == 0])
