"""The 68 landmarks of a head in the scene, wherever its sliders and the artist's edits take them."""

from __future__ import annotations

import bpy
import numpy as np

from .package import Package

CORNERS_PROPERTY, WEIGHTS_PROPERTY = "mien_landmark_corners", "mien_landmark_weights"
COUNT = 68


def remember_landmarks(head: bpy.types.Object, package: Package) -> None:
    """Store on the mesh object where its landmarks lie: three vertices and their weights each."""
    if package.landmark_corners is not None:
        head[CORNERS_PROPERTY] = [int(corner) for corner in package.landmark_corners.ravel()]
        head[WEIGHTS_PROPERTY] = [float(weight) for weight in package.landmark_weights.ravel()]


def has_landmarks(head: bpy.types.Object) -> bool:
    """Does the head know its landmarks, and is its mesh still the one they were counted on?"""
    return CORNERS_PROPERTY in head and max(head[CORNERS_PROPERTY]) < len(head.data.vertices)


def landmarks_of(head: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> np.ndarray:
    """[68, 3] the landmarks in the world, as the head looks now."""
    corners = list(head[CORNERS_PROPERTY])
    weights = np.array(list(head[WEIGHTS_PROPERTY])).reshape(COUNT, 3, 1)
    shown = head.evaluated_get(depsgraph)
    vertices = shown.data.vertices
    points = np.array([vertices[corner].co for corner in corners]).reshape(COUNT, 3, 3)
    local = (points * weights).sum(1)  # [68, 3]
    world = np.array(shown.matrix_world)
    return local @ world[:3, :3].T + world[:3, 3]
