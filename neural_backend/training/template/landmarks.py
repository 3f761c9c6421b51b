"""Embeds ICT's 68 landmarks in the template's skin."""

from __future__ import annotations

import numpy as np

from .cut import SKIN, Cut
from .registration import IctSurfaces
from .sources import IctModel
from .surface import Surface


def embed_landmarks(cut: Cut, points: np.ndarray, ict: IctModel, surfaces: IctSurfaces):
    """(triangles [68, 3] level-1 vertices, barycentric [68, 3], error [68] cm)."""
    skin = Surface(points, cut.quads[(cut.label[cut.quads] == SKIN).all(1)])
    ids = ict.landmarks68
    found = skin.closest(ict.vertices[ids], surfaces.skin.vertex_normals[ids], k=40, cosine=0.2)
    return found.triangle, found.barycentric, found.distance
