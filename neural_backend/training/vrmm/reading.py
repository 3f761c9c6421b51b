"""E_e and E_T taught to read, everything else kept. Ours, beyond the paper.

Captures show some dozens of expressions per subject, and E_e learns these before others. But the volume itself can
show any face on any subject in any light: E_e reads such pictures, beside captures', against the codes that they were
made from. It is equation 13's code term alone, with expressions drawn without end and no gradient to the decoders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...models.vrmm import losses
from ...models.vrmm.encoders import encoder_input
from ...models.vrmm.vrmm import VRMM
from .dataset import Captures
from .geometry import draw_faces
from .objective import pose_error
from .render import light_in_head, render

log = logging.getLogger(__name__)

#: Per step: pictures that the volume makes, and pictures of captures.
MADE, SEEN = 6, 16
RATE, FINAL = 5e-4, 0.02
#: Steps are counted from here, so that training's own draws do not come back.
BEYOND = 2_000_000
POSE_WEIGHT = 0.05


def teach_reading(
    model: VRMM,
    captures: Captures,
    steps: int,
    march_step_m: float,
    seed: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> list[float]:
    """Train E_e and E_T in place, everything else kept.

    Args:
        model: of one encoder view.
        captures: with known expressions and motions.
        march_step_m: distance of samples along the rays, metres.
        stop: asked before every step.

    Returns:
        The mean squared error of E_e's codes, one number per step that was done.
    """
    assert model.config.encoder_views == 1, "the volume is shown to the encoders in one view"
    encoders = [*model.expression_encoder.parameters(), *model.transformation_encoder.parameters()]
    optimiser = torch.optim.Adam(encoders, lr=RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, RATE * FINAL)
    curve = []
    for step in range(steps):
        if stop():
            break
        generator = np.random.default_rng([seed, 8, step])
        shown = [_made(model, captures, step, generator, march_step_m), _seen(model, captures, step)]
        views, codes, poses = (torch.cat(parts) for parts in zip(*shown, strict=True))
        mean, _ = model.expression_encoder(views)
        code = losses.code_consistency(mean, codes)
        loss = code + POSE_WEIGHT * pose_error(model.transformation_encoder(views), poses)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        curve.append(float(code.detach()))
        if (step + 1) % 100 == 0:
            log.info("reading, step %d: codes off by %.5f", step + 1, float(np.mean(curve[-100:])))
    return curve


@torch.no_grad()
def _made(
    model: VRMM, captures: Captures, step: int, generator: np.random.Generator, march_step_m: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures by the volume: (encoder input [M, 1, 4, s, s], codes [M, E], world_from_head [M, 4, 4])."""
    batch = captures.batch(BEYOND + step, range(MADE)).to(model.codes.device)
    weights, gaze = (torch.from_numpy(x).to(model.codes.device) for x in draw_faces(MADE, generator))
    codes = model.arkit_adaptor(weights, gaze)
    subjects = [model.subjects[index] for index in generator.integers(len(model.subjects), size=MADE)]
    pose, size = batch.world_from_head, model.config.encoder_size
    made = render(
        model, model.identity_of(subjects), codes, light_in_head(batch, pose), batch.encoder_intrinsics,
        batch.encoder_camera_from_world @ pose, size, size, march_step_m,
    )  # fmt: skip
    return encoder_input(made.rgb[:, None].clamp_min(0), made.alpha[:, None]), codes, pose


@torch.no_grad()
def _seen(model: VRMM, captures: Captures, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of captures, likewise."""
    readings = captures.readings(BEYOND + step, range(1), SEEN)
    codes = model.arkit_adaptor(readings.arkit, readings.gaze_rad)
    return encoder_input(readings.encoder_rgb, readings.encoder_alpha), codes, readings.world_from_head
