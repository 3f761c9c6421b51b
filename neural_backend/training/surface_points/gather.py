"""Gathers what training needs, with ray casting and the known heads, into two files that travel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...evaluation.geometry import FaceMetric
from ...fitting.landmarks import LandmarkCalibration
from ...fitting.parameters import view_angles
from ...head.template import HeadTemplate
from ...lightstage.known_heads import KnownHead
from ...lightstage.subjects import draw_expression
from ...perception.face import roi_of
from .population import Population

POINTS_HALF = 360  # on the subject's left and the middle; their mirror images join them
POINTS_WITHIN = 0.155  # metres of the tip of the nose: ears and forehead too
FACE_HALF = 450
DIRECTIONS = 128  # of light
EXPRESSIONS = 8192
VISIBLE_PARTS = (
    "skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril", "eye_left", "eye_right", "teeth_upper",
    "teeth_lower", "gums_upper", "gums_lower", "tongue",
)  # fmt: skip


def surface_points(template: HeadTemplate, metric: FaceMetric) -> tuple[np.ndarray, np.ndarray]:
    """([P] vertex ids, [P] mirror index): even over face, ears and forehead, denser along lids and lips."""
    skin = template.vertices.astype(np.float64)
    near = np.linalg.norm(skin - metric.landmarks(skin)[30], axis=1) < POINTS_WITHIN
    curves = template.levels[1].curves
    dense = np.concatenate([curves[name][::2] for name in ("mouth_00", "mouth_05", "eye_left_04", "eye_left_07")])
    return spread_evenly(template, metric.outer[near[metric.outer]], POINTS_HALF, dense)


def spread_evenly(
    template: HeadTemplate, candidates: np.ndarray, half: int, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """([N] vertex ids, [N] mirror index): farthest points of one half, after `first`, and their mirror images."""
    skin = template.vertices.astype(np.float64)
    candidates = candidates[skin[candidates, 0] > -1e-6]
    chosen = list(np.intersect1d(first, candidates)) or [int(candidates[skin[candidates, 2].argmax()])]
    distance = np.linalg.norm(skin[candidates, None] - skin[chosen][None], axis=2).min(1)
    while len(chosen) < half:
        new = int(distance.argmax())
        chosen.append(int(candidates[new]))
        distance = np.minimum(distance, np.linalg.norm(skin[candidates] - skin[candidates[new]], axis=1))
    points = np.unique(np.concatenate([chosen, template.mirror[chosen]]))
    return points, np.searchsorted(points, template.mirror[points])


def sphere(count: int) -> np.ndarray:
    """[count, 3] evenly spread unit directions (golden spiral)."""
    k = np.arange(count) + 0.5
    height, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), height, radius * np.sin(turn)], 1)


def light_let_through(template: HeadTemplate, triangles: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """[D, V] 0..1, softened over each direction's neighbours."""
    from trimesh import Trimesh

    mesh = Trimesh(template.vertices, triangles, process=False)
    start = mesh.vertices + 6e-4 * mesh.vertex_normals
    free = np.array([~mesh.ray.intersects_any(start, np.broadcast_to(d, start.shape)) for d in directions], np.float32)
    blend = np.exp((directions @ directions.T - 1) * 40)
    return (blend / blend.sum(1, keepdims=True)) @ free


def gather(template: HeadTemplate | None = None) -> Population:
    template = template or HeadTemplate.load()
    metric = FaceMetric(template)
    calibration = LandmarkCalibration.load()
    points, mirror = surface_points(template, metric)
    level = template.levels[1]
    faces = level.faces_of(*VISIBLE_PARTS)
    quads = level.quads[faces]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    directions = sphere(DIRECTIONS)
    generator = np.random.default_rng(7)
    face, face_mirror = spread_evenly(template, metric.face(template.vertices), FACE_HALF, np.array([], np.int64))
    return Population(
        points=points,
        point_mirror=mirror,
        face=face,
        face_mirror=face_mirror,
        triangles=triangles.astype(np.int32),
        lit=np.round(255 * light_let_through(template, triangles, directions)).astype(np.uint8),
        directions=directions.astype(np.float32),
        expressions=np.array([draw_expression(generator, 0.6) for _ in range(EXPRESSIONS)], np.float16),
        landmark_triangle=calibration.triangle,
        landmark_barycentric=calibration.barycentric,
    )


def pack(heads: Iterable[KnownHead], population: Population, path: Path) -> int:
    """Write what training needs of known heads to one file; returns how many pictures."""
    rows: dict[str, list] = {key: [] for key in ("subject", "kind", "jpeg", "size", "places", "face", "region", "yaw")}
    for head in heads:
        landmarks = (head.vertices[population.landmark_triangle] * population.landmark_barycentric[..., None]).sum(1)
        region = roi_of(head.camera.project(landmarks)[0])
        jpeg = np.frombuffer(head.picture.read_bytes(), np.uint8)
        pose = head.camera
        rows["subject"].append(head.subject)
        rows["kind"].append(head.kind)
        rows["jpeg"].append(jpeg)
        rows["size"].append(len(jpeg))
        rows["places"].append(pose.project(head.vertices[population.points])[0])
        rows["face"].append(head.neutral[population.face])
        rows["region"].append((*region.centre, region.size[0], region.angle))
        rows["yaw"].append(view_angles(pose.rotation[None], pose.translation[None])[0][0])
    arrays = {key: np.array(rows[key], np.float32) for key in ("places", "face", "region", "yaw")}
    np.savez_compressed(
        path, **arrays, jpeg=np.concatenate(rows["jpeg"]), size=np.array(rows["size"]),
        subject=np.array(rows["subject"]), kind=np.array(rows["kind"]),
    )  # fmt: skip
    return len(rows["size"])
