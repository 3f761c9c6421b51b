"""From codes and a batch's cameras and lights to pictures (equation 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...lightstage.captures import splat_disks
from ...models.vrmm.vrmm import VRMM, Decoded
from ...rendering.volume import TensorCamera, march
from .batch import Batch


@dataclass(frozen=True)
class Rendered:
    """Pictures of decoded heads."""

    rgb: Tensor  # [B, 3, H, W] linear, premultiplied
    alpha: Tensor  # [B, H, W]
    decoded: Decoded


def light_in_head(batch: Batch, world_from_head: Tensor) -> Tensor:
    """[B, 3, 16, 32] radiance in the heads' frames: light directions are turned, then splatted, so it is exact."""
    rotation = world_from_head[:, :3, :3].detach()
    turned = batch.light_directions @ rotation  # rows: R^T d
    unit = splat_disks(turned.double().flatten(0, 1), batch.light_radii_rad.double().flatten())  # [B * G, 16, 32]
    unit = unit.float().unflatten(0, batch.light_radii_rad.shape)
    return torch.einsum("bgc,bghw->bchw", batch.light_radiance, unit)


def render(
    model: VRMM,
    z_id: Tensor,  # [B, I]
    z_e: Tensor,  # [B, E]
    light: Tensor,  # [B, 3, 16, 32]
    intrinsics: Tensor,  # [B, 3, 3]
    camera_from_head: Tensor,  # [B, 4, 4]
    height: int,
    width: int,
    step_m: float,
    seed: int | None = None,
    autocast: torch.dtype | None = None,
) -> Rendered:
    """Decode in `autocast` precision if given, march in float32."""
    camera = TensorCamera(width, height, intrinsics, camera_from_head)
    with torch.autocast(z_id.device.type, dtype=autocast or torch.bfloat16, enabled=autocast is not None):
        decoded = model.decode(z_id, z_e, camera.eye_head.detach(), light)
    rgb, alpha = march(decoded.primitives, camera, step_m, seed)
    return Rendered(rgb.permute(0, 3, 1, 2), alpha, decoded)
