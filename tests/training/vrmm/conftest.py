"""A little stage: three mean-shaped people of three skin tones, lit and drawn by the project's own rasterizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neural_backend.geometry.normals import vertex_normals
from neural_backend.head.template import HeadTemplate
from neural_backend.lightstage.captures import Capture, StageSettings, encode_groups, encode_map, write_settings
from neural_backend.models.vrmm.anchors import BaseMesh
from neural_backend.models.vrmm.config import VRMMConfig
from neural_backend.rendering.camera import Camera
from neural_backend.rendering.projection import project
from neural_backend.rendering.rasterizer import interpolate_covered, rasterize
from neural_backend.training.vrmm.recipe import Recipe, Weights

SIZE, LIGHTS = 32, 4
ALBEDO = {"anna": (0.6, 0.4, 0.3), "ben": (0.3, 0.18, 0.12), "cleo": (0.1, 0.06, 0.04)}
JAW_OPEN, SMILE_LEFT, SMILE_RIGHT = 24, 43, 44

TINY = VRMMConfig(
    identity=6, expression=5, grid=16, voxels=4, channels=(16, 16, 12, 8), identity_channels=(8, 8, 8),
    light_channels=(6, 6, 6, 4), mesh_hidden=16, mesh_residual=3, encoder_channels=(8, 8, 8), encoder_size=32,
    adaptor_hidden=8,
)  # fmt: skip
RECIPE = Recipe(
    TINY, Weights(perceptual=0.0), batch=2, steps=40, rate=3e-3, warm_up=2, march_step_m=0.005, consistency_from=4,
    consistency_every=4, cache_mb=50, save_minutes=1e9, refresh_minutes=1e9,
)  # fmt: skip


@pytest.fixture(scope="session")
def template() -> HeadTemplate:
    return HeadTemplate.load()


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return RECIPE


def draw(template: HeadTemplate, mesh: BaseMesh, vertices: np.ndarray, albedo, camera, directions):
    """(groups [G, H, W, 3], alpha [H, W]): matte shading, no shadows."""
    points, triangles = torch.from_numpy(vertices), torch.from_numpy(mesh.triangles)
    intrinsics, pose = (torch.from_numpy(np.asarray(x, np.float32)) for x in camera)
    pixels, depth = project(points, intrinsics, pose)
    fragments = rasterize(pixels, depth, triangles, SIZE, SIZE)
    cosine = (vertex_normals(points, triangles) @ torch.from_numpy(directions.astype(np.float32)).T).clamp_min(0)
    shade = fragments.image(interpolate_covered(cosine, triangles, fragments, pixels, depth)).numpy()
    return shade.transpose(2, 0, 1)[..., None] * np.asarray(albedo, np.float32) * 0.3, fragments.mask.numpy()


@pytest.fixture(scope="session")
def little_stage(template, tmp_path_factory) -> Path:
    """Three subjects, three moments, two views of 32 pixels, four lights."""
    folder = tmp_path_factory.mktemp("stage")
    mesh, rng = BaseMesh.of(template), np.random.default_rng(0)
    write_settings(folder, StageSettings("train", size=SIZE, lights=LIGHTS, views=2))
    directions = np.array([[0.0, 0.2, 1], [1, 0.3, 0.2], [-1, 0.3, 0.2], [0, 1, 0.1]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.full(LIGHTS, 0.3)
    radiance = np.full(LIGHTS, 0.3 * np.pi / (2 * np.pi * (1 - np.cos(0.3))))  # irradiance 0.3 pi
    focal = SIZE * 3.2
    intrinsics = np.array([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1.0]])
    for subject, albedo in ALBEDO.items():
        for moment in range(3):
            expression = np.zeros(52, np.float32)
            expression[[JAW_OPEN, SMILE_LEFT, SMILE_RIGHT]] = (0.7 * (moment == 1), moment == 2, moment == 2)
            identity = np.zeros(80, np.float32)
            vertices = template.shape(identity, expression)[mesh.vertex_ids].astype(np.float32)
            world_from_head = np.eye(4)
            world_from_head[:3, 3] = rng.uniform(-0.005, 0.005, 3)
            views = []
            for yaw in (0.0, 0.6):
                camera_from_world = np.diag([1.0, -1, -1, 1])
                camera_from_world[:3, :3] = camera_from_world[:3, :3] @ turn(-yaw)
                camera_from_world[2, 3] = 1.0
                pose = camera_from_world @ world_from_head
                views.append((pose, *draw(template, mesh, vertices, albedo, (intrinsics, pose), directions)))
            coded = [encode_groups(groups) for _, groups, _ in views]
            mattes = tuple(encode_map(alpha.astype(np.uint8) * 255) for _, _, alpha in views)
            Capture(
                subject=subject,
                name=f"{subject}_{moment:03d}",
                cameras=tuple(Camera(SIZE, SIZE, intrinsics, pose) for pose, _, _ in views),
                world_from_head=world_from_head,
                light_directions=directions,
                light_radii_rad=radii,
                light_radiance=radiance,
                codes=tuple(codes for codes, _ in coded),
                scales=np.stack([scales for _, scales in coded]),
                alpha_codes=mattes,
                material_codes=mattes,
                identity=identity,
                expression=expression,
                gaze_rad=np.zeros(2),
                vertices=vertices,
            ).write(folder)
    return folder


def turn(yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
