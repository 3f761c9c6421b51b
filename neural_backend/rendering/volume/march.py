"""The raymarcher with its analytic backward: mixture of volumetric primitives, VRMM equations 2 and 3 (after MVP)."""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from ...geometry.kernels import launch_shares, to_warp
from .kernels import ENDLESS, march_backward_kernel, march_kernel
from .primitives import (
    REFERENCE_M,
    Primitives,
    TensorCamera,
    box_corners,
    box_from_camera,
    check_march,
    sample_offsets,
)
from .tiles import TILE, Tiles, bin_boxes

#: Entries of the scratch list that kernels can index.
MAX_HITS = 2**31 - 1
#: Threads per box in the backward pass on CUDA; each has its own copy of the gradient, added up afterwards.
CUDA_SLICES = 8


def march(
    primitives: Primitives, camera: TensorCamera, step_m: float, seed: int | None = None
) -> tuple[Tensor, Tensor]:
    """Colour and opacity that the pixels' rays gather.

    `step_m` is the distance of samples along a ray in metres (`DEFAULT_STEP_M` is 1/256 of the volume); with `seed`
    each ray's samples are shifted by a random part of a step, else they lie in the middle of their steps. Boxes that
    overlap at a sample add up, and share what opacity is left when it reaches 1: their order has no influence.
    Gradients flow to payload, positions, rotations, scales and the camera's pose; not to its intrinsics.

    Returns:
        rgb [B, H, W, 3] linear, premultiplied; alpha [B, H, W] in 0..1.

    Raises:
        ValueError: batch sizes or devices differ, positions, rotations or scales are not finite, scales are 0, or the
            batch is too large to be marched at once.
    """
    check_march(primitives, camera, step_m)
    with torch.autocast(primitives.device.type, enabled=False):  # half precision would misplace boxes by millimetres
        linear, constant = box_from_camera(primitives, camera)
        if not bool(torch.isfinite(linear).all() & torch.isfinite(constant).all()):
            raise ValueError("Positions, rotations and scales of primitives must be finite, and scales above 0.")
        tiles = bin_boxes(box_corners(primitives, camera), camera)
        offsets = sample_offsets(camera, seed, primitives.device)
        rays = torch.linalg.inv(camera.intrinsics.detach().float())
        voxels = primitives.payload.permute(0, 1, 3, 4, 5, 2)  # no copy where the payload is kept channels last
        picture = _March.apply(linear, constant, voxels.float(), rays, offsets, tiles, step_m)
    return picture[..., :3], picture[..., 3]


class _March(torch.autograd.Function):
    """(A [B, P, 3, 3], b [B, P, 3], voxels [B, P, S, S, S, 4]) -> [B, H, W, 4]. From there to positions, rotations,
    scales and pose it is a few products per box, left to autograd."""

    @staticmethod
    def forward(
        ctx,
        linear: Tensor,
        constant: Tensor,
        voxels: Tensor,
        rays: Tensor,
        offsets: Tensor,
        tiles: Tiles,
        step_m: float,
    ) -> Tensor:
        linear, constant, voxels = linear.contiguous(), constant.contiguous(), voxels.contiguous()
        batch, height, width = offsets.shape
        device = linear.device
        pixels = batch * height * width
        picture = torch.zeros((batch, height, width, 4), device=device)
        last_colour = torch.zeros((pixels, 4), device=device)
        last_sample = torch.full((pixels,), ENDLESS, dtype=torch.int32, device=device)
        if len(tiles.boxes) * TILE * TILE > MAX_HITS:
            raise ValueError(f"{batch} pictures of {width} x {height} are too many at once: split the batch.")
        hits = torch.empty((len(tiles.boxes) * TILE * TILE, 3), dtype=torch.int32, device=device)
        inputs = [
            *_shared(linear, constant, voxels, rays, offsets),
            *(
                to_warp(tiles.start),
                to_warp(tiles.boxes),
                to_warp(tiles.nearest),
                tiles.columns,
                tiles.rows,
                width,
                height,
            ),
            *(voxels.shape[2], step_m, step_m / REFERENCE_M, to_warp(hits, wp.vec3i)),
            *(to_warp(picture.view(-1, 4), wp.vec4), to_warp(last_colour, wp.vec4), to_warp(last_sample)),
        ]
        launch_shares(march_kernel, len(tiles.start) - 1, TILE * TILE, inputs, device)
        ctx.save_for_backward(
            linear, constant, voxels, rays, offsets, tiles.nearest, tiles.rectangle, last_colour, last_sample
        )
        ctx.step_m = step_m
        return picture

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        linear, constant, voxels, rays, offsets, nearest, rectangle, last_colour, last_sample = ctx.saved_tensors
        _, height, width = offsets.shape
        device = linear.device
        slices = CUDA_SLICES if device.type == "cuda" else 1
        outputs = [torch.zeros((slices, *x.shape), device=device) for x in (linear, constant, voxels)]
        views = [
            to_warp(outputs[0].view(-1, 3, 3), wp.mat33),
            to_warp(outputs[1].view(-1, 3), wp.vec3),
            to_warp(outputs[2].view(-1, 4), wp.vec4),
        ]
        # These must live until the launch is over: to_warp keeps no copy alive.
        gradient = gradient.float().contiguous()
        inputs = [
            *_shared(linear, constant, voxels, rays, offsets),
            *(
                to_warp(nearest),
                to_warp(rectangle, wp.vec4i),
                width,
                height,
                voxels.shape[2],
                ctx.step_m,
                ctx.step_m / REFERENCE_M,
            ),
            *(linear.shape[1], slices, to_warp(gradient.view(-1, 4), wp.vec4)),
            *(to_warp(last_colour, wp.vec4), to_warp(last_sample), *views),
        ]
        launch_shares(march_backward_kernel, slices * linear.shape[0] * linear.shape[1], 1, inputs, device)
        return *(x[0] if slices == 1 else x.sum(0) for x in outputs), None, None, None, None


def _shared(linear: Tensor, constant: Tensor, voxels: Tensor, rays: Tensor, offsets: Tensor) -> list[wp.array]:
    """What both kernels take first."""
    return [
        to_warp(linear.view(-1, 3, 3), wp.mat33),
        to_warp(constant.view(-1, 3), wp.vec3),
        to_warp(voxels.view(-1, 4), wp.vec4),
        to_warp(rays, wp.mat33),
        to_warp(offsets.view(-1)),
    ]
