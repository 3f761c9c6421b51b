"""Finds the objects of a head again. Nothing of ours keeps a reference: undo would leave it dangling."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

UUID_PROPERTY = "mien_head"
ROLE_PROPERTY = "mien_role"
PACKAGE_PROPERTY = "mien_package"
UNFINISHED_PROPERTY = "mien_unfinished"  # of the collection of a half head, of images no material has yet
PHOTO_PROPERTY = "mien_photo"  # of a camera: which of the package's photos


@dataclass(frozen=True)
class HeadObjects:
    """The parts of one head in the scene. Valid until the next undo: ask again rather than keep it."""

    uuid: str  # ties the head to its package, through save, load and append
    head: bpy.types.Object  # the mesh, with Basis and 52 shape keys
    rig: bpy.types.Object  # the armature
    cameras: tuple[bpy.types.Object, ...]  # one per photo
    lods: tuple[bpy.types.Object, ...]  # coarser meshes, hidden


def mark(thing: bpy.types.Object, uuid: str, role: str) -> None:
    thing[UUID_PROPERTY] = uuid
    thing[ROLE_PROPERTY] = role


def head_of(thing: bpy.types.Object | None) -> HeadObjects | None:
    """The head that an object belongs to, or None. Follows parents, not names, so a duplicated head is its own head."""
    if thing is None or ROLE_PROPERTY not in thing:
        return None
    rig = thing if thing[ROLE_PROPERTY] == "rig" else thing.parent
    if rig is None or rig.get(ROLE_PROPERTY) != "rig":
        return None
    members: dict[str, list[bpy.types.Object]] = {}
    for child in rig.children:
        if ROLE_PROPERTY in child:
            members.setdefault(child[ROLE_PROPERTY], []).append(child)
    if "head" not in members:
        return None
    return HeadObjects(
        uuid=str(rig[UUID_PROPERTY]),
        head=members["head"][0],
        rig=rig,
        cameras=tuple(sorted(members.get("camera", ()), key=lambda each: (each.get(PHOTO_PROPERTY, 0), each.name))),
        lods=tuple(members.get("lod", ())),
    )


def heads_in(scene: bpy.types.Scene) -> list[HeadObjects]:
    """Every head of a scene, by the name of its mesh."""
    rigs = [thing for thing in scene.objects if thing.get(ROLE_PROPERTY) == "rig"]
    found = [head for head in map(head_of, rigs) if head is not None]
    return sorted(found, key=lambda head: head.head.name)


def current_head(context: bpy.types.Context) -> HeadObjects | None:
    """The head of the active object, or the only head of the scene."""
    found = head_of(context.view_layer.objects.active)
    if found is None:
        heads = heads_in(context.scene)
        found = heads[0] if len(heads) == 1 else None
    return found
