"""The parts of a head made and put together, step by step: package -> objects in the scene."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from ..identity.codes import remember
from .expressions import add_shape_keys, follow_sliders
from .followers import drive_followers
from .landmarks import remember_landmarks
from .materials import build_materials
from .mesh import add_vertex_groups, fill_mesh
from .objects import PACKAGE_PROPERTY, PHOTO_PROPERTY, UNFINISHED_PROPERTY, HeadObjects, mark
from .package import Level, Package
from .photos import build_camera
from .rig import bind, build_armature


@dataclass(frozen=True)
class BuildOptions:
    name: str = ""  # of the objects; the package's own name when empty
    lods: bool = True  # also build the coarser levels, hidden
    cameras: bool = True  # one camera per photo
    pack_images: bool = True  # keep maps and photos inside the .blend


def assemble(context: bpy.types.Context, package: Package, options: BuildOptions) -> Iterator[None]:
    """Make a head in slices of a few milliseconds; yields between them, returns its HeadObjects.

    Up to the last slices nothing is in a scene: all that is made hangs on a marked collection with a fake user.
    """
    name = options.name or package.name
    uuid = str(uuid_module.uuid4())
    collection = bpy.data.collections.new(name)
    collection.use_fake_user = True
    collection[UNFINISHED_PROPERTY] = True

    # Bones are made in edit mode, which wants the armature in the scene; it leaves again in the same slice.
    context.scene.collection.children.link(collection)
    rig = build_armature(context, package, collection)
    context.scene.collection.children.unlink(collection)
    rig.name = rig.data.name = f"{name} Rig"
    mark(rig, uuid, "rig")
    rig[PACKAGE_PROPERTY] = str(package.path)
    yield

    head = _new_level(name, collection, rig)
    for material in build_materials(package, name, options.pack_images):
        if material is not None:
            head.data.materials.append(material)
        yield
    yield from _fill_level(head, package.levels[-1], package)
    mark(head, uuid, "head")
    remember(head, package.identity, package.lid_rest, fit=True)
    remember_landmarks(head, package)
    yield from drive_followers(rig, head)

    lods = []
    if options.lods and len(package.levels) > 1:
        hidden = _child_collection(collection, f"{name} LODs")
        hidden.hide_viewport = hidden.hide_render = True
        for index, level in enumerate(package.levels[-2::-1], start=1):
            lod = _new_level(f"{name} LOD{index}", hidden, rig)
            for material in head.data.materials:
                lod.data.materials.append(material)
            yield from _fill_level(lod, level, package)
            mark(lod, uuid, "lod")
            follow_sliders(lod, head)
            lods.append(lod)
            yield

    cameras = []
    if options.cameras and package.photos:
        photos = _child_collection(collection, f"{name} Photos")
        for index, photo in enumerate(package.photos, start=1):
            camera = build_camera(f"{name} Photo {index}", photo, photos, rig, options.pack_images)
            mark(camera, uuid, "camera")
            camera[PHOTO_PROPERTY] = index - 1
            cameras.append(camera)
            yield

    context.scene.collection.children.link(collection)
    collection.use_fake_user = False
    del collection[UNFINISHED_PROPERTY]
    for selected in context.selected_objects:
        selected.select_set(False)
    head.select_set(True)
    for camera in cameras:
        camera.hide_set(True)  # its line to the rig crosses the face; Show Photo brings it back
    context.view_layer.objects.active = head
    yield  # what follows is Blender's first evaluation of the head, a slice of its own
    context.view_layer.update()
    return HeadObjects(uuid=uuid, head=head, rig=rig, cameras=tuple(cameras), lods=tuple(lods))


def _new_level(name: str, collection: bpy.types.Collection, rig: bpy.types.Object) -> bpy.types.Object:
    level = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    collection.objects.link(level)
    bind(level, rig)
    return level


def _fill_level(thing: bpy.types.Object, level: Level, package: Package) -> Iterator[None]:
    yield from fill_mesh(thing.data, level, package)
    yield from add_shape_keys(thing, level)
    yield from add_vertex_groups(thing, level, package)


def _child_collection(parent: bpy.types.Collection, name: str) -> bpy.types.Collection:
    child = bpy.data.collections.new(name)
    parent.children.link(child)
    return child
