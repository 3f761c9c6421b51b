"""The dense field network at work: measurements of many skin points in one photo, from a first fit of the head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from ..head.template import WEIGHTS_FOLDER, HeadTemplate
from ..head.weights_file import read_weights
from ..models.dense_field import FIELD_SIDE, MODEL_SIDE, PICTURE_SIDE, DenseFieldNet
from .dense_view import Crop, SkinMesh, draw_model
from .landmarks import Residuals
from .linear_points import image_jacobian, project
from .parameters import EXPRESSION, PhotoState, minus_skew
from .surface_samples import SurfaceSamples

DENSE_FIELD_FILE = WEIGHTS_FOLDER / "dense_field.safetensors"
HIDDEN_M = 0.004  # a sample this much further away than what is drawn at its pixel is hidden
SAMPLES = 1200
#: What one measurement counts. Neighbours err together, so far less than 1: chosen on held-out people of the training
#: renders (docs/fitting.md).
POSITION_WEIGHT = 0.03
NORMAL_WEIGHT = 0.03
ROBUST = 3.0  # standard deviations: beyond, a measurement counts less (Cauchy)


@dataclass(frozen=True)
class DenseMeasurements:
    """Where n samples of the skin lie in one photo and which way they face, as the network believes."""

    samples: np.ndarray  # [n] which of the SurfaceSamples
    pixels: np.ndarray  # [n, 2] photo pixels
    whitener: np.ndarray  # [n, 2, 2] times an error in photo pixels: standard normal
    normals: np.ndarray  # [n, 3] unit, in the camera's axes
    sharpness: np.ndarray  # [n] one over the standard deviation of a normal's coordinate


class DenseFieldReader:
    """Network and skin mesh, loaded once."""

    def __init__(
        self,
        template: HeadTemplate,
        net: DenseFieldNet,
        device: str = "cpu",
        position_weight: float = POSITION_WEIGHT,
        normal_weight: float = NORMAL_WEIGHT,
    ) -> None:
        self.template, self.device = template, torch.device(device)
        self.position_weight, self.normal_weight = position_weight, normal_weight
        self.samples = samples = SurfaceSamples.on_head(template, SAMPLES)
        self.modes = np.concatenate([samples.points.identity, samples.points.expression])  # [K + 52, U, 3]
        self.mesh = SkinMesh.of(template)
        self.net = net.to(self.device).eval()

    @torch.no_grad()
    def measure(
        self,
        srgb: np.ndarray,  # [H, W, 3] uint8 photo
        landmarks: np.ndarray,  # [478, >=2] photo pixels: say where to look
        identity: np.ndarray,
        photo: PhotoState,
    ) -> DenseMeasurements:
        """Measurements of the samples that the head as fitted so far shows to the camera."""
        camera, vertices = photo.camera(), self.template.shape(identity, photo.expression)
        crop = Crop.around(landmarks, camera)
        model, seen = draw_model(self.mesh, crop, camera, vertices)
        picture = torch.from_numpy(crop.picture(srgb)).permute(2, 0, 1)[None].to(self.device).float() / 255
        fields = self.net(picture, torch.from_numpy(model)[None].to(self.device))
        answer = torch.cat([fields.flow, fields.whitener, fields.normal, fields.sharpness[:, None]], 1)[0]
        answer = answer.permute(1, 2, 0).cpu().numpy()  # [64, 64, 9]

        places = vertices[self.samples.vertex_ids]
        photo_pixels, in_camera = project(places, photo)
        at = crop.pixels(photo_pixels)
        drawn_depth = seen.depth.numpy()
        column, row = np.clip((at * MODEL_SIDE / PICTURE_SIDE).astype(int), 0, MODEL_SIDE - 1).T
        drawn = drawn_depth[row, column]
        inside = (at > 0).all(1) & (at < PICTURE_SIDE).all(1)
        chosen = np.flatnonzero(inside & (drawn > 0) & (in_camera[:, 2] < drawn + HIDDEN_M))
        # Cells beside the head are no answers: read only those that the model covers.
        covered = cv2.resize(model[6], (FIELD_SIDE, FIELD_SIDE), interpolation=cv2.INTER_AREA)
        values = _read(answer * covered[..., None], at[chosen] * FIELD_SIDE / PICTURE_SIDE)
        values /= np.maximum(_read(covered[..., None], at[chosen] * FIELD_SIDE / PICTURE_SIDE), 1e-3)

        to_crop = crop.roi.matrix(PICTURE_SIDE)[:, :2]  # crop pixels per photo pixel
        whitener = np.zeros((len(chosen), 2, 2))
        whitener[:, 0, 0], whitener[:, 1, 0], whitener[:, 1, 1] = values[:, 2], values[:, 3], values[:, 4]
        normals = values[:, 5:8] / np.maximum(np.linalg.norm(values[:, 5:8], axis=1, keepdims=True), 1e-6)
        return DenseMeasurements(
            chosen, photo_pixels[chosen] + values[:, :2] @ np.linalg.inv(to_crop).T, whitener @ to_crop,
            normals @ crop.axes, values[:, 8],
        )  # fmt: skip

    def residuals(self, measurements: DenseMeasurements, photo: PhotoState, identity: np.ndarray) -> Residuals:
        """Whitened residuals of positions and normals of the samples measured in one photo."""
        samples, chosen = self.samples, measurements.samples
        local = samples.points.positions(identity, photo.expression)
        own = samples.own[chosen]
        places = local[own]
        pixels, in_camera = project(places, photo)
        jacobian = image_jacobian(samples.points.at(own), places, in_camera, photo)  # [n, 2, K + BLOCK]
        away = np.einsum("nab,nb->na", measurements.whitener, measurements.pixels - pixels)
        weight = np.sqrt(self.position_weight / (1 + (away**2).sum(1) / ROBUST**2))
        shift = np.matmul(measurements.whitener * weight[:, None, None], jacobian)

        normals, turns = samples.normal_derivatives(local, self.modes)  # [M, 3], [M, K + 52, 3] head frame
        seen = normals[chosen] @ photo.rotation.T
        off = measurements.normals - seen
        squared = (off**2).sum(1) * measurements.sharpness**2
        scale = measurements.sharpness * np.sqrt(self.normal_weight / (1 + squared / ROBUST**2))
        turned = np.matmul(photo.rotation, turns[chosen].transpose(0, 2, 1))  # [n, 3, K + 52]
        count = len(identity)
        turn = np.zeros((len(chosen), 3, jacobian.shape[2]))
        turn[:, :, :count], turn[:, :, count + EXPRESSION :] = turned[:, :, :count], turned[:, :, count:]
        turn[:, :, count : count + 3] = minus_skew(seen)
        value = np.concatenate([(away * weight[:, None]).ravel(), (off * scale[:, None]).ravel()])
        rows = [block.reshape(-1, jacobian.shape[2]) for block in (shift, turn * scale[:, None, None])]
        return Residuals(value, np.concatenate(rows), away)


def _read(grid: np.ndarray, places: np.ndarray) -> np.ndarray:
    """[S, S, C] grid, [n, 2] places in cells (centres at +0.5) -> [n, C] bilinear."""
    x, y = np.ascontiguousarray((places - 0.5).astype(np.float32).T)
    channels = []
    for channel in np.moveaxis(grid, -1, 0):
        channel = np.ascontiguousarray(channel, np.float32)
        channels.append(cv2.remap(channel, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0])
    return np.stack(channels, 1)


def load_dense_field(path: Path = DENSE_FIELD_FILE) -> DenseFieldNet:
    """The network that ships.

    Raises:
        FileNotFoundError: no file at `path`.
    """
    mend = "'python -m neural_backend.training.dense_field' (docs/training.md)"
    data, _ = read_weights(path, "dense field network", mend)
    net = DenseFieldNet()
    counters = {key: value for key, value in net.state_dict().items() if key.endswith("num_batches_tracked")}
    net.load_state_dict({key: torch.from_numpy(value).float() for key, value in data.items()} | counters)
    return net.eval()
