"""What the report and the tests measure on a finished template. Lengths in millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...head.eyes import BALL_RADIUS, gaze_of, gaze_rotation, surface_radius
from ...head.template import PART_NAMES, HeadTemplate
from ...protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from .lids import halves
from .registration import in_ears
from .sources import IctModel
from .surface import Surface
from .topology import Topology, triangles_of, vertex_normals

REGIONS = ("face", "eyes", "lips", "nose", "ears", "skull", "neck")
_ICT_NOSTRIL_LOOP, _ICT_NOSTRIL_INSIDE = (5247, 5466), 5156
_LID_LOOPS = range(6, 20)


def region_of(points: np.ndarray) -> np.ndarray:
    """[n] index into REGIONS of points in centimetres."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    region = np.zeros(len(points), int)
    region[(y < -8.6) | ((z < 3) & (y < -5))] = 6
    region[(z < 2.5) & (region != 6)] = 5
    region[in_ears(points)] = 4
    region[(np.abs(x - 3.2) < 1.9) & (np.abs(y - 3.45) < 1.1) & (z > 7.5)] = 1
    region[(x < 2.7) & (y < -2.2) & (y > -5) & (z > 9.5)] = 2
    region[(x < 2.1) & (np.abs(y) < 1.3) & (z > 9.6)] = 3
    return region


@dataclass(frozen=True)
class Distances:
    """Distances in mm and the region of each."""

    distance: np.ndarray  # [n]
    region: np.ndarray  # [n]

    def of(self, region: int | None) -> np.ndarray:
        return self.distance if region is None else self.distance[self.region == region]


def registration_error(template: HeadTemplate, level: int, ict: IctModel) -> tuple[Distances, Distances]:
    """(ours to the scans, the scans to ours) on the skin, nostril interiors and what lies below the rim left out."""
    lod = template.levels[level]
    points = template.vertices[lod.vertex_ids].astype(np.float64) * 100
    quads = lod.quads[lod.faces_of("skin")]
    scan = Surface(ict.vertices, ict.faces_of("face", "head_neck"))
    ours = Surface(points, quads)
    normals = vertex_normals(points, triangles_of(quads))
    used = np.unique(quads)
    samples = np.concatenate([points[used], points[quads].mean(1)])
    facing = np.concatenate([normals[used], normals[quads].mean(1)])
    out = Distances(scan.closest(samples, facing, k=40, cosine=0.0).distance * 10, region_of(samples))

    ids = np.setdiff1d(scan.used, _nostril_inside(ict))
    rim = points[lod.curves["neck_rim"]]
    below = np.linalg.norm(rim[None, :, [0, 2]] - ict.vertices[ids][:, None, [0, 2]], axis=2).argmin(1)
    ids = ids[(ict.vertices[ids, 1] > rim[below, 1] + 0.3) | (ict.vertices[ids, 1] > -9)]
    back = ours.closest(ict.vertices[ids], scan.vertex_normals[ids], k=40, cosine=0.0)
    return out, Distances(back.distance * 10, region_of(ict.vertices[ids]))


def _nostril_inside(ict: IctModel) -> np.ndarray:
    mesh = Topology(ict.faces_of("face", "head_neck"))
    loop = mesh.loop(*_ICT_NOSTRIL_LOOP)
    left = mesh.flood([_ICT_NOSTRIL_INSIDE], loop) - set(loop)
    return np.array(sorted(left | {int(ict.mirror[v]) for v in left}))


@dataclass(frozen=True)
class QuadQuality:
    """Corner angles of quads."""

    smallest_angle: np.ndarray  # [F] degrees
    concave: np.ndarray  # [F] bool


def quad_quality(points: np.ndarray, quads: np.ndarray) -> QuadQuality:
    """Angles and concavity of [F, 4] quads."""
    corners = points[quads]
    after, before = np.roll(corners, -1, 1) - corners, np.roll(corners, 1, 1) - corners
    lengths = np.linalg.norm(after, axis=2) * np.linalg.norm(before, axis=2)
    angle = np.degrees(np.arccos(np.clip((after * before).sum(2) / np.maximum(lengths, 1e-20), -1, 1)))
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    concave = ((np.cross(after, before) * normal[:, None]).sum(2) < 0).any(1)
    return QuadQuality(angle.min(1), concave)


def folded_quads(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """[F] bool: quads that face away (by over 100 degrees) from at least two quads beside them."""
    corners = points[quads]
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    edge = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], 2).reshape(-1, 2), axis=1)
    face = np.repeat(np.arange(len(quads)), 4)
    order = np.lexsort((edge[:, 1], edge[:, 0]))
    edge, face = edge[order], face[order]
    shared = np.flatnonzero((edge[1:] == edge[:-1]).all(1))
    first, second = face[shared], face[shared + 1]
    away = (normal[first] * normal[second]).sum(1) < np.cos(np.radians(100))
    count = np.bincount(first[away], minlength=len(quads)) + np.bincount(second[away], minlength=len(quads))
    return count >= 2


def folded_faces(points: np.ndarray, quads: np.ndarray) -> int:
    """How many quads lie folded over."""
    return int(folded_quads(points, quads).sum())


def lid_clearance(template: HeadTemplate, vertices: np.ndarray, gaze: np.ndarray) -> float:
    """Least distance in mm of the left lids (loops 6 to 19, vertices and the middles of edges) from the eye."""
    curves, joint = template.levels[1].curves, template.joint_positions[3].astype(np.float64)
    ids = np.unique(np.concatenate([curves[f"eye_left_{k:02d}"] for k in _LID_LOOPS]))
    loops = [curves[f"eye_left_{k:02d}"] for k in _LID_LOOPS]
    middles = np.concatenate([(vertices[loop] + vertices[np.roll(loop, -1)]) / 2 for loop in loops])
    offset = np.concatenate([vertices[ids], middles]) - joint
    distance = np.linalg.norm(offset, axis=1)
    return float((distance - surface_radius(offset / distance[:, None], gaze)).min() * 1e3)


def eye_gaze(name: str) -> np.ndarray:
    """[3] where the left eye looks in an ARKit shape."""
    turned = gaze_of(name) if name.endswith("Left") else None
    return gaze_rotation(*(turned or (0.0, 0.0))) @ np.array([0.0, 0.0, 1.0])


def blink_gap(template: HeadTemplate, level: int) -> tuple[float, float]:
    """(widest opening, deepest overlap) in mm of the left lids' front edges in eyeBlinkLeft, over the eye."""
    lod = template.levels[level]
    rest = template.vertices[lod.vertex_ids].astype(np.float64)
    points = rest + template.arkit[ARKIT_INDEX["eyeBlinkLeft"]][lod.vertex_ids]
    lids = halves(rest, lod.curves["eye_left_08"], 1.0)
    centre = template.joint_positions[3].astype(np.float64)
    curves = []
    for ids in (lids.upper, lids.lower):
        offset = points[ids] - centre
        order = np.argsort(offset[:, 0])
        curves.append((offset[order, 0], np.arctan2(offset[:, 1], offset[:, 2])[order]))
    (upper_x, upper), (lower_x, lower) = curves
    # Nearest distances in the unrolled lid (x, arc): near the canthi the edges run upwards, so that a difference in
    # height at one x says little.
    lower_line = np.stack([_dense(lower_x), _dense(lower) * BALL_RADIUS], 1)
    upper_line = np.stack([_dense(upper_x), _dense(upper) * BALL_RADIUS], 1)
    gap = np.linalg.norm(upper_line[:, None] - lower_line[None], axis=2).min(1)
    above = upper_line[:, 1] >= np.interp(upper_line[:, 0], lower_line[:, 0], lower_line[:, 1])
    return float((gap * above).max() * 1e3), float((gap * ~above).max() * 1e3)


def _dense(values: np.ndarray, steps: int = 20) -> np.ndarray:
    """[n'] the polyline's values with `steps` samples a segment."""
    return np.interp(np.linspace(0, len(values) - 1, (len(values) - 1) * steps + 1), np.arange(len(values)), values)


def moved_vertices(template: HeadTemplate) -> dict[str, float]:
    """Largest displacement of each ARKit shape, mm."""
    return {name: float(np.linalg.norm(template.arkit[i], axis=1).max() * 1e3) for i, name in enumerate(ARKIT_NAMES)}


def skin_faces(template: HeadTemplate, level: int) -> np.ndarray:
    """[n] ids of the faces of the skin's texture square."""
    return template.levels[level].faces_of(*PART_NAMES[:5])
