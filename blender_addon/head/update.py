"""A head in the scene takes over another package: shape, rig, cameras and maps; sliders, animation and name stay."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
from mathutils import Matrix

from ..identity.codes import remember
from ..identity.finish import prepare_keys, write_keys
from ..identity.live import clear
from .expressions import set_expression
from .followers import drive_followers
from .frames import camera_world, to_blender
from .images import load_map
from .landmarks import remember_landmarks
from .materials import SET_PROPERTY
from .objects import PACKAGE_PROPERTY, PHOTO_PROPERTY, HeadObjects
from .package import Package, PackageError
from .photos import EXPRESSION_PROPERTY, set_intrinsics
from .rig import move_joints


def update_head(context: bpy.types.Context, head: HeadObjects, package: Package) -> Iterator[None]:
    """Write `package` into `head`, which was made from the same photos, in slices. Needs object mode.

    Raises:
        PackageError: the head's mesh was changed, so that the package does not fit it; nothing has been written.
    """
    meshes = (head.head, *head.lods)
    levels = {len(level.vertices): level for level in package.levels}
    for mesh in meshes:
        if mesh.data.shape_keys is None or len(mesh.data.vertices) not in levels:
            sentence = (
                f"{mesh.name} has other vertices than Mien gave it: import the new head from its package instead."
            )
            raise PackageError(sentence)
    images = []
    try:
        for found in _load_maps(head, package):
            images.append(found)
            yield
        written = []
        for mesh in meshes:
            level = levels[len(mesh.data.vertices)]
            written.append((mesh, (yield from prepare_keys(level.vertices, level.arkit))))
    except (GeneratorExit, PackageError):  # begun again, they are loaded again
        bpy.data.batch_remove([image for _, _, image in images])
        raise
    # All of it in one slice: nothing interrupts it.
    for mesh, keys in written:
        write_keys(mesh, keys)
    clear(head)
    remember(head.head, package.identity, package.lid_rest, fit=True)
    remember_landmarks(head.head, package)
    move_joints(context, head.rig, to_blender(package.joint_positions))
    head.rig[PACKAGE_PROPERTY] = str(package.path)
    for material, name, image in images:
        _exchange(material.node_tree.nodes[name], image)
    for index, camera in enumerate(head.cameras):
        number = int(camera.get(PHOTO_PROPERTY, index))  # older imports did not say
        if number >= len(package.photos):
            continue
        photo = package.photos[number]
        set_intrinsics(camera.data, photo.intrinsics, photo.width, photo.height)
        camera.matrix_local = Matrix(camera_world(photo.camera_from_head).tolist())
        camera[EXPRESSION_PROPERTY] = {key: float(value) for key, value in photo.expression.items()}
        if camera == context.scene.camera and not head.head.data.shape_keys.animation_data:
            set_expression(head.head, camera[EXPRESSION_PROPERTY].to_dict())  # the artist looks at this photo
    yield
    yield from drive_followers(head.rig, head.head)
    context.view_layer.update()


def _exchange(node: bpy.types.Node, image: bpy.types.Image) -> None:
    """Let a node show the new map, under the old one's name and colour space."""
    before, node.image = node.image, image
    if before is not None:
        name, colour_space = before.name, before.colorspace_settings.name
        if before.users == 0:
            bpy.data.images.remove(before)
            image.name = name
        image.colorspace_settings.name = colour_space


def _load_maps(head: HeadObjects, package: Package) -> Iterator[tuple[bpy.types.Material, str, bpy.types.Image]]:
    """(material, name of its image node, the new map for it), loaded before anything changes."""
    for material in head.head.data.materials:
        texture_set = material.get(SET_PROPERTY) if material is not None else None
        for map_name, file in package.maps.get(texture_set, {}).items():
            node = material.node_tree.nodes.get(map_name)
            if node is not None and node.type == "TEX_IMAGE" and node.image is not None:
                pack = node.image.packed_file is not None
                yield material, map_name, load_map(file, texture_set, map_name, head.head.name, pack)
