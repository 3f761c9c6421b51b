"""The plain torch twin of the raymarcher, which is held to it: no tiles, no kernels, gradients by autograd, slow."""

from __future__ import annotations

import torch
from torch import Tensor

from .primitives import FADE, REFERENCE_M, Primitives, TensorCamera, box_from_camera, check_march, sample_offsets

#: Ray-box tests at a time: bounds memory.
CHUNK = 1 << 22


def march_twin(
    primitives: Primitives, camera: TensorCamera, step_m: float, seed: int | None = None
) -> tuple[Tensor, Tensor]:
    """rgb [B, H, W, 3] premultiplied and alpha [B, H, W]; see `march`."""
    check_march(primitives, camera, step_m)
    linear, constant = box_from_camera(primitives, camera)
    offsets = sample_offsets(camera, seed, primitives.device)
    pictures = [
        _march_one(primitives, camera, linear[b], constant[b], offsets[b].reshape(-1), b, step_m)
        for b in range(primitives.batch)
    ]
    picture = torch.stack(pictures).view(camera.batch, camera.height, camera.width, 4)
    return picture[..., :3], picture[..., 3]


def _march_one(
    primitives: Primitives,
    camera: TensorCamera,
    linear: Tensor,  # [P, 3, 3]
    constant: Tensor,  # [P, 3]
    offsets: Tensor,  # [H * W]
    index: int,
    step_m: float,
) -> Tensor:  # [H * W, 4]
    rays = _rays(camera, index)  # [H * W, 3]
    box, pixel, first, last = _hits(rays, offsets, linear.detach(), constant.detach(), step_m)
    # One row per sample inside a box.
    count = last - first + 1
    hit = torch.repeat_interleave(torch.arange(len(box), device=box.device), count)
    place = torch.arange(len(hit), device=box.device) - (count.cumsum(0) - count)[hit]
    sample, pixel, box = place + first[hit], pixel[hit], box[hit]
    points = rays[pixel] * ((sample + offsets[pixel]) * step_m)[:, None]
    local = torch.einsum("nij,nj->ni", linear[box], points) + constant[box]
    fade = torch.exp(-FADE * (local**8).sum(-1))
    colour, density = _trilinear(primitives.payload[index], box, local).split([3, 1], -1)
    opacity = density[:, 0] * fade * (step_m / REFERENCE_M)

    # Boxes that share a sample point add up; sorted by pixel, then along the ray.
    stride = int(sample.max()) + 1 if len(sample) else 1
    key, group = torch.unique(pixel * stride + sample, return_inverse=True)
    total = opacity.new_zeros(len(key)).index_add(0, group, opacity)
    gathered = colour.new_zeros(len(key), 3).index_add(0, group, colour * opacity[:, None])
    owner = torch.div(key, stride, rounding_mode="floor")
    # Opacity in front of each sample of its own pixel: equation 3 before the minimum.
    running = total.double().cumsum(0)
    in_front = running - total
    starts = torch.ones_like(owner, dtype=torch.bool)
    starts[1:] = owner[1:] != owner[:-1]
    segment = starts.long().cumsum(0) - 1
    in_front = in_front - in_front[starts][segment]
    left = (1 - in_front).clamp_min(0)
    tiny = torch.finfo(total.dtype).tiny
    share = torch.where(total <= left, torch.ones_like(left), left / total.clamp_min(tiny)).to(total.dtype)
    values = torch.cat([gathered, total[:, None]], -1) * share[:, None]
    return values.new_zeros(camera.height * camera.width, 4).index_add(0, owner, values)


def _rays(camera: TensorCamera, index: int) -> Tensor:
    """[H * W, 3] unit directions through the pixel centres, camera space."""
    options = {"device": camera.intrinsics.device, "dtype": torch.float32}
    row, column = torch.meshgrid(
        torch.arange(camera.height, **options) + 0.5, torch.arange(camera.width, **options) + 0.5, indexing="ij"
    )
    pixels = torch.stack([column, row, torch.ones_like(row)], -1).reshape(-1, 3)
    rays = pixels @ torch.linalg.inv(camera.intrinsics[index].detach().float()).T
    return rays / rays.norm(dim=-1, keepdim=True)


@torch.no_grad()
def _hits(
    rays: Tensor, offsets: Tensor, linear: Tensor, constant: Tensor, step_m: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of every ray that meets a box: box [N], pixel [N], first and last sample [N]."""
    found = []
    for boxes in torch.arange(len(linear), device=rays.device).split(max(1, CHUNK // len(rays))):
        slope = torch.einsum("pij,nj->pni", linear[boxes], rays)  # [p, N, 3]
        slope = torch.where(slope.abs() < 1e-12, torch.full_like(slope, 1e-12), slope)
        low, high = (-1 - constant[boxes])[:, None] / slope, (1 - constant[boxes])[:, None] / slope
        enter, leave = torch.minimum(low, high).amax(-1), torch.maximum(low, high).amin(-1)  # [p, N] metres
        first = torch.ceil(enter / step_m - offsets).clamp_min(0).long()
        last = torch.floor(leave / step_m - offsets).long()
        box, pixel = ((enter < leave) & (last >= first)).nonzero().unbind(-1)
        found.append((boxes[box], pixel, first[box, pixel], last[box, pixel]))
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def _trilinear(payload: Tensor, box: Tensor, local: Tensor) -> Tensor:
    """[P, 4, S, S, S] at local coordinates [N, 3] (x, y, z in -1..1) of boxes [N] -> [N, 4]."""
    side = payload.shape[-1]
    place = (local.clamp(-1, 1) + 1) * (0.5 * (side - 1))
    corner = place.detach().floor().long().clamp(0, side - 2)
    part = place - corner
    voxels = payload.permute(0, 2, 3, 4, 1).reshape(-1, 4)
    base = ((box * side + corner[:, 2]) * side + corner[:, 1]) * side + corner[:, 0]
    value = 0
    for i in range(8):
        dx, dy, dz = i & 1, (i >> 1) & 1, i >> 2
        weight = 1
        for axis, far in enumerate((dx, dy, dz)):
            weight = weight * (part[:, axis] if far else 1 - part[:, axis])
        value = value + weight[:, None] * voxels[base + (dz * side + dy) * side + dx]
    return value
