"""python -m neural_backend.training.template.lod2 [--vertices N]

Makes the third level of detail that engines get: triangles over a subset of the coarse level's vertices, so that
shapes, skin weights and UVs are taken over by index. Writes weights/lod2.safetensors and prints what it measures. To be
run again when the coarse level's faces or UVs change; the file says which ones it was made for.

Only the left half is collapsed; the other is its mirror image, vertex by vertex.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ...head.template import PART_NAMES, PART_TEXTURE_SET, TEMPLATE_FILE, WEIGHTS_FOLDER, HeadTemplate, Level
from ...protocol.arkit import ARKIT_INDEX
from ...protocol.safetensors import read_header
from .collapse import Collapse
from .surface import Surface

LOD2_FILE = WEIGHTS_FOLDER / "lod2.safetensors"
#: About a quarter of the coarse level.
WANTED = 2000
#: Too thin to be seen from where this level is shown; lashes of fewer corners would look thicker than they are.
LEFT_OUT = ("tear_line", "lashes")
#: What the collapse must keep the look of: each a sum of shapes.
POSES: tuple[tuple[str, ...], ...] = (
    (),
    ("jawOpen",),
    ("eyeBlinkLeft",),
    ("eyeWideLeft",),
    ("mouthSmileLeft",),
    ("mouthPucker",),
    ("browInnerUp",),
)
#: How much an error weighs where nobody looks closely, or everybody does.
_PART_WEIGHT = {
    "mouth_bag": 0.01, "eye_socket_left": 0.01, "nostril": 0.1, "eye_left": 2.0, "cornea_left": 40.0,
    "teeth_upper": 0.03, "teeth_lower": 0.02, "gums_upper": 0.02, "gums_lower": 0.02, "tongue": 0.1,
}  # fmt: skip
_CURVE_WEIGHT = {"eye_left": 16.0, "mouth": 8.0, "ear_left": 0.3}
_BACK_WEIGHT = 0.2  # skull and neck


def make(template: HeadTemplate, wanted: int = WANTED) -> dict[str, np.ndarray]:
    """The tensors of the level: `vertex_ids` [V] into the template's vertices, `triangles` and `face_uv` [F, 3], `uv`
    [T, 2], `face_part` [F]."""
    level = template.levels[0]
    whole = len(level.vertex_ids)
    place = np.full(len(template.vertices), -1)
    place[level.vertex_ids] = np.arange(whole)
    mirror = place[template.mirror[level.vertex_ids]]
    midline = mirror == np.arange(whole)
    side = np.where(midline, 0, np.sign(template.vertices[level.vertex_ids][:, 0])).astype(int)

    kept = ~np.isin(level.face_part, [PART_NAMES.index(part) for part in LEFT_OUT])
    sides = side[level.quads]
    across = kept & (sides.max(1) > 0) & (sides.min(1) < 0)  # a few quads of the teeth stand astride: they stay
    left = kept & ~across & (sides.min(1) >= 0)
    triangles, corners, face = _triangulated(level, left)
    locked = np.zeros(whole, bool)
    locked[level.quads[across]] = True
    locked |= _fixed(level)

    poses = np.stack([template.vertices + sum(template.arkit[ARKIT_INDEX[name]] for name in names) for names in POSES])[
        :, level.vertex_ids
    ]
    collapse = Collapse(
        poses * 100,  # centimetres: the numbers stay near one
        triangles, corners, level.uv, level.face_part[face], _importance(template), locked, midline,
    )  # fmt: skip
    astride = len(np.unique(level.quads[across]))
    collapse.run((wanted - astride + int(midline[np.unique(triangles)].sum() * 0.6)) // 2)
    half, half_corners, kept_face = collapse.result()

    mirror_corner, mirror_part = _mirrored_corners(level, mirror)
    more, more_corners, more_face = _triangulated(level, across)
    all_triangles = np.concatenate([half, mirror[half][:, ::-1], more])
    all_corners = np.concatenate([half_corners, mirror_corner[half_corners][:, ::-1], more_corners])
    part = level.face_part[face[kept_face]]
    all_parts = np.concatenate([part, mirror_part[part], level.face_part[more_face]])

    vertices, numbered = np.unique(all_triangles, return_inverse=True)
    uvs, uv_numbered = np.unique(all_corners, return_inverse=True)
    order = np.argsort(all_parts, kind="stable")
    return {
        "vertex_ids": level.vertex_ids[vertices].astype(np.int32),
        "triangles": numbered.reshape(-1, 3)[order].astype(np.int32),
        "uv": level.uv[uvs].astype(np.float32),
        "face_uv": uv_numbered.reshape(-1, 3)[order].astype(np.int32),
        "face_part": all_parts[order].astype(np.uint8),
    }


def topology_digest(path: Path = TEMPLATE_FILE) -> str:
    """sha256 of the coarse level's arrays as they lie in the file; blender_addon/export/levels.py computes the same."""
    tensors, _ = read_header(path)
    content = path.read_bytes()
    digest = hashlib.sha256()
    for name in ("vertex_ids_0", "quads_0", "uv_0", "face_uv_0", "face_part_0"):
        digest.update(content[tensors[name].begin : tensors[name].end])
    return digest.hexdigest()


def distances(template: HeadTemplate, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pose -> [n] metres from the finest level's outer skin to this level's."""
    finest = template.levels[1]
    points = np.unique(finest.quads[finest.faces_of("skin")])
    triangles = tensors["triangles"][tensors["face_part"] == PART_NAMES.index("skin")]
    faces = tensors["vertex_ids"][triangles[:, [0, 1, 2, 2]]]
    found = {}
    for names in POSES:
        vertices = template.vertices + sum(template.arkit[ARKIT_INDEX[name]] for name in names)
        closest = Surface(vertices, faces).closest(vertices[points], None)
        found[names[0] if names else "neutral"] = closest.distance
    return found


def _triangulated(level: Level, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """([n, 3] vertices, [n, 3] UV ids, [n] quad of each) of the chosen quads; repeated corners give one triangle."""
    ids = np.flatnonzero(chosen)
    triangles, corners, faces = [], [], []
    for f in ids:
        quad, uv = level.quads[f], level.face_uv[f]
        for a, b, c in ((0, 1, 2), (0, 2, 3)):
            if len({int(quad[a]), int(quad[b]), int(quad[c])}) == 3:
                triangles.append(quad[[a, b, c]])
                corners.append(uv[[a, b, c]])
                faces.append(f)
    return np.array(triangles), np.array(corners), np.array(faces)


def _mirrored_corners(level: Level, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([T] the UV id on the other side, [parts] the part on the other side)."""
    face_of = {frozenset(map(int, quad)): f for f, quad in enumerate(level.quads)}
    corner = np.full(len(level.uv), -1)
    part = np.arange(len(PART_NAMES))
    for f, quad in enumerate(level.quads):
        g = face_of[frozenset(map(int, mirror[quad]))]
        there = {int(v): int(t) for v, t in zip(level.quads[g], level.face_uv[g], strict=True)}
        for v, t in zip(quad, level.face_uv[f], strict=True):
            corner[t] = there[int(mirror[v])]
        part[level.face_part[f]] = level.face_part[g]
    return corner, part


def _fixed(level: Level) -> np.ndarray:
    """[V] bool: every other vertex of the lids' and lips' edges stays, so that both sides keep facing partners."""
    fixed = np.zeros(len(level.vertex_ids), bool)
    for name in ("eye_left_08", "mouth_08"):
        fixed[level.curves[name][::2]] = True
    return fixed


def _importance(template: HeadTemplate) -> np.ndarray:  # [V]
    level = template.levels[0]
    weight = np.ones(len(level.vertex_ids))
    points = template.vertices[level.vertex_ids]
    weight[(points[:, 2] < points[:, 2].mean()) | (points[:, 1] < points[:, 1].min() + 0.06)] = _BACK_WEIGHT
    for prefix, value in _CURVE_WEIGHT.items():
        for name, ids in level.curves.items():
            number = int(name.rsplit("_", 1)[-1]) if name[-1].isdigit() else 0
            if name.startswith(prefix + "_") and (prefix == "ear_left" or 3 <= number <= 9):
                weight[ids] = value
    for part, value in _PART_WEIGHT.items():
        inside = np.unique(level.quads[level.faces_of(part)])
        rim = np.isin(inside, np.unique(level.quads[level.faces_of("skin")]))
        weight[inside[~rim]] = value
    return weight


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the third level of detail.")
    parser.add_argument("--vertices", type=int, default=WANTED)
    parser.add_argument("--out", type=Path, default=LOD2_FILE)
    options = parser.parse_args()
    template = HeadTemplate.load()
    tensors = make(template, options.vertices)
    metadata = {"topology_sha256": topology_digest(), "texture_sets": json.dumps(PART_TEXTURE_SET)}
    save_file(tensors, options.out, metadata)
    options.out.chmod(0o644)
    print(f"{len(tensors['vertex_ids'])} vertices, {len(tensors['triangles'])} triangles, {options.out}")
    for index, name in enumerate(PART_NAMES):
        faces = tensors["triangles"][tensors["face_part"] == index]
        print(f"  {name:18} {len(np.unique(faces)):5} vertices {len(faces):5} triangles")
    for pose, distance in distances(template, tensors).items():
        mean, p95, most = distance.mean() * 1e3, np.percentile(distance, 95) * 1e3, distance.max() * 1e3
        print(f"  {pose:18} skin off by {mean:.2f} mm on average, p95 {p95:.2f}, at most {most:.2f}")


if __name__ == "__main__":
    main()
