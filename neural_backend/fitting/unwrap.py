"""From photo pixels to the texels of the skin's UV square: where each texel lies, what it saw, how well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from ..head.template import HeadTemplate
from ..protocol.cancellation import checkpoint
from ..rendering.camera import Camera
from ..rendering.rasterizer import rasterize, rasterize_uv

SKIN_PARTS = ("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")
#: A surface point counts as hidden when something is this much nearer to the camera, metres.
DEPTH_SLACK = 0.0025
#: The photo is trusted from the second value of the surface's cosine to the viewing ray on, not below the first.
GRAZING = (0.12, 0.42)


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 at `low`, 1 at `high`, smooth in between; `low` may exceed `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class SkinAtlas:
    """The skin's UV square at one size: for every covered texel its triangle and barycentrics."""

    size: int
    vertex_count: int  # skin vertices come first in the template
    triangles: np.ndarray  # [T, 3] skin triangles, level-1 vertex ids
    mask: np.ndarray  # [S, S] bool
    triangle: np.ndarray  # [N] int64 triangle of each covered texel
    corners: np.ndarray  # [N, 3] int64 vertex ids of that triangle
    weights: np.ndarray  # [N, 3] float32 barycentrics
    outer: np.ndarray  # [N] bool: on the part 'skin', not in mouth bag, socket or nostril
    coarse: SkinAtlas | None  # the same at a quarter of the size, for what varies slowly

    @classmethod
    def make(cls, template: HeadTemplate, size: int, with_coarse: bool = True) -> SkinAtlas:
        """Rasterize the level-1 skin in its UV.

        Raises:
            ValueError: the UV is not mirror symmetric about u = 0.5.
        """
        level = template.levels[1]
        faces = level.faces_of(*SKIN_PARTS)
        quads, face_uv = level.quads[faces], level.face_uv[faces]
        triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        uv_triangles = np.concatenate([face_uv[:, [0, 1, 2]], face_uv[:, [0, 2, 3]]])
        fragments = rasterize_uv(torch.as_tensor(level.uv), torch.as_tensor(uv_triangles.astype(np.int32)), size, size)
        mask = fragments.mask.numpy()
        if (mask != mask[:, ::-1]).mean() > 0.01:
            raise ValueError("The skin's UV is not mirror symmetric: rebuild the template.")
        ids = fragments.covered_triangle
        ids = ids.numpy()
        corners = triangles[ids]
        skin = np.zeros(len(level.face_part), bool)
        skin[level.faces_of("skin")] = True
        outer = np.concatenate([skin[faces], skin[faces]])[ids]
        coarse = cls.make(template, max(size // 4, 256), False) if with_coarse else None
        count = int(quads.max()) + 1
        return cls(
            size, count, triangles, mask, ids, corners, fragments.covered_barycentric.numpy(), outer, coarse
        )  # fmt: skip

    def from_vertices(self, values: np.ndarray) -> np.ndarray:
        """[V] or [V, C] per vertex -> [N] or [N, C] per covered texel."""
        # numpy, not torch: gathering has nothing to share among threads, and waiting for them costs more than it saves.
        flat = np.ascontiguousarray(values, np.float32).reshape(len(values), -1)
        mixed = np.zeros((len(self.corners), flat.shape[1]), np.float32)
        for k in range(3):
            checkpoint()
            part = np.take(flat, self.corners[:, k], axis=0)
            part *= self.weights[:, k : k + 1]
            mixed += part
        return mixed.reshape(-1, *values.shape[1:])

    def smooth(self, values: np.ndarray) -> np.ndarray:
        """`from_vertices` for values that vary slowly from vertex to vertex: many times faster."""
        checkpoint()
        if self.coarse is None:
            return self.from_vertices(values)
        image = self.coarse.padded(self.coarse.from_vertices(values))
        return cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_LINEAR)[self.mask]

    def image(self, values: np.ndarray, background: float = 0.0) -> np.ndarray:
        """[N] or [N, C] per covered texel -> [S, S] or [S, S, C]."""
        checkpoint()
        out = np.full((self.size, self.size, *values.shape[1:]), background, np.float32)
        out[self.mask] = values
        return out

    def mirrored(self, values: np.ndarray) -> np.ndarray:
        """[N] or [N, C]: the values of the texels on the head's other side."""
        return np.ascontiguousarray(self.padded(values)[:, ::-1])[self.mask]

    @cached_property
    def _nearest(self) -> np.ndarray:
        """[S * S] flat index of the nearest covered texel."""
        outside = (~self.mask).astype(np.uint8)
        _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
        flat = np.zeros(labels.max() + 1, np.int64)
        covered = np.flatnonzero(self.mask)
        flat[labels.reshape(-1)[covered]] = covered
        return flat[labels.reshape(-1)]

    def padded(self, values: np.ndarray) -> np.ndarray:
        """[N(, C)] -> [S, S(, C)], texels outside the islands take their nearest covered one: no seam when filtered."""
        image = self.image(values)
        checkpoint()
        return image.reshape(-1, *values.shape[1:])[self._nearest].reshape(image.shape)

    def resized(self, image: np.ndarray) -> np.ndarray:
        """[s, s(, C)] picture in the skin UV -> [N(, C)] at this atlas's covered texels."""
        if image.shape[0] != self.size:
            image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return image[self.mask]

    def texel_mm(self, vertices: np.ndarray) -> np.ndarray:
        """[N] millimetres per texel: square root of the area on the head that a texel covers."""
        atlas = self.coarse or self
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2 * 1e6
        texels = np.bincount(atlas.triangle, minlength=len(area)) * (self.size / atlas.size) ** 2
        # Averaged over neighbours: counting texels of a small triangle is coarse.
        corner = self.triangles.ravel()
        total_area, total_texels = (np.bincount(corner, np.repeat(value, 3)) for value in (area, texels))
        return np.clip(self.smooth(np.sqrt(total_area / np.maximum(total_texels, 1e-3))), 0.02, 5.0)


@dataclass(frozen=True)
class View:
    """One photo as the posed head sees it."""

    vertices: np.ndarray  # [V_all, 3] posed, metres
    normals: np.ndarray  # [V_all, 3]
    pixels: np.ndarray  # [V_all, 2]
    depth: np.ndarray  # [V_all]
    cosine: np.ndarray  # [V_all] of the normal to the viewing ray, 1 facing
    strain: np.ndarray  # [V_all] 0..1: how far the expression folds or stretches the skin there
    depth_map: np.ndarray  # [h, w] metres, 0 where no head
    scale: float  # depth map pixels per photo pixel
    mm_per_pixel: float  # at the middle of the face

    @classmethod
    def make(
        cls,
        camera: Camera,
        vertices: np.ndarray,
        normals: np.ndarray,
        triangles: np.ndarray,
        neutral: np.ndarray,
        limit: int = 1400,
    ) -> View:
        """Project the whole head and draw its depth (long side at most `limit` pixels)."""
        pixels, depth = camera.project(vertices.astype(np.float64))
        scale = min(1.0, limit / max(camera.width, camera.height))
        height, width = max(1, round(camera.height * scale)), max(1, round(camera.width * scale))
        drawn = rasterize(
            torch.as_tensor((pixels * scale).astype(np.float32)),
            torch.as_tensor(depth.astype(np.float32)),
            torch.as_tensor(triangles.astype(np.int32)),
            height,
            width,
        )
        ray = camera.centre_head - vertices
        cosine = (normals * ray).sum(1) / np.linalg.norm(ray, axis=1)
        middle = float(np.median(depth))
        return cls(
            vertices, normals, pixels.astype(np.float32), depth.astype(np.float32), cosine.astype(np.float32),
            fold_strain(vertices, neutral, triangles), drawn.depth.numpy(), scale, 1000 * middle / camera.focal_px,
        )  # fmt: skip

    def trust(self, pixels: np.ndarray, depth: np.ndarray, cosine: np.ndarray) -> np.ndarray:
        """[N] 0..1 for points given by pixel [N, 2], depth [N] and cosine [N]: in front, not grazing, off outlines."""
        height, width = self.depth_map.shape
        # What lies within this many pixels of an outline of the head, or behind an edge, may belong to something else.
        margin = max(1, int(round(2.0 / self.mm_per_pixel * self.scale)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
        inside = cv2.erode((self.depth_map > 0).astype(np.uint8), kernel, borderValue=1)
        far = np.where(self.depth_map > 0, self.depth_map, 1e3).astype(np.float32)
        nearest = cv2.erode(far, kernel)
        x, y = (pixels * self.scale).T.astype(np.float32)
        column = np.clip(x, 0, width - 1).astype(int)
        row = np.clip(y, 0, height - 1).astype(int)
        in_frame = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
        visible = depth < far[row, column] + DEPTH_SLACK
        # Near a nearer surface (nose over cheek, lid over eye): slack grows with slope, so compare generously.
        clear = depth < nearest[row, column] + DEPTH_SLACK + 0.012
        return (in_frame & visible & clear & (inside[row, column] > 0)) * smoothstep(*GRAZING, cosine)


def fold_strain(posed: np.ndarray, neutral: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """[V] 0..1 from the change of edge lengths: 0 below a tenth, 1 at two fifths."""
    total, count = np.zeros(len(posed)), np.full(len(posed), 1e-6)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        i, j = triangles[:, a], triangles[:, b]
        lengths = [np.linalg.norm(shape[i] - shape[j], axis=1) for shape in (posed, neutral)]
        change = np.abs(np.log(np.maximum(lengths[0], 1e-6) / np.maximum(lengths[1], 1e-6)))
        for end in (i, j):
            total += np.bincount(end, change, len(posed))
            count += np.bincount(end, minlength=len(posed))
    return smoothstep(0.08, 0.35, total / count).astype(np.float32)


def sample_photo(image: np.ndarray, pixels: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """[H, W(, C)] sampled at [N, 2] pixels (centres at +0.5) -> [N(, C)]."""
    columns = 4096  # OpenCV's remap refuses more than 32767 rows or columns
    pad = -len(pixels) % columns
    x, y = (np.pad(pixels[:, axis].astype(np.float32) - 0.5, (0, pad)).reshape(-1, columns) for axis in (0, 1))
    found = cv2.remap(image, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(-1, *image.shape[2:])[: len(pixels)]


def sample_colour(linear: np.ndarray, pixels: np.ndarray, texels_per_pixel: float) -> np.ndarray:
    """[N, 3] linear colour of the photo at [N, 2] pixels, filtered for the texel size.

    `texels_per_pixel` below 1 means the photo is finer than the map and is averaged first.
    """
    if texels_per_pixel < 0.7:
        blur = 0.45 / texels_per_pixel
        linear = cv2.GaussianBlur(linear, (0, 0), blur)
    # Cubic in a perceptual scale: in linear light it rings beside highlights.
    root = np.sqrt(np.maximum(linear, 0)).astype(np.float32)
    return np.maximum(sample_photo(root, pixels, cv2.INTER_CUBIC), 0) ** 2
