"""Finds the surface points of a face: places of the template's vertices in a photo, and a guess who it is.

The network is `models.surface_points`; `training.surface_points` trains and calibrates it. Its answer is the mean over
three crops and their mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ..head.template import WEIGHTS_FOLDER
from ..head.weights_file import read_weights
from ..models.surface_points import SIDE, SurfacePointConfig, SurfacePointNet
from .crop import Roi, sample
from .face import Face, roi_of
from .image import Photo

SURFACE_POINTS_FILE = WEIGHTS_FOLDER / "surface_points.safetensors"
VIEWS = ((1.0, 0.0), (1.12, 0.08), (0.9, -0.08))  # scale and turn (radians) of the crops that are averaged


@dataclass(frozen=True)
class SurfacePoints:
    """What the network sees in one photo, in its working pixels (centres at +0.5)."""

    places: np.ndarray  # [P, 2] where each point lies, in sight or not
    spread: np.ndarray  # [P] standard deviation per axis by the network's own word
    code: np.ndarray  # [K] identity code


class SurfacePointDetector:
    """The network and its points, loaded once."""

    def __init__(self, net: SurfacePointNet, mirror: np.ndarray, code_mirror: np.ndarray, device: str | torch.device):
        """
        Args:
            mirror: [P] each point's partner on the other side. code_mirror: [K] 1 or -1, the mirrored head's code.
        """
        self.net, self.device = net.to(device).eval().requires_grad_(False), torch.device(device)
        self.mirror, self.code_mirror = mirror, code_mirror

    @classmethod
    def load(cls, device: str | torch.device = "cpu", path: Path = SURFACE_POINTS_FILE) -> SurfacePointDetector:
        """Read the shipped network.

        Raises:
            FileNotFoundError: no file at `path`; the sentence says how to build one.
        """
        data, _ = read_weights(
            path, "surface point network", "'python -m neural_backend.training.surface_points' (docs/training.md)"
        )
        mean = data["net.mean_places"]
        config = SurfacePointConfig(points=len(mean), identity=len(data["code_mirror"]))
        net = SurfacePointNet(config, torch.zeros(mean.shape))
        net.load_state_dict(
            {
                key.removeprefix("net."): torch.from_numpy(
                    value.astype(np.float32) if value.dtype == np.float16 else value
                )
                for key, value in data.items()
                if key.startswith("net.")
            }
        )
        return cls(net, data["mirror"].astype(np.int64), data["code_mirror"].astype(np.float64), device)

    @torch.no_grad()
    def find(self, photo: Photo, face: Face) -> SurfacePoints:
        span = roi_of(face.landmarks)
        regions = [Roi(span.centre, (span.size[0] * k, span.size[1] * k), span.angle + turn) for k, turn in VIEWS]
        crops = np.stack([sample(photo.srgb, region, SIDE, cv2.BORDER_REPLICATE) for region in regions])
        pictures = torch.from_numpy(np.concatenate([crops, crops[:, :, ::-1]])).to(self.device).float() / 255
        guesses, codes = self.net(pictures.permute(0, 3, 1, 2))
        places = guesses[-1].places.cpu().numpy().astype(np.float64)
        spread = np.exp(guesses[-1].log_spread.cpu().numpy().astype(np.float64))
        codes = codes.cpu().numpy().astype(np.float64)
        flipped = len(regions)
        places[flipped:] = (places[flipped:] * [-1, 1] + [SIDE, 0])[:, self.mirror]
        spread[flipped:] = spread[flipped:, self.mirror]
        codes[flipped:] *= self.code_mirror
        pairs = list(zip(regions + regions, places, spread, strict=True))
        return SurfacePoints(
            np.mean([region.to_photo(each, SIDE) for region, each, _ in pairs], axis=0),
            np.mean([each * region.size[0] / SIDE for region, _, each in pairs], axis=0),
            codes.mean(0),
        )
