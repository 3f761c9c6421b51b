"""Registers the cut base mesh to ICT's mean: thin-plate spline through the curves, then annealed non-rigid ICP.

Everything is in ICT's centimetres. Each solve minimises a bi-Laplacian of the displacement plus point-to-plane
distances to the closest same-facing point, with the curve matches held softly; the result is symmetrised. After
Amberg, Romdhani, Vetter, "Optimal Step Nonrigid ICP" (CVPR 2007), with linear displacements instead of affine ones.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from .correspondence import Matches
from .cut import MOUTH_BAG, SKIN, Cut
from .sources import IctModel
from .surface import Surface
from .topology import Topology, edges_of, triangles_of, uniform_laplacian, vertex_normals

log = logging.getLogger(__name__)

_FLIP = np.array([-1.0, 1.0, 1.0])
#: Ear features as (base-mesh vertex, ICT vertex), picked on two pictures of the left ears side by side.
EAR_FEATURES: dict[str, tuple[int, int]] = {
    "helix apex": (12012, 6844), "helix front": (12014, 6803), "helix upper rear": (12021, 7285),
    "helix rear": (12018, 6836), "helix lower rear": (12051, 7180), "helix root": (12047, 6784),
    "lobe rear": (12028, 6744), "lobe bottom": (12329, 6720), "lobe front": (12328, 7122),
    "fossa top": (12078, 6922), "helix inner front": (12269, 7276), "scapha": (12066, 6944),
    "antihelix crus": (12186, 6957), "antihelix middle": (12304, 7184), "antihelix lower": (12307, 7205),
    "antitragus": (12187, 6799), "intertragic notch": (12270, 6741), "concha": (12240, 7366),
    "tragus": (12077, 6771), "crus helix": (12272, 6878), "lobe face": (12063, 6777),
}  # fmt: skip
#: (stiffness, gate in cm) per solve; level 1 starts from the registered level 0.
_ANNEAL = ((300, 1.2), (100, 1.0), (40, 0.8), (15, 0.7), (6, 0.6), (3, 0.5), (1.5, 0.5), (0.8, 0.4), (0.5, 0.4),
           (0.35, 0.35), (0.25, 0.35), (0.25, 0.35))  # fmt: skip
_ANNEAL_FINE = ((3, 0.5), (1.5, 0.4), (0.8, 0.35), (0.5, 0.3), (0.35, 0.3), (0.25, 0.3))
_TO_PLANE, _TO_POINT, _CURVE = 1.0, 0.08, 4.0


@dataclass(frozen=True)
class IctSurfaces:
    """The surfaces of ICT's mean that the cut is pulled to."""

    skin: Surface
    bag: Surface

    @classmethod
    def of(cls, ict: IctModel) -> IctSurfaces:
        return cls(
            Surface(ict.vertices, ict.faces_of("face", "head_neck")),
            Surface(ict.vertices, ict.faces_of("mouth_socket")),
        )


def in_ears(points: np.ndarray) -> np.ndarray:
    """[n] bool: points (cm) in the boxes round the ears."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    return (x > 6.6) & (y > -2.3) & (y < 3.9) & (z > -2.5) & (z < 2.2)


def symmetrised(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """[V, 3] the mean of a shape and its mirror image; the midline lies exactly at x = 0."""
    result = 0.5 * (points + points[mirror] * _FLIP)
    result[mirror == np.arange(len(mirror)), 0] = 0
    return result


def thin_plate_spline(source: np.ndarray, target: np.ndarray, smoothing: float):
    """A map R^3 -> R^3 with the biharmonic kernel r and an affine part, through source -> target pairs."""
    count = len(source)
    kernel = np.linalg.norm(source[:, None] - source[None], axis=2) - smoothing * np.eye(count)
    affine = np.concatenate([np.ones((count, 1)), source], axis=1)
    system = np.block([[kernel, affine], [affine.T, np.zeros((4, 4))]])
    weights = np.linalg.solve(system, np.concatenate([target, np.zeros((4, 3))]))

    def warp(points: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(points[:, None] - source[None], axis=2)
        return (
            distance @ weights[:count] + np.concatenate([np.ones((len(points), 1)), points], axis=1) @ weights[count:]
        )

    return warp


def ear_targets(cut: Cut, ict: IctModel) -> tuple[np.ndarray, np.ndarray]:
    """(vertex ids [m], targets [m, 3] cm) of the ear features on both sides."""
    place = {int(source): index for index, source in enumerate(cut.source_ids)}
    left = np.array([place[ours] for ours, _ in EAR_FEATURES.values()])
    target = ict.vertices[[theirs for _, theirs in EAR_FEATURES.values()]]
    return np.concatenate([left, cut.mirror[left]]), np.concatenate([target, target * _FLIP])


def register(
    cut: Cut, ict: IctModel, matches: Matches, surfaces: IctSurfaces, coarse: np.ndarray | None = None
) -> np.ndarray:
    """[V, 3] the cut in the shape of ICT's mean, cm, exactly mirror symmetric.

    Args:
        coarse: registered level 0 [V0, 3] when `cut` is level 1; its vertices stay where they are.
    """
    ids, targets, curve = matches.targets(ict.vertices, cut.mirror)
    ear_ids, ear_points = ear_targets(cut, ict)
    weight = np.zeros(len(cut.vertices))
    weight[ids] = [_curve_weight(name) for name in curve]
    goal = np.zeros((len(cut.vertices), 3))
    goal[ids] = targets
    if coarse is None:
        source = np.concatenate([cut.vertices[ids], cut.vertices[ear_ids]])
        _, unique = np.unique(source.round(6), axis=0, return_index=True)
        warp = thin_plate_spline(source[unique], np.concatenate([targets, ear_points])[unique], 0.05)
        start, schedule = warp(cut.vertices), _ANNEAL
    else:
        start, schedule = _smooth_upsample(cut, coarse), _ANNEAL_FINE
        weight[: len(coarse)] = 25.0
        goal[: len(coarse)] = coarse
    result = _anneal(cut, symmetrised(start, cut.mirror), surfaces, weight, goal, schedule, (ear_ids, ear_points))
    if coarse is not None:
        result[: len(coarse)] = coarse
    return symmetrised(result, cut.mirror)


def _curve_weight(name: str) -> float:
    if name.startswith(("lip", "lid", "neck")):
        return 3.0
    return 1.0 if name == "midline" else 1.5


def _smooth_upsample(cut: Cut, coarse: np.ndarray) -> np.ndarray:
    """Level 1 positions by bi-Laplacian interpolation of level 0; the rim stays linear."""
    count = len(cut.vertices)
    linear = cut.subdivision.linear(coarse)
    laplacian = uniform_laplacian(cut.quads, count)
    rim = np.array([vertex for loop in Topology(cut.quads).boundaries() for vertex in loop])
    inside = np.ones(count)
    inside[rim] = 0
    laplacian = sp.diags(inside) @ laplacian
    pin = np.full(count, 1e-4)
    pin[: len(coarse)] = pin[rim] = 1e4
    return splu((laplacian.T @ laplacian + sp.diags(pin)).tocsc()).solve(pin[:, None] * linear)


def _scale_aware_laplacian(points: np.ndarray, quads: np.ndarray) -> sp.csr_matrix:
    edges = edges_of(quads)
    count = len(points)
    weight = 1 / np.maximum(np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1), 0.03)
    rows, columns = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    around = sp.coo_matrix((np.tile(weight, 2), (rows, columns)), shape=(count, count)).tocsr()
    return (sp.diags(1 / np.asarray(around.sum(1)).ravel()) @ around - sp.eye(count)).tocsr()


def _anneal(cut, rest, surfaces, weight, goal, schedule, ears) -> np.ndarray:
    count = len(rest)
    triangles = triangles_of(cut.quads)
    skin, bag = np.flatnonzero(cut.label == SKIN), np.flatnonzero(cut.label == MOUTH_BAG)
    ear_ids, ear_points = ears
    pull = sp.coo_matrix(
        (np.ones(len(ear_ids)), (np.arange(len(ear_ids)), ear_ids)), shape=(len(ear_ids), count)
    ).tocsr()
    on_ear = in_ears(rest)
    laplacian = _scale_aware_laplacian(rest, cut.quads)
    smooth = (laplacian.T @ laplacian).tocsr()
    points = rest.copy()
    for solve, (stiffness, gate) in enumerate(schedule):
        normals = vertex_normals(points, triangles)
        target, plane, data = points.copy(), normals.copy(), np.zeros(count)
        for ids, surface, strength in ((skin, surfaces.skin, 1.0), (bag, surfaces.bag, 0.15)):
            found = surface.closest(points[ids], normals[ids])
            good = found.facing & (found.distance < gate)
            target[ids[good]], plane[ids[good]] = found.point[good], found.normal[good]
            data[ids[good]] = strength
        data[on_ear] *= 0.12 if solve < 3 else 0.6
        ear_strength = 3.0 * min(1.0, stiffness / 3 + 0.15)
        regular = smooth * stiffness + pull.T @ pull * ear_strength

        def block(a: int, b: int, data=data, plane=plane, regular=regular) -> sp.spmatrix:
            diagonal = _TO_PLANE * data * plane[:, a] * plane[:, b]
            if a != b:
                return sp.diags(diagonal)
            return regular + sp.diags(diagonal + data * _TO_POINT + _CURVE * weight + 2e-9)

        along = (target * plane).sum(1) * data
        held = smooth * stiffness @ rest + pull.T @ ear_points * ear_strength + _CURVE * weight[:, None] * goal
        right = along[:, None] * plane + (_TO_POINT * data)[:, None] * target + held
        matrix = sp.bmat([[block(a, b) for b in range(3)] for a in range(3)]).tocsc()
        points = symmetrised(splu(matrix).solve(right.T.ravel()).reshape(3, count).T, cut.mirror)
        distance = surfaces.skin.closest(points[skin], vertex_normals(points, triangles)[skin]).distance * 10
        log.info("solve %d stiffness %g: skin to scan mean %.3f p95 %.3f max %.2f mm", solve, stiffness,
                 distance.mean(), np.percentile(distance, 95), distance.max())  # fmt: skip
    return points
