"""Small-scale log albedo of the CC0 skins in the template's own UV: what a vertex every 2 mm cannot hold."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ...head.template import HeadTemplate
from ...rendering.rasterizer import Fragments, rasterize_uv
from .makehuman_maps import sample, skin_face_ids


class UvSampler:
    """Texels of the template's skin UV and where they lie on the mesh and in MakeHuman's UV."""

    def __init__(self, template: HeadTemplate, makehuman_uv: np.ndarray, size: int):
        level = template.levels[1]
        faces = skin_face_ids(template)
        self.size = size
        quads, face_uv = level.quads[faces], level.face_uv[faces]
        self.triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        uv_triangles = np.concatenate([face_uv[:, [0, 1, 2]], face_uv[:, [0, 2, 3]]])
        corners = np.concatenate([makehuman_uv[:, [0, 1, 2]], makehuman_uv[:, [0, 2, 3]]])  # [2F, 3, 2]
        self.fragments: Fragments = rasterize_uv(
            torch.as_tensor(level.uv), torch.as_tensor(uv_triangles.astype(np.int32)), size, size
        )
        self.mask = self.fragments.mask.numpy()
        self.triangle = self.fragments.triangle.numpy()[self.mask]
        self.weights = self.fragments.barycentric.numpy()[self.mask]
        self.makehuman_uv = (corners[self.triangle] * self.weights[..., None]).sum(1)  # [N, 2]

    def from_vertices(self, values: np.ndarray) -> np.ndarray:
        """[V, C] per vertex -> [N, C] per covered texel."""
        return (values[self.triangles[self.triangle]] * self.weights[..., None]).sum(1)

    def image(self, values: np.ndarray, background: float = 0.0) -> np.ndarray:
        """[N] per covered texel -> [S, S]."""
        out = np.full((self.size, self.size), background, np.float32)
        out[self.mask] = values
        return out

    def log_luminance(self, picture: np.ndarray) -> np.ndarray:
        """[H, W, 3] linear picture in MakeHuman's UV -> [N] log of mean linear luminance."""
        luminance = (picture @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
        return np.log(np.clip(sample(luminance, self.makehuman_uv)[:, 0], 0.003, 1))


def smooth_inside(image: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur that does not look outside the mask."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    return cv2.GaussianBlur(image * mask, (0, 0), sigma) / np.maximum(weight, 1e-4)
