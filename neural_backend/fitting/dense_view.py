"""A photo of a face cut out upright, and a head drawn over it, as the dense field network wants them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..geometry.normals import vertex_normals_numpy
from ..head.template import HeadTemplate
from ..models.dense_field import FIELD_SIDE, MODEL_SIDE, PICTURE_SIDE
from ..perception.crop import Roi, sample
from ..perception.face import roi_of
from ..rendering.camera import Camera
from ..rendering.rasterizer import Fragments, rasterize

SKIN_PARTS = ("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")
TEMPLATE_UNIT_M = 0.1  # template points are told in decimetres


@dataclass(frozen=True)
class SkinMesh:
    """The skin at level 1: what is drawn."""

    triangles: np.ndarray  # [F, 3] into the first `count` vertices of the template
    places: np.ndarray  # [count, 3] float32 on the mean head, decimetres: which point of the template a pixel sees
    count: int

    @classmethod
    def of(cls, template: HeadTemplate) -> SkinMesh:
        level = template.levels[1]
        faces = level.faces_of(*SKIN_PARTS)
        triangles = np.concatenate([level.quads[faces][:, [0, 1, 2]], level.quads[faces][:, [0, 2, 3]]])
        count = int(triangles.max()) + 1
        return cls(triangles, (template.vertices[:count] / TEMPLATE_UNIT_M).astype(np.float32), count)


@dataclass(frozen=True)
class Crop:
    """An upright square around a face, and the axes of a camera that looks straight at its middle."""

    roi: Roi
    axes: np.ndarray  # [3, 3] rows: the crop's right, down and away, in the photo camera's axes

    @classmethod
    def around(cls, landmarks: np.ndarray, camera: Camera) -> Crop:
        """landmarks [478, >=2] photo pixels."""
        roi = roi_of(landmarks[:468])
        return cls(roi, crop_axes(roi, camera))

    def pixels(self, photo_pixels: np.ndarray) -> np.ndarray:
        """[N, 2] photo pixels -> [N, 2] crop pixels (0..256)."""
        matrix = self.roi.matrix(PICTURE_SIDE)
        return photo_pixels @ matrix[:, :2].T + matrix[:, 2]

    def picture(self, srgb: np.ndarray) -> np.ndarray:
        """[256, 256, 3] uint8 of the photo."""
        return sample(srgb, self.roi, PICTURE_SIDE, cv2.BORDER_REPLICATE)


def crop_axes(roi: Roi, camera: Camera) -> np.ndarray:
    """[3, 3] rotation from the photo camera's axes to those of a camera that looks at the region's middle, upright.

    What a face off the middle of the picture looks like depends on its turn against the line of sight, not against the
    picture's plane.
    """
    focal, principal = camera.focal_px, camera.intrinsics[:2, 2]
    away = np.append((np.array(roi.centre) - principal) / focal, 1.0)
    away /= np.linalg.norm(away)
    right = np.array([np.cos(roi.angle), np.sin(roi.angle), 0.0])
    right -= away * (right @ away)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(away, right), away])


def draw(mesh: SkinMesh, crop: Crop, camera: Camera, vertices: np.ndarray, side: int) -> Fragments:
    """Which triangle of the posed skin ([>= count, 3], head frame) each of side x side crop pixels sees."""
    photo_pixels, depth = camera.project(vertices[: mesh.count])
    pixels = crop.pixels(photo_pixels) * (side / PICTURE_SIDE)
    return rasterize(
        torch.from_numpy(pixels.astype(np.float32)), torch.from_numpy(depth.astype(np.float32)),
        torch.from_numpy(mesh.triangles), side, side,
    )  # fmt: skip


def crop_normals(mesh: SkinMesh, crop_from_camera: np.ndarray, camera: Camera, vertices: np.ndarray) -> np.ndarray:
    """[count, 3] unit vertex normals in the crop's axes."""
    normals = vertex_normals_numpy(np.asarray(vertices[: mesh.count], np.float32), mesh.triangles)
    return normals @ (crop_from_camera @ camera.rotation).T.astype(np.float32)


def draw_model(mesh: SkinMesh, crop: Crop, camera: Camera, vertices: np.ndarray) -> tuple[np.ndarray, Fragments]:
    """([7, 128, 128] float32: normal in the crop's axes, template point in decimetres, covered; the fragments)."""
    seen = draw(mesh, crop, camera, vertices, MODEL_SIDE)
    attributes = np.concatenate([crop_normals(mesh, crop.axes, camera, vertices), mesh.places], 1)
    drawn = at_fragments(attributes, mesh.triangles, seen)
    covered = seen.mask.numpy()[..., None]
    return np.concatenate([drawn, covered], -1, dtype=np.float32).transpose(2, 0, 1), seen


def at_fragments(attributes: np.ndarray, triangles: np.ndarray, seen: Fragments) -> np.ndarray:
    """[V, C] vertex attributes -> [H, W, C] at what the pixels see, 0 elsewhere."""
    corners = attributes[triangles[seen.covered_triangle.numpy()]]  # [N, 3, C]
    values = np.einsum("nk,nkc->nc", seen.covered_barycentric.numpy(), corners)
    return seen.image(torch.from_numpy(values.astype(np.float32))).numpy()


def true_fields(
    mesh: SkinMesh,
    crop: Crop,
    fitted_camera: Camera,
    fitted: np.ndarray,  # [>= count, 3] posed skin of the fit
    true_camera: Camera,
    true: np.ndarray,  # [>= count, 3] posed skin of the person
) -> np.ndarray:
    """[6, 64, 64] what the network should answer: flow 2 (crop pixels), true normal 3 (crop's axes), covered 1."""
    seen = draw(mesh, crop, fitted_camera, fitted, FIELD_SIDE)
    before = crop.pixels(fitted_camera.project(fitted[: mesh.count])[0])
    after = crop.pixels(true_camera.project(true[: mesh.count])[0])
    # The true camera has its own focal length, so its own line of sight through the crop's middle.
    normals = crop_normals(mesh, crop_axes(crop.roi, true_camera), true_camera, true)
    fields = at_fragments(np.concatenate([after - before, normals], 1), mesh.triangles, seen)
    normal = fields[..., 2:]
    fields[..., 2:] = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    return np.concatenate([fields, seen.mask.numpy()[..., None]], -1, dtype=np.float32).transpose(2, 0, 1)
