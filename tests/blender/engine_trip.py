"""A head exported for an engine, imported again by Blender and measured level by level.

    python tests/blender/engine_trip.py FOLDER.head [--keep FOLDER]

prints the measures of all presets.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
import types
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils.kdtree import KDTree
from round_trip import (
    ROOT,
    TEMPLATE,
    _match,
    _world,
    bone_error,
    build_disturbed,
    import_alone,
    mirror_of_level,
    read_tensor,
    to_blender,
    weight_error,
)

LOD2 = TEMPLATE.with_name("lod2.safetensors")
SIZES = (28806, 7489, 1995)


def level_ids() -> list[np.ndarray]:
    """Which of the head's vertices each level has, finest first: read by hand from the shipped files."""
    return [
        np.arange(SIZES[0]),
        read_tensor(TEMPLATE, "vertex_ids_0").astype(int),
        read_tensor(LOD2, "vertex_ids").astype(int),
    ]


@dataclass
class ImportedLevel:
    """One mesh that the importer made, in world space, and which of its vertices each of ours became."""

    mesh: bpy.types.Object
    names: list[str]
    rest: np.ndarray  # [V', 3]
    shapes: dict[str, np.ndarray]  # name -> [V', 3]
    ids: np.ndarray  # [V] our vertices, into the package's finest level
    match: np.ndarray  # [V] into V'
    distance: np.ndarray  # [V'] metres from each imported vertex to the nearest of ours


@dataclass
class EngineTrip:
    key: str
    path: Path
    package: object
    arkit_names: tuple[str, ...]
    partner_name: object
    levels: list[ImportedLevel]
    rig: bpy.types.Object

    def position_error(self, level: ImportedLevel) -> float:
        ours = to_blender(self.package.levels[-1].vertices)[level.ids]
        return float(np.linalg.norm(level.rest[level.match] - ours, axis=1).max())

    def shape_error(self, level: ImportedLevel) -> float:
        ours = to_blender(self.package.levels[-1].arkit)[:, level.ids]
        return max(
            float(np.linalg.norm(level.shapes[name][level.match] - moved, axis=1).max())
            for name, moved in zip(self.arkit_names, ours, strict=True)
        )

    def mirror_error(self, level: ImportedLevel) -> float:
        """How far the shapes of one side differ from the mirror image of the other side's, metres."""
        partner_of = mirror_of_level(SIZES[0])
        place = np.full(SIZES[0], -1)
        place[level.ids] = np.arange(len(level.ids))
        partner = place[partner_of[level.ids]]
        assert partner.min() >= 0, "a vertex of the level lacks its partner"
        flip = np.array([-1.0, 1.0, 1.0])
        return max(
            float(
                np.linalg.norm(
                    level.shapes[name][level.match]
                    - level.shapes[self.partner_name(name)][level.match][partner] * flip,
                    axis=1,
                ).max()
            )
            for name in self.arkit_names
        )

    def weight_error(self, level: ImportedLevel, step: int = 5) -> float:
        ours = self.package.levels[-1].joint_weights[level.ids]
        return weight_error(level.mesh, level.match, ours, self.package.joint_names, step)

    def uv_error(self, level: ImportedLevel) -> float:
        """How far the level's UVs are from those that the package's finest level has at the same vertices."""
        package = self.package.levels[-1]
        known: dict[int, list[np.ndarray]] = {}
        for vertex, uv in zip(package.quads.ravel(), package.face_uv.ravel(), strict=True):
            known.setdefault(int(vertex), []).append(package.uv[uv])
        ours_of = np.full(len(level.rest), -1)
        ours_of[level.match] = level.ids
        mesh = level.mesh.data
        uvs = np.empty(len(mesh.loops) * 2, np.float32)
        mesh.uv_layers[0].uv.foreach_get("vector", uvs)
        worst = 0.0
        for loop, uv in zip(mesh.loops, uvs.reshape(-1, 2), strict=True):
            vertex = int(ours_of[loop.vertex_index])
            if vertex >= 0:
                worst = max(worst, float(np.abs(np.array(known[vertex]) - uv).max(1).min()))
        return worst

    def bone_error(self) -> float:
        return bone_error(self.rig, self.package)


def make(key: str, package_path: Path, folder: Path, load) -> EngineTrip:
    """Build the head in an empty scene, disturb it, export it, import the file into an empty scene.

    Args:
        load: function from a module's name below the extension's root to the module.
    """
    package = load("blender_addon.head.package").read_package(package_path)
    arkit = load("neural_backend.protocol.arkit")
    head = build_disturbed(package_path, load)
    presets = load("blender_addon.export.presets")
    path = load("blender_addon.export.engine").export_for_engine(
        bpy.context, head, presets.PRESETS[key], folder / f"head{presets.PRESETS[key].extension}"
    )
    import_alone(path)
    meshes = {
        int(found.group(1)): thing
        for thing in bpy.data.objects
        if thing.type == "MESH" and (found := re.search(r"_LOD(\d)$", thing.name))
    }
    ids = level_ids()
    levels = [_measured(meshes[index], ids[index], package, arkit.ARKIT_NAMES) for index in sorted(meshes)]
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    return EngineTrip(key, path, package, arkit.ARKIT_NAMES, arkit.mirrored, levels, rig)


def _measured(mesh: bpy.types.Object, ids: np.ndarray, package, names: tuple[str, ...]) -> ImportedLevel:
    blocks = mesh.data.shape_keys.key_blocks
    rest = _world(mesh, blocks[0].data)
    found = [block.name for block in blocks][1:]
    shapes = {name: _world(mesh, blocks[name].data) - rest for name in found}
    finest = package.levels[-1]
    ours = types.SimpleNamespace(vertices=finest.vertices[ids], arkit=finest.arkit[:, ids])
    match = _match(ours, names, rest, shapes)
    tree = KDTree(len(ids))
    for index, point in enumerate(to_blender(ours.vertices)):
        tree.insert(point, index)
    tree.balance()
    distance = np.array([tree.find(point)[2] for point in rest])
    return ImportedLevel(mesh, found, rest, shapes, ids, match, distance)


def parsed_fbx(path: Path):
    from io_scene_fbx import parse_fbx

    return parse_fbx.parse(str(path))[0]


def child(element, name: bytes):
    return next(child for child in element.elems if child.id == name)


def fbx_property(element, name: bytes):
    for entry in child(element, b"Properties70").elems:
        if entry.props[0] == name:
            return entry.props[4:]
    return None


def stored(path: Path) -> np.ndarray:
    """[H, W, 4] as Blender reads the file, row 0 at the bottom."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    width, height = image.size
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package", type=Path)
    parser.add_argument("--keep", type=Path, help="leave the files here")
    options = parser.parse_args()
    root = types.ModuleType("mien_extension")
    root.__path__ = [str(ROOT)]
    sys.modules["mien_extension"] = root
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for key in ("UNREAL", "UNITY", "GLB"):
            bpy.ops.wm.read_factory_settings(use_empty=True)
            folder = (options.keep or Path(scratch)) / key.lower()
            trip = make(key, options.package, folder, lambda name: importlib.import_module(f"mien_extension.{name}"))
            size = trip.path.stat().st_size / 1e6
            lines.append(f"{key}, Blender {bpy.app.version_string}, {trip.path.name} {size:.1f} MB")
            lines.append(f"  joints {trip.bone_error() * 1e3:.5f} mm")
            for index, level in enumerate(trip.levels):
                lines.append(
                    f"  LOD{index}: {len(level.ids)} vertices ({len(level.rest)} imported), "
                    f"{sum(len(polygon.vertices) - 2 for polygon in level.mesh.data.polygons)} triangles, "
                    f"names exact {level.names == list(trip.arkit_names)}, "
                    f"positions {trip.position_error(level) * 1e3:.5f} mm, "
                    f"shapes {trip.shape_error(level) * 1e3:.5f} mm, "
                    f"mirror {trip.mirror_error(level) * 1e3:.5f} mm, weights {trip.weight_error(level):.5f}, "
                    f"UV {trip.uv_error(level):.6f}"
                )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
