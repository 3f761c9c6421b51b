"""Package level -> Blender mesh: quads, UV, smooth shading, material slots, vertex groups."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import bpy
import numpy as np

from .frames import to_blender
from .package import Level, Package

log = logging.getLogger(__name__)

UV_LAYER = "UVMap"
#: Vertex groups of parts carry this prefix, so that no exporter takes one for a bone.
PART_PREFIX = "part_"


def fill_mesh(mesh: bpy.types.Mesh, level: Level, package: Package) -> Iterator[None]:
    """Fill an empty mesh with one level in Blender's axes, in slices; material indices count in `package.set_names`."""
    used = _distinct_corners(level.quads)  # [F, 4]
    sizes = used.sum(1)  # [F]
    proper = sizes >= 3
    if not proper.all():
        log.warning("%s: %d faces with fewer than three corners were left out", mesh.name, int((~proper).sum()))
    corners = used & proper[:, None]
    loop_vertices = level.quads[corners]  # [L]
    sizes = sizes[proper]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    yield
    mesh.vertices.add(len(level.vertices))
    mesh.vertices.foreach_set("co", to_blender(level.vertices).astype(np.float32).ravel())
    yield
    mesh.loops.add(len(loop_vertices))
    mesh.loops.foreach_set("vertex_index", loop_vertices.astype(np.int32))
    yield
    mesh.polygons.add(len(sizes))
    mesh.polygons.foreach_set("loop_start", starts.astype(np.int32))
    yield
    slot_of_part = np.array([package.set_names.index(texture_set) for texture_set in package.texture_sets])
    mesh.polygons.foreach_set("material_index", slot_of_part[level.part[proper]].astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(sizes), bool))
    yield
    mesh.update(calc_edges=True)
    yield
    layer = mesh.uv_layers.new(name=UV_LAYER)
    layer.uv.foreach_set("vector", level.uv[level.face_uv[corners]].astype(np.float32).ravel())
    yield
    if mesh.validate(verbose=False):
        log.warning("%s: Blender repaired the mesh; its faces differ from the package's", mesh.name)
    yield


def _distinct_corners(quads: np.ndarray) -> np.ndarray:
    """[F, 4] bool: corners that differ from the one after them, so that triangles lose their repeated vertex."""
    return quads != np.roll(quads, -1, axis=1)


def add_vertex_groups(head: bpy.types.Object, level: Level, package: Package) -> Iterator[None]:
    """One group per joint (the skin weights) and one per part, in slices."""
    for joint, weights in zip(package.joint_names, level.joint_weights.T, strict=True):
        group = head.vertex_groups.new(name=joint)
        # One call per distinct weight: most vertices of a head carry 1.0.
        values, which = np.unique(np.round(weights, 5), return_inverse=True)
        order = np.argsort(which, kind="stable")
        for value, members in zip(values, np.split(order, np.cumsum(np.bincount(which))[:-1]), strict=True):
            if value > 0.0:
                group.add(members.tolist(), float(value), "REPLACE")
            yield
    for index, part in enumerate(package.part_names):
        members = np.unique(level.quads[level.part == index])
        if len(members):
            head.vertex_groups.new(name=PART_PREFIX + part).add(members.tolist(), 1.0, "REPLACE")
        yield
