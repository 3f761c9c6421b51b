"""A finished head as a template of its own: what is fitted to it has no identity left to find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .package import HeadPackage, PackageError
from .template import HeadTemplate


def personal_template(template: HeadTemplate, package: HeadPackage) -> HeadTemplate:
    """The template with the package's own neutral head and shapes, and without identity modes.

    Raises:
        PackageError: the package is of another template.
    """
    fine = package.levels[-1]
    if fine.vertices.shape != template.vertices.shape:
        raise PackageError(
            "damaged", f"{package.name} was made with another template: fit the photo again with this Mien."
        )
    return of_person(template, fine.vertices, fine.arkit, package.joint_positions)


def of_person(
    template: HeadTemplate,
    vertices: np.ndarray,  # [V, 3] neutral, level 1, metres
    arkit: np.ndarray,  # [52, V, 3]
    joint_positions: np.ndarray,  # [J, 3]
) -> HeadTemplate:
    """The template with one head's own shapes, and without identity modes."""
    return replace(
        template,
        vertices=np.asarray(vertices, np.float32),
        identity=np.zeros((0, *vertices.shape), np.float32),
        arkit=np.asarray(arkit, np.float32),
        joint_positions=np.asarray(joint_positions, np.float32),
        joint_identity=np.zeros((0, *joint_positions.shape), np.float32),
    )
