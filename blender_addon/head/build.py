"""Head package -> objects in the scene, in one call."""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..identity.codes import remember
from .expressions import add_shape_keys, follow_sliders
from .followers import drive_followers
from .materials import build_materials
from .mesh import add_vertex_groups, build_mesh
from .objects import PACKAGE_PROPERTY, HeadObjects, mark
from .package import Level, Package, check_maps, read_package
from .photos import build_camera
from .rig import bind, build_armature


@dataclass(frozen=True)
class BuildOptions:
    name: str = ""  # of the objects; the package's own name when empty
    lods: bool = True  # also build the coarser levels, hidden
    cameras: bool = True  # one camera per photo
    pack_images: bool = True  # keep maps and photos inside the .blend


def build_head(
    context: bpy.types.Context, package: Package | Path | str, options: BuildOptions | None = None
) -> HeadObjects:
    """Build a head from a package, read already or at a path, into the scene's collection. Needs object mode.

    Nothing is left behind when it fails.

    Raises:
        PackageError: the package cannot be used.
    """
    if not isinstance(package, Package):
        package = read_package(package)
        check_maps(package)
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    try:
        return _build(context, package, options or BuildOptions())
    except Exception:
        for kind in _KINDS:  # users before what they use
            collection = getattr(bpy.data, kind)
            for made in set(collection) - before[kind]:
                collection.remove(made)
        raise


_KINDS = ("collections", "objects", "meshes", "armatures", "cameras", "materials", "images")


def _build(context: bpy.types.Context, package: Package, options: BuildOptions) -> HeadObjects:
    name = options.name or package.name
    uuid = str(uuid_module.uuid4())
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)

    rig = build_armature(context, package, collection)
    rig.name = rig.data.name = f"{name} Rig"
    mark(rig, uuid, "rig")
    rig[PACKAGE_PROPERTY] = str(package.path)

    materials = build_materials(package, name, options.pack_images)
    head = _build_level(name, package.levels[-1], package, materials, collection, rig)
    mark(head, uuid, "head")
    remember(head, package.identity, package.lid_rest, fit=True)
    drive_followers(rig, head)

    lods = []
    if options.lods and len(package.levels) > 1:
        hidden = _child_collection(collection, f"{name} LODs")
        hidden.hide_viewport = hidden.hide_render = True
        for index, level in enumerate(package.levels[-2::-1], start=1):
            lod = _build_level(f"{name} LOD{index}", level, package, materials, hidden, rig)
            mark(lod, uuid, "lod")
            follow_sliders(lod, head)
            lods.append(lod)

    cameras = []
    if options.cameras and package.photos:
        photos = _child_collection(collection, f"{name} Photos")
        for index, photo in enumerate(package.photos, start=1):
            camera = build_camera(f"{name} Photo {index}", photo, photos, rig, options.pack_images)
            mark(camera, uuid, "camera")
            cameras.append(camera)

    for selected in context.selected_objects:
        selected.select_set(False)
    head.select_set(True)
    context.view_layer.objects.active = head
    context.view_layer.update()
    return HeadObjects(uuid=uuid, head=head, rig=rig, cameras=tuple(cameras), lods=tuple(lods))


def _build_level(
    name: str,
    level: Level,
    package: Package,
    materials: list[bpy.types.Material],
    collection: bpy.types.Collection,
    rig: bpy.types.Object,
) -> bpy.types.Object:
    mesh = build_mesh(name, level, package)
    for material in materials:
        mesh.materials.append(material)
    head = bpy.data.objects.new(name, mesh)
    collection.objects.link(head)
    add_shape_keys(head, level)
    add_vertex_groups(head, level, package)
    bind(head, rig)
    return head


def _child_collection(parent: bpy.types.Collection, name: str) -> bpy.types.Collection:
    child = bpy.data.collections.new(name)
    parent.children.link(child)
    return child
