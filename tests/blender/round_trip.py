"""A file exported from a head, imported again and measured against the package.

    python tests/blender/round_trip.py FOLDER.head

prints the measures for FBX and GLB.
"""

from __future__ import annotations

import importlib
import json
import re
import struct
import sys
import tempfile
import types
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils.kdtree import KDTree

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "neural_backend" / "weights" / "template.safetensors"


def to_blender(points):  # (x, y, z) -> (x, -z, y)
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1).astype(float)


def read_glb(path: Path) -> dict:
    """The JSON chunk, read by hand."""
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + size])


def read_tensor(path: Path, name: str) -> np.ndarray:
    """One integer array of a safetensors file: this folder must not need the library."""
    content = path.read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    entry = json.loads(content[8 : 8 + size])[name]
    start, end = entry["data_offsets"]
    kind = {"I64": np.int64, "I32": np.int32, "U32": np.uint32, "I16": np.int16, "U16": np.uint16}[entry["dtype"]]
    return np.frombuffer(content[8 + size + start : 8 + size + end], kind).reshape(entry["shape"])


def mirror_of_level(count: int) -> np.ndarray | None:
    """[V] each level-1 vertex's partner by the shipped template, or None when the head was made with another one."""
    mirror = read_tensor(TEMPLATE, "mirror").astype(int)
    ids = read_tensor(TEMPLATE, "vertex_ids_1").astype(int)
    if len(ids) != count:
        return None
    place = np.full(len(mirror), -1)
    place[ids] = np.arange(len(ids))
    return place[mirror[ids]]


def _world(thing, data) -> np.ndarray:
    values = np.empty(len(data) * 3, np.float32)
    data.foreach_get("co", values)
    matrix = np.array(thing.matrix_world)
    return values.reshape(-1, 3).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]


def weight_error(mesh, match: np.ndarray, ours: np.ndarray, joints, step: int) -> float:
    """Largest difference of skin weights [V, J], of every `step`-th of our vertices; `match` [V] names the imported."""
    groups = {group.index: group.name for group in mesh.vertex_groups}
    worst = 0.0
    for vertex in range(0, len(match), step):
        stored = {groups[entry.group]: entry.weight for entry in mesh.data.vertices[int(match[vertex])].groups}
        got = np.array([stored.get(name, 0.0) for name in joints])
        worst = max(worst, float(np.abs(got - ours[vertex]).max()))
    return worst


def bone_error(rig, package) -> float:
    """Largest distance of a bone's head from its joint, metres."""
    bones, matrix = rig.data.bones, rig.matrix_world
    return max(
        float(np.linalg.norm(np.array(matrix @ bones[name].head_local) - to_blender(position)))
        for name, position in zip(package.joint_names, package.joint_positions, strict=True)
    )


def build_disturbed(package_path: Path, load):
    """A head that wears an expression and stands elsewhere: an exported file must be neutral and at the origin."""
    head = load("blender_addon.head.build").build_head(bpy.context, package_path)
    head.head.data.shape_keys.key_blocks["jawOpen"].value = 0.7
    head.rig.location = (1.0, 2.0, 3.0)
    return head


def import_alone(path: Path) -> None:
    """Import an FBX or GLB into an empty scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    {".fbx": bpy.ops.import_scene.fbx, ".glb": bpy.ops.import_scene.gltf}[path.suffix](filepath=str(path))
    bpy.context.view_layer.update()


@dataclass
class RoundTrip:
    """What an importer made of our file, in world space, and which imported vertex each of ours became."""

    kind: str
    path: Path
    package: object
    names: tuple[str, ...]
    partner_name: object  # the name of a shape in a mirror
    mesh: bpy.types.Object
    rig: bpy.types.Object
    found_names: list[str]
    rest: np.ndarray  # [V', 3]
    shapes: dict[str, np.ndarray]  # name -> [V', 3] displacement
    match: np.ndarray  # [V] into V'

    @property
    def level(self):
        return self.package.levels[-1]

    def position_error(self) -> float:
        return float(np.linalg.norm(self.rest[self.match] - to_blender(self.level.vertices), axis=1).max())

    def shape_error(self) -> float:
        return max(
            float(np.linalg.norm(self.shapes[name][self.match] - to_blender(ours), axis=1).max())
            for name, ours in zip(self.names, self.level.arkit, strict=True)
        )

    def weakest_shape(self) -> tuple[float, str]:
        return min((float(np.linalg.norm(self.shapes[name], axis=1).max()), name) for name in self.names)

    def mirror_error(self, partner: np.ndarray) -> float:
        flip = np.array([-1.0, 1.0, 1.0])
        return max(
            float(
                np.linalg.norm(
                    self.shapes[name][self.match] - self.shapes[self.partner_name(name)][self.match][partner] * flip,
                    axis=1,
                ).max()
            )
            for name in self.names
        )

    def weight_error(self, step: int = 7) -> float:
        return weight_error(self.mesh, self.match, self.level.joint_weights, self.package.joint_names, step)

    def bone_error(self) -> float:
        return bone_error(self.rig, self.package)

    def pictures(self) -> set[str]:
        """Names of the pictures that came along; importers load one twice when it serves colour and alpha."""
        return {re.sub(r"\.\d{3}$", "", image.name) for image in bpy.data.images if image.size[0] > 0}


def make(kind: str, package_path: Path, folder: Path, load) -> RoundTrip:
    """Build the head in an empty scene, disturb it, export it, import the file into an empty scene.

    Args:
        load: function from a module's name below the extension's root to the module.
    """
    package = load("blender_addon.head.package").read_package(package_path)
    arkit = load("neural_backend.protocol.arkit")
    head = build_disturbed(package_path, load)
    path = folder / f"head.{kind}"
    getattr(load("blender_addon.head.export"), f"export_{kind}")(bpy.context, head, path)
    import_alone(path)
    mesh = max(
        (thing for thing in bpy.data.objects if thing.type == "MESH"), key=lambda thing: len(thing.data.vertices)
    )
    rig = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    blocks = mesh.data.shape_keys.key_blocks
    found_names = [block.name for block in blocks][1:]
    rest = _world(mesh, blocks[0].data)
    shapes = {name: _world(mesh, blocks[name].data) - rest for name in found_names}
    match = _match(package.levels[-1], arkit.ARKIT_NAMES, rest, shapes)
    return RoundTrip(
        kind, path, package, arkit.ARKIT_NAMES, arkit.mirrored, mesh, rig, found_names, rest, shapes, match
    )


def _match(level, names, rest, shapes) -> np.ndarray:
    """Formats split vertices at seams and merge equal ones: match by place, and by movement where places coincide."""
    tree = KDTree(len(rest))
    for index, point in enumerate(rest):
        tree.insert(point, index)
    tree.balance()
    moved = np.stack([shapes[name] for name in names], 1)  # [V', 52, 3]
    ours = to_blender(level.arkit).transpose(1, 0, 2)  # [V, 52, 3]
    match = np.empty(len(level.vertices), int)
    for index, point in enumerate(to_blender(level.vertices)):
        near = [found for _, found, _ in tree.find_range(point, 2e-5)] or [tree.find(point)[1]]
        match[index] = near[0] if len(near) == 1 else near[np.abs(moved[near] - ours[index]).max((1, 2)).argmin()]
    return match


def main(package_path: Path) -> None:
    root = types.ModuleType("mien_extension")
    root.__path__ = [str(ROOT)]
    sys.modules["mien_extension"] = root
    lines = []
    for kind in ("fbx", "glb"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        with tempfile.TemporaryDirectory() as folder:
            trip = make(
                kind, package_path, Path(folder), lambda name: importlib.import_module(f"mien_extension.{name}")
            )
            partner = mirror_of_level(len(trip.level.vertices))
            weakest, name = trip.weakest_shape()
            lines += [
                f"{kind}, Blender {bpy.app.version_string}, {trip.path.stat().st_size / 1e6:.1f} MB",
                f"  names exact and in order      {trip.found_names == list(trip.names)} ({len(trip.found_names)})",
                f"  vertices, ours and imported   {len(trip.level.vertices)} {len(trip.rest)}",
                f"  position error, max           {trip.position_error() * 1e3:.5f} mm",
                f"  shape error, max              {trip.shape_error() * 1e3:.5f} mm",
                f"  weakest shape                 {name}: {weakest * 1e3:.2f} mm",
                "  left/right mirror error, max  "
                + ("other template" if partner is None else f"{trip.mirror_error(partner) * 1e3:.5f} mm"),
                f"  joint error, max              {trip.bone_error() * 1e3:.5f} mm",
                f"  skin weight error, max        {trip.weight_error():.5f}",
                f"  pictures                      {len(trip.pictures())}: {', '.join(sorted(trip.pictures()))}",
            ]
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
