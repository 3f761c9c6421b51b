"""What skin looks like before any photo: a Gaussian over log albedo per vertex, and the small-scale structure of skin.

Built by `neural_backend.training.reflectance`; shipped as weights/reflectance.safetensors; docs/textures.md tells how.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..head.template import WEIGHTS_FOLDER, HeadTemplate
from ..head.weights_file import read_weights

REFLECTANCE_FILE = WEIGHTS_FOLDER / "reflectance.safetensors"
#: Log-albedo of an 8-bit code step in the stored detail maps: codes 0..255 stand for -DETAIL_RANGE..DETAIL_RANGE.
DETAIL_RANGE = 0.8


@dataclass(frozen=True)
class ReflectancePrior:
    """log albedo = mean + sum_a coefficient_a * mode_a, coefficients N(0, 1), natural log of linear Rec.709."""

    vertex_log_albedo_mean: np.ndarray  # [V_skin, 3] float32, level-1 skin vertices
    vertex_log_albedo_modes: np.ndarray  # [A, V_skin, 3] float32
    residual_sd: np.ndarray  # [V_skin, 3] float32: what the modes leave out
    tone_curve: np.ndarray  # [T, 3] float32 log albedo of the average skin (cheeks, forehead) from dark to light
    regions: dict[str, np.ndarray]  # name -> [V_skin] float32 0..1
    feature_png: np.ndarray  # [n] uint8: mean small-scale log-albedo in the skin UV (lip border, lid creases ...)
    structure_png: np.ndarray  # [n] uint8: one face's own small-scale log-luminance, a sample of real skin
    uv_digest: str  # of the template UV that the two maps belong to

    @classmethod
    def load(cls, path: Path = REFLECTANCE_FILE) -> ReflectancePrior:
        """Read the shipped prior.

        Raises:
            FileNotFoundError: no file at `path`; the sentence says how to build one.
        """
        data, metadata = read_weights(
            path, "reflectance prior", "'python -m neural_backend.training.reflectance' (docs/textures.md)"
        )
        return cls(
            vertex_log_albedo_mean=data["mean"].astype(np.float32),
            vertex_log_albedo_modes=data["modes"].astype(np.float32) * data["modes_scale"][:, None, None],
            residual_sd=data["residual_sd"].astype(np.float32),
            tone_curve=data["tone_curve"],
            regions={
                key.removeprefix("region/"): value.astype(np.float32) / 255
                for key, value in data.items()
                if key.startswith("region/")
            },
            feature_png=data["feature_png"],
            structure_png=data["structure_png"],
            uv_digest=metadata["uv_digest"],
        )

    @property
    def vertex_count(self) -> int:
        return len(self.vertex_log_albedo_mean)

    def log_albedo(self, coefficients: np.ndarray) -> np.ndarray:
        """[<=A] coefficients -> [V_skin, 3] log albedo."""
        modes = self.vertex_log_albedo_modes[: len(coefficients)]
        return self.vertex_log_albedo_mean + np.tensordot(np.asarray(coefficients, np.float32), modes, 1)

    def albedo(self, coefficients: np.ndarray) -> np.ndarray:
        """[<=A] coefficients -> [V_skin, 3] linear albedo."""
        return np.exp(self.log_albedo(coefficients))

    def condition(
        self,
        log_albedo: np.ndarray,  # [V_skin, 3] observed, anything where the precision is 0
        precision: np.ndarray,  # [V_skin] or [V_skin, 3]: 1 / variance of the observation's own error, 0 = not seen
    ) -> np.ndarray:
        """[A] posterior mean of the coefficients: the closed-form conditional Gaussian.

        Tipping and Bishop, "Probabilistic Principal Component Analysis", 1999, with a noise variance per vertex.
        """
        precision = np.broadcast_to(np.asarray(precision, np.float32).reshape(len(log_albedo), -1), log_albedo.shape)
        weight = precision / (1 + precision * self.residual_sd**2)  # [V, 3]: noise plus what the modes leave out
        modes = self.vertex_log_albedo_modes.reshape(len(self.vertex_log_albedo_modes), -1)
        weighted = modes * weight.reshape(1, -1)
        gram = weighted @ modes.T + np.eye(len(modes), dtype=np.float32)
        difference = np.where(weight > 0, log_albedo - self.vertex_log_albedo_mean, 0).reshape(-1)
        return np.linalg.solve(gram.astype(np.float64), (weighted @ difference).astype(np.float64)).astype(np.float32)

    def feature_map(self, template: HeadTemplate) -> np.ndarray:
        """[S, S] float32 mean small-scale log albedo in the skin UV."""
        self._check_uv(template)
        return _decode(self.feature_png)

    def structure_map(self, template: HeadTemplate) -> np.ndarray:
        """[S, S] float32 small-scale log luminance of real skin in the skin UV."""
        self._check_uv(template)
        return _decode(self.structure_png)

    def _check_uv(self, template: HeadTemplate) -> None:
        if uv_digest(template) != self.uv_digest:
            raise ValueError(
                "The reflectance maps belong to another template UV: rebuild them with "
                "'python -m neural_backend.training.reflectance' (docs/textures.md)."
            )

    def tone(self, coefficients: np.ndarray) -> np.ndarray:
        """[3] mean log albedo of cheeks and forehead."""
        face = np.maximum(self.regions["cheeks"], self.regions["forehead"])
        return np.average(self.log_albedo(coefficients), axis=0, weights=face)


def uv_digest(template: HeadTemplate) -> str:
    """A name for the skin's UV: the maps of one UV must not be used with another."""
    level = template.levels[1]
    faces = level.faces_of("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")
    corners = np.round(level.uv[level.face_uv[faces]] * 8192).astype(np.int32)  # an eighth of a texel at 1024
    return hashlib.sha256(corners.tobytes()).hexdigest()[:16]


def encode(log_detail: np.ndarray) -> np.ndarray:
    """[S, S] log detail -> [n] uint8 PNG."""
    codes = np.clip(np.round(log_detail / DETAIL_RANGE * 127.5 + 127.5), 0, 255).astype(np.uint8)
    return cv2.imencode(".png", codes, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].reshape(-1)


def _decode(png: np.ndarray) -> np.ndarray:
    return (cv2.imdecode(png, cv2.IMREAD_GRAYSCALE).astype(np.float32) - 127.5) / 127.5 * DETAIL_RANGE
