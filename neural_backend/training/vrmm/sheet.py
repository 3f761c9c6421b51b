"""A sheet to look at: for some captures, truth, model, difference, the model under another light, in another view."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from ...evaluation.vrmm.measures import SEEN, displayed, exposure_of, psnr_db
from ...models.vrmm.encoders import encoder_input
from ...models.vrmm.vrmm import VRMM
from ...protocol.errors import MienError
from ...rendering.volume import DEFAULT_STEP_M
from .batch import Batch
from .dataset import Captures
from .render import Rendered, light_in_head, render


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
            truth, ours = _shown(batch, batch), _shown(rendered, batch)
            tiles += [truth, ours]
            if batch is here:
                tiles.append(np.abs(truth - ours).clip(0, 1))
                values.append(psnr_db((truth - ours)[batch.alpha[0].cpu().numpy() > SEEN]))
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


def _shown(picture: Batch | Rendered, truth: Batch) -> np.ndarray:
    """[H, W, 3] sRGB of one picture, exposed as the truth wants."""
    (rgb, true_rgb), (alpha, true_alpha) = (
        (first[0].float().cpu().numpy(), second[0].float().cpu().numpy())
        for first, second in ((picture.rgb, truth.rgb), (picture.alpha, truth.alpha))
    )
    return displayed(rgb.transpose(1, 2, 0), alpha, exposure_of(true_rgb.transpose(1, 2, 0), true_alpha))
