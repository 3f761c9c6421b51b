"""Soft regions of the skin per vertex, from the template's own curves, landmarks and proportions."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from ...head.template import HeadTemplate

REGION_NAMES = (
    "lips", "brows", "scalp", "beard", "nose", "nostril_rim", "forehead", "cheeks", "lids", "lid_rim", "ears", "neck",
    "interior", "mouth_corners",
)  # fmt: skip
#: Mouth loops between the vermilion border (outer) and the line where the closed lips meet (inner).
LIP_LOOPS = range(2, 10)
#: The 68 landmarks' brows lie this far above where brows grow (metres): measured on fitted photos against their brows.
BROW_DROP = 0.0082
INTERIOR_PARTS = ("mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high` (or the reverse if high < low), smooth in between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def landmarks68(template: HeadTemplate) -> np.ndarray:
    """[68, 3] landmark positions on the mean head, metres."""
    corners = template.vertices[template.landmarks68_triangle]
    return (corners * template.landmarks68_barycentric[..., None]).sum(1)


def regions(template: HeadTemplate, count: int) -> dict[str, np.ndarray]:
    """Soft masks (0..1) over the first `count` (skin) vertices, by the names of REGION_NAMES."""
    points = template.vertices[:count].astype(np.float64)
    x, y, z = points.T
    marks = landmarks68(template)
    curves = template.levels[1].curves
    brow_y = marks[17:27, 1].mean()
    mouth_y, chin_y = marks[48:60, 1].mean(), marks[8, 1]
    eye_y = marks[36:48, 1].mean()
    front_z = marks[27, 2]
    masks = {}

    interior = np.zeros(count)
    interior[template.part_vertices(*INTERIOR_PARTS)] = 1
    interior[template.part_vertices("skin")] = 0
    masks["interior"] = interior
    outer = interior < 0.5

    ear_ids = np.unique(np.concatenate([ids for name, ids in curves.items() if name.startswith("ear_")]))
    near_ear = cKDTree(points[ear_ids]).query(points)[0]
    masks["ears"] = smoothstep(0.008, 0.002, near_ear)

    # Hairline: from the top of the forehead to the temple in front of the ear, round the ear, down to the nape.
    ear_z, ear_front = points[ear_ids, 2].mean(), points[ear_ids, 2].max()
    line_z = np.array([points[:, 2].min(), ear_z - 0.03, ear_front - 0.004, ear_front + 0.012, front_z - 0.03, front_z])
    line_y = np.array([mouth_y + 0.005, eye_y - 0.02, eye_y + 0.005, brow_y + 0.002, brow_y + 0.045, brow_y + 0.056])
    above = y - np.interp(z, line_z, line_y)
    masks["scalp"] = smoothstep(-0.004, 0.008, above) * (1 - masks["ears"])

    masks["lips"] = loop_band(template, [f"mouth_{k:02d}" for k in LIP_LOOPS], count).astype(np.float64)

    brow = np.zeros(count)
    brow_marks = marks - [0, BROW_DROP, 0]
    for marks_of in (brow_marks[17:22], brow_marks[22:27]):
        fine = np.stack([np.interp(np.linspace(0, 4, 41), np.arange(5), marks_of[:, axis]) for axis in range(3)], 1)
        distance, nearest = cKDTree(fine[:, :2]).query(points[:, :2])
        half = 0.0040 - 0.0020 * np.abs(nearest / 40 - 0.4)  # metres
        brow = np.maximum(brow, smoothstep(2.0, 0.4, distance / half) * (z > front_z - 0.06))
    masks["brows"] = brow

    # Beard: below cheekbone-to-mouth-corner line, moustache, chin, jaw and under it.
    corner_y = marks[[48, 54], 1].mean()
    beard_top = np.interp(np.abs(x), [0, 0.03, 0.05, 0.065, 0.085], [marks[33, 1], corner_y + 0.008, corner_y + 0.004,
                                                                     corner_y + 0.03, eye_y - 0.01])  # fmt: skip
    jaw = smoothstep(0.004, -0.004, y - beard_top) * smoothstep(ear_front - 0.02, ear_front, z)
    below_jaw = smoothstep(chin_y - 0.045, chin_y - 0.02, y)
    masks["beard"] = jaw * below_jaw * (1 - smoothstep(0, 1, masks["lips"])) * outer

    nose_axis = cKDTree(marks[27:36]).query(points)[0]
    masks["nose"] = (
        smoothstep(0.022, 0.012, nose_axis)
        * smoothstep(brow_y, eye_y, y)
        * smoothstep(front_z - 0.03, front_z - 0.018, z)
    )
    corner_distance = cKDTree(marks[[48, 54]]).query(points)[0]
    masks["mouth_corners"] = smoothstep(0.009, 0.004, corner_distance) * outer
    rim = np.unique(np.concatenate([ids for name, ids in curves.items() if name.startswith("nostril_")]))
    masks["nostril_rim"] = smoothstep(0.006, 0.001, cKDTree(points[rim]).query(points)[0])
    masks["forehead"] = smoothstep(brow_y - 0.002, brow_y + 0.008, y) * (1 - masks["scalp"]) * (z > 0)
    masks["cheeks"] = (
        smoothstep(0.015, 0.03, np.abs(x)) * smoothstep(mouth_y - 0.02, mouth_y, y)
        * smoothstep(eye_y, eye_y - 0.014, y) * (z > ear_front) * (1 - masks["nose"])
    )  # fmt: skip
    lids, rims = np.zeros(count), np.zeros(count)
    for side in ("left", "right"):
        edge = np.concatenate([curves[f"eye_{side}_{k:02d}"] for k in (10, 11)])
        distance = cKDTree(points[edge]).query(points)[0]
        lids = np.maximum(lids, smoothstep(0.009, 0.002, distance))
        rims = np.maximum(rims, smoothstep(0.0022, 0.0008, distance))
    masks["lids"], masks["lid_rim"] = lids * outer, rims * outer
    masks["neck"] = smoothstep(chin_y - 0.01, chin_y - 0.03, y) * (1 - masks["scalp"]) * outer
    return {name: masks[name].astype(np.float32) for name in REGION_NAMES}


def loop_band(template: HeadTemplate, names: list[str], count: int) -> np.ndarray:
    """[count] bool: the named level-1 curves and the vertices that subdivision put between them."""
    level = template.levels[1]
    inside = np.zeros(count, bool)
    inside[np.concatenate([level.curves[name] for name in names])] = True
    quads = level.quads[(level.quads < count).all(1)]
    sides = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    sides = np.concatenate([sides, sides[:, ::-1]])
    grown = inside.copy()
    grown[sides[inside[sides[:, 0]], 1]] = True
    shrunk = grown.copy()
    shrunk[sides[~grown[sides[:, 0]], 1]] = False
    return shrunk | inside


def membrane(values: np.ndarray, known: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """[V, C] with unknown vertices replaced by the smooth surface through the known ones (graph Laplace equation)."""
    count = len(values)
    sides = np.unique(np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), 1), axis=0)
    weight = np.ones(len(sides))
    adjacency = sparse.coo_matrix((weight, sides.T), (count, count)).tocsr()
    adjacency = adjacency + adjacency.T
    laplacian = sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    unknown = np.flatnonzero(~known)
    if not len(unknown):
        return values
    inner = laplacian[unknown][:, unknown].tocsc() + 1e-9 * sparse.eye(len(unknown), format="csc")
    filled = values.copy()
    right = -(laplacian[unknown][:, np.flatnonzero(known)] @ values[known])
    filled[unknown] = np.stack([spsolve(inner, right[:, c]) for c in range(values.shape[1])], 1)
    return filled
