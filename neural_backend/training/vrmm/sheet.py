"""A sheet to look at: for some captures, truth, model, difference, the model under another light, in another view."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...models.vrmm.encoders import encoder_input
from ...models.vrmm.vrmm import VRMM
from ...protocol.errors import MienError
from ...rendering.volume import DEFAULT_STEP_M
from .batch import Batch
from .dataset import Captures
from .objective import over
from .render import Rendered, light_in_head, render

BACKGROUND = 0.12  # linear grey
#: Mean of the head in a picture is brought here, so that dim lights can be seen.
EXPOSURE = 0.25


@torch.no_grad()
def draw_sheet(model: VRMM, captures: Captures, path: Path, rows: int, seed: int, device: str) -> float:
    """Write the sheet; returns the mean PSNR over the heads, in dB, of exposed sRGB in the first view and light."""
    rng = np.random.default_rng([seed, 9])
    names = [captures.names[i] for i in rng.choice(len(captures.names), min(rows, len(captures.names)), replace=False)]
    lines, values = [], []
    for index, name in enumerate(names):
        here = captures.sample(np.random.default_rng([seed, 10, index]), name, 0).to(device)
        light_elsewhere = captures.sample(np.random.default_rng([seed, 11, index]), name, 0).to(device)
        view_elsewhere = captures.sample(np.random.default_rng([seed, 10, index]), name, 1).to(device)
        tiles = []
        for batch in (here, light_elsewhere, view_elsewhere):
            rendered = reproduce(model, here, batch)
            truth, ours = (exposed(x, batch) for x in ((batch.rgb, batch.alpha), (rendered.rgb, rendered.alpha)))
            tiles += [truth, ours]
            if batch is here:
                tiles.append(np.abs(truth - ours).clip(0, 1))
                values.append(psnr_over_head(truth, ours, batch.alpha[0].cpu().numpy()))
        lines.append(np.concatenate(tiles, 1))
    sheet = (np.concatenate(lines, 0)[..., ::-1] * 255 + 0.5).astype(np.uint8)
    if not cv2.imwrite(str(path), sheet):
        raise MienError("cannot_write", f"The sheet {path} could not be written: check the folder.")
    return float(np.mean(values))


def reproduce(model: VRMM, seen: Batch, wanted: Batch) -> Rendered:
    """What the model makes of `wanted`'s camera and light with the expression that E_e reads in `seen`."""
    views = encoder_input(seen.encoder_rgb, seen.encoder_alpha)
    mean, _ = model.expression_encoder(views)
    pose = model.transformation_encoder(views) if seen.world_from_head is None else seen.world_from_head
    height, width = wanted.alpha.shape[-2:]
    return render(
        model, model.identity_of(seen.subjects), mean, light_in_head(wanted, pose), wanted.intrinsics,
        wanted.camera_from_world @ pose, height, width, DEFAULT_STEP_M,
    )  # fmt: skip


def exposed(picture: tuple[Tensor, Tensor], truth: Batch) -> np.ndarray:
    """[H, W, 3] sRGB of one linear premultiplied picture and its alpha, exposed for the truth's brightness."""
    rgb, alpha = picture
    head = truth.alpha > 0.5
    gain = EXPOSURE / truth.rgb.mean(1)[head].mean().clamp_min(1e-4)
    grey = torch.full((1, 3), BACKGROUND, device=rgb.device)
    linear = over(rgb * gain, alpha, grey)[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy()
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def psnr_over_head(truth: np.ndarray, ours: np.ndarray, alpha: np.ndarray) -> float:
    """dB over the pixels where the head is."""
    error = np.square(truth - ours)[alpha > 0.5].mean()
    return float(-10 * np.log10(max(error, 1e-10)))
