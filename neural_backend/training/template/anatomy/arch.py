"""The dental arches: where each tooth stands and how it leans.

Crown sizes are the textbook means of permanent teeth (mesiodistal width, height, labiolingual depth, neck width).
The arch curves and the occlusal heights were measured on ICT FaceKit's neutral teeth (MIT), in the head's frame,
and eased back by half a millimetre so that they stay behind the lips. Millimetres, the left side; the right is its
mirror.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

#: Where the mouth's frame begins: every depth below is measured from here (the middle between the first incisors).
_UPPER_ARCH = np.array(
    [[4.3, 105.6], [10.9, 102.3], [16.0, 96.5], [19.3, 89.3], [21.8, 82.3], [24.0, 74.0], [25.6, 65.0]]
)
_LOWER_ARCH = np.array(
    [[2.7, 103.1], [8.0, 101.3], [13.1, 96.7], [16.8, 90.2], [19.2, 83.4], [21.6, 74.8], [23.4, 64.8]]
)


@dataclass(frozen=True)
class Crown:
    """Sizes of one crown in millimetres and how it stands."""

    kind: str  # incisor, canine, premolar, molar
    width: float  # mesiodistal, at the contacts
    height: float  # neck to edge
    depth: float  # labiolingual
    neck: float  # mesiodistal width at the neck
    edge: float  # height (Y) of the incisal edge or of the highest cusp
    lean: float  # degrees by which the root's tip lies further in than the edge
    tip: float = 0.0  # degrees by which the root's tip lies further back along the arch


UPPER: tuple[Crown, ...] = (
    Crown("incisor", 8.6, 10.3, 7.0, 6.6, -35.7, 16.0, 2.0),
    Crown("incisor", 6.7, 9.1, 6.0, 5.0, -35.0, 15.0, 6.0),
    Crown("canine", 7.6, 10.2, 8.0, 5.7, -35.7, 8.0, 8.0),
    Crown("premolar", 7.1, 8.6, 9.0, 5.2, -34.7, 2.0, 3.0),
    Crown("premolar", 6.9, 8.2, 9.0, 5.2, -34.3, 0.0, 3.0),
    Crown("molar", 10.0, 7.4, 10.8, 8.1, -33.9, -5.0, 2.0),
    Crown("molar", 9.2, 7.0, 10.8, 7.4, -32.9, -8.0, 2.0),
)
LOWER: tuple[Crown, ...] = (
    Crown("incisor", 5.3, 9.0, 6.0, 3.7, -34.2, 10.0, 0.0),
    Crown("incisor", 5.7, 9.3, 6.3, 4.1, -34.2, 9.0, 2.0),
    Crown("canine", 6.9, 10.4, 7.6, 5.5, -33.8, 4.0, 5.0),
    Crown("premolar", 7.0, 8.6, 7.6, 5.0, -34.1, -6.0, 3.0),
    Crown("premolar", 7.1, 8.0, 8.0, 5.2, -33.7, -9.0, 3.0),
    Crown("molar", 11.0, 7.4, 10.3, 9.0, -33.0, -13.0, 3.0),
    Crown("molar", 10.5, 7.0, 10.0, 8.6, -32.0, -16.0, 5.0),
)


@dataclass(frozen=True)
class ArchCurve:
    """A symmetric curve in the plane of the arch, by arc length from the midline towards the left; millimetres."""

    spline: CubicSpline  # arc length -> (x, z)

    @classmethod
    def through(cls, points: np.ndarray) -> ArchCurve:
        both = np.concatenate([points[::-1] * [-1, 1], points])
        chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(both, axis=0), axis=1))])
        spline = CubicSpline(chord, both)
        fine = np.linspace(chord[-1] / 2, chord[-1] + 12, 600)
        dense = spline(fine)
        dense[:, 0] -= dense[0, 0]
        length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
        return cls(CubicSpline(length, dense))

    def at(self, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points, unit tangents (to the back) and unit normals (outwards), each [n, 2] in (x, z)."""
        length = np.atleast_1d(length)
        point, tangent = self.spline(np.abs(length)), self.spline(np.abs(length), 1)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
        return point, tangent, normal


UPPER_CURVE = ArchCurve.through(_UPPER_ARCH)
LOWER_CURVE = ArchCurve.through(_LOWER_ARCH)


@dataclass(frozen=True)
class Placement:
    """A tooth's frame in millimetres: columns of `axes` are distal, outwards (labial) and towards the root."""

    crown: Crown
    upper: bool
    start: float  # arc length of the mesial contact
    middle: float
    end: float  # arc length of the distal contact
    origin: np.ndarray  # [3] middle of the incisal edge
    axes: np.ndarray  # [3, 3]


def placements(upper: bool) -> list[Placement]:
    """The seven teeth of the left side of one arch, from the midline back."""
    curve, crowns = (UPPER_CURVE, UPPER) if upper else (LOWER_CURVE, LOWER)
    result, start = [], 0.04
    for crown in crowns:
        end = start + crown.width * 1.005
        middle = (start + end) / 2
        point, tangent, normal = (value[0] for value in curve.at(middle))
        distal = np.array([tangent[0], 0.0, tangent[1]])
        outwards = np.array([normal[0], 0.0, normal[1]])
        root = np.array([0.0, 1.0 if upper else -1.0, 0.0])
        root = root - np.tan(np.radians(crown.lean)) * outwards + np.tan(np.radians(crown.tip)) * distal
        root /= np.linalg.norm(root)
        outwards -= root * (outwards @ root)
        outwards /= np.linalg.norm(outwards)
        distal = distal - root * (distal @ root) - outwards * (distal @ outwards)
        distal /= np.linalg.norm(distal)
        result.append(
            Placement(
                crown=crown,
                upper=upper,
                start=start,
                middle=middle,
                end=end,
                origin=np.array([point[0], crown.edge, point[1]]),
                axes=np.stack([distal, outwards, root], 1),
            )
        )
        start = end
    return result
