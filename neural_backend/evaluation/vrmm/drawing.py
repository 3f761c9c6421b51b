"""A trained volume drawn as a case asks for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...models.vrmm.encoders import encoder_input
from ...models.vrmm.vrmm import VRMM
from ...rendering.camera import Camera
from ...rendering.volume import DEFAULT_STEP_M, TensorCamera, march
from ...training.vrmm.dataset import at_size


def draw(
    model: VRMM,
    identity: Tensor,
    expression: Tensor,
    cameras: Sequence[Camera],
    light: Tensor,
    step_m: float = DEFAULT_STEP_M,
) -> tuple[Tensor, Tensor]:
    """(rgb [B, H, W, 3] linear, premultiplied; alpha [B, H, W]) of B heads, differentiable.

    Args:
        identity: [B, I]; expression: [B, E]; light: [B, 3, 16, 32] in the head's frame.
        cameras: B of one size.
    """
    camera = TensorCamera.from_cameras(list(cameras))
    decoded = model.decode(identity, expression, camera.eye_head, light)
    return march(decoded.primitives, camera, step_m)


@torch.no_grad()
def picture_of(
    model: VRMM, identity: Tensor, expression: Tensor, camera: Camera, light: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """([H, W, 3] float32 linear premultiplied, [H, W]) of one head: codes [I] and [E], light [3, 16, 32]."""
    rgb, alpha = draw(model, identity[None], expression[None], [camera], torch.from_numpy(light)[None])
    return rgb[0].clamp_min(0).numpy(), alpha[0].numpy()


@torch.no_grad()
def expression_of(model: VRMM, rgb: np.ndarray, alpha: np.ndarray) -> Tensor:
    """[E]: E_e's mean of the encoder's view, [h, h, 3] linear premultiplied and [h, h], of any size."""
    given = (torch.from_numpy(np.ascontiguousarray(x, np.float32)) for x in (rgb, alpha))
    picture, coverage = at_size(*given, model.config.encoder_size)
    views = encoder_input(picture.permute(2, 0, 1)[None, None], coverage[None, None])
    return model.expression_encoder(views)[0][0]
