"""A face embedding: photos of one person lie closer than 0.6, of two people further. A metric, never a loss.

dlib's face recognition ResNet (Davis King, CC0): 29 convolutions, 128 numbers, trained with a metric loss on pairs. Its
input is a 150 px crop aligned by five points; those five are taken from our landmarks.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file
from torch import Tensor, nn

from .image import Photo

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "identity.safetensors"
SIDE = 150  # px
SAME_PERSON = 0.6  # distance; dlib's published threshold
MEAN_RGB = (122.782, 117.001, 104.298)
BLOCKS = ((3, False), (1, True), (3, False), (1, True), (2, False), (1, True), (2, False), (1, True))  # count, halves

FIVE_POINTS = (263, 362, 33, 133, 2)
"""Landmarks at dlib's five points: left eye outer and inner, right eye outer and inner corner, under the nose."""
TEMPLATE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
"""[5, 2] where dlib's `get_face_chip` puts them, 0..1, before padding."""
PADDING = 0.25


class IdentityNet(nn.Module):
    """The ResNet, its batch norms folded into the convolutions."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.convolutions = nn.ParameterList()
        self.biases = nn.ParameterList()
        for i in range(29):
            self.convolutions.append(nn.Parameter(weights[f"conv{i}.weight"].float(), requires_grad=False))
            self.biases.append(nn.Parameter(weights[f"conv{i}.bias"].float(), requires_grad=False))
        self.fc = nn.Parameter(weights["fc.weight"].float(), requires_grad=False)  # [256, 128]
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1))

    def forward(self, rgb: Tensor) -> Tensor:
        """rgb [N, 3, 150, 150], sRGB 0..255 -> embedding [N, 128]."""
        x = (rgb - self.mean) / 256
        x = F.relu(F.conv2d(x, self.convolutions[0], self.biases[0], 2))
        x = F.max_pool2d(x, 3, 2)
        index = 1
        for count, halves in BLOCKS:
            for _ in range(count):
                x = self._block(x, index, halves)
                index += 2
        return x.mean((2, 3)) @ self.fc

    def _block(self, x: Tensor, index: int, halves: bool) -> Tensor:
        """Two 3 x 3 convolutions and a skip; dlib zero-pads whichever side is smaller, in space and channels."""
        stride, padding = (2, 0) if halves else (1, 1)
        y = F.relu(F.conv2d(x, self.convolutions[index], self.biases[index], stride, padding))
        y = F.conv2d(y, self.convolutions[index + 1], self.biases[index + 1], 1, 1)
        skip = F.avg_pool2d(x, 2, 2) if halves else x
        shape = [max(a, b) for a, b in zip(y.shape[1:], skip.shape[1:], strict=True)]
        return F.relu(_grow(y, shape) + _grow(skip, shape))


class IdentityMetric:
    """Embeddings of faces and the distance between them."""

    def __init__(self, device: str | torch.device = "cpu", path: Path = WEIGHTS) -> None:
        self.device = torch.device(device)
        self.net = IdentityNet(load_file(path)).to(self.device).eval()

    @torch.no_grad()
    def embed(self, photo: Photo, landmarks: np.ndarray) -> np.ndarray:
        """[128] embedding of the face with these landmarks [478, 2 or 3] in photo pixels.

        The mean over the crop and its mirror image, so that a head turned left equals one turned right.
        """
        crop = torch.from_numpy(face_chip(photo.srgb, landmarks)).to(self.device)
        pixels = crop.permute(2, 0, 1).float()  # [3, 150, 150]
        return self.net(torch.stack([pixels, pixels.flip(2)])).mean(0).cpu().numpy()


def embed(photo: Photo, landmarks: np.ndarray) -> np.ndarray:
    """[128] embedding on the CPU with weights that are read once; see `IdentityMetric.embed`."""
    return _shared_metric().embed(photo, landmarks)


@cache
def _shared_metric() -> IdentityMetric:
    return IdentityMetric()


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Between two embeddings [128]; below `SAME_PERSON` they are taken for one person."""
    return float(np.linalg.norm(a - b))


def face_chip(srgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """[150, 150, 3] uint8: the face moved, turned and scaled onto dlib's five-point template."""
    source = landmarks[list(FIVE_POINTS), :2].astype(np.float64)
    target = (TEMPLATE + PADDING) / (1 + 2 * PADDING) * SIDE
    matrix = similarity(source, target)
    shrink = 1 / np.sqrt(np.linalg.det(matrix[:, :2]))
    if shrink > 2:  # dlib reduces over a pyramid before sampling; a blur of the same size does the same
        srgb = cv2.GaussianBlur(srgb, (0, 0), shrink / 2.5)
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2].sum(1) * 0.5 - 0.5  # OpenCV counts pixel centres at whole numbers
    return cv2.warpAffine(srgb, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[2, 3] least-squares rotation, scale and shift from source [N, 2] to target [N, 2] (Umeyama 1991)."""
    s, t = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(t.T @ s)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt * (d * sign).sum() / (s**2).sum()
    return np.hstack([turn, (target.mean(0) - turn @ source.mean(0))[:, None]])


def _grow(x: Tensor, shape: list[int]) -> Tensor:
    channels, height, width = (a - b for a, b in zip(shape, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x
