"""The mean head under a camera, at small sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from neural_backend.head.template import HeadTemplate
from neural_backend.rendering.projection import intrinsics_matrix, project, rigid_motion

OPENCV_FROM_HEAD = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))


@dataclass(frozen=True)
class View:
    """A mesh seen by a camera."""

    vertices: torch.Tensor  # [V, 3]
    triangles: torch.Tensor  # [F, 3]
    uv: torch.Tensor
    triangle_uv: torch.Tensor
    intrinsics: torch.Tensor
    camera_from_head: torch.Tensor
    size: int

    def project(self) -> tuple[torch.Tensor, torch.Tensor]:
        return project(self.vertices, self.intrinsics, self.camera_from_head)


@pytest.fixture(scope="session")
def template() -> HeadTemplate:
    return HeadTemplate.load()


@pytest.fixture(scope="session")
def make_view(template):
    def make(size: int = 128, level: int = 0, yaw: float = 0.3, distance: float = 0.6) -> View:
        lod = template.levels[level]
        vertices = torch.from_numpy(template.vertices[lod.vertex_ids])
        middle = (vertices.amin(0) + vertices.amax(0)) / 2
        turn = rigid_motion(torch.tensor([0.1, yaw, 0.0]), torch.zeros(3))
        camera_from_head = OPENCV_FROM_HEAD @ turn
        camera_from_head[:3, 3] = torch.tensor([0.0, 0.0, distance]) - camera_from_head[:3, :3] @ middle
        return View(
            vertices,
            torch.from_numpy(lod.triangles),
            torch.from_numpy(lod.uv),
            torch.from_numpy(lod.triangle_uv),
            intrinsics_matrix(torch.tensor(1.7 * size), size, size),
            camera_from_head,
            size,
        )

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
