"""Batches of meshes with very small triangles into pictures, in plain torch: fast where a GPU has thousands of lanes.

The renderer's own rasterizer draws one mesh, and triangles of any size; here 128 heads are drawn at once, and no
triangle is wider than a few pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOWS = (3, 8, 20)  # pixels: triangles are drawn in the smallest window that holds them; wider ones are left out
CHUNK = 1 << 25  # candidate pixels at a time


def splat(pixels: Tensor, depth: Tensor, colour: Tensor, triangles: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Nearest surface per pixel centre, back faces culled, colour interpolated over the triangle.

    Args:
        pixels: [B, V, 2]. depth: [B, V] positive. colour: [B, V, C]. triangles: [T, 3], counterclockwise from outside
            in a frame whose y points up.
    Returns:
        ([B, C, side, side] picture, 0 where nothing is; [B, 1, side, side] bool covered)
    """
    batch = len(pixels)
    corners = pixels[:, triangles]  # [B, T, 3, 2]
    z = depth[:, triangles]  # [B, T, 3]
    low, high = corners.amin(2), corners.amax(2)
    a, b, c = corners.unbind(2)
    area = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (c[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1])
    shown = (area < -1e-9) & (high > 0.5).all(-1) & (low < side - 0.5).all(-1)
    first = torch.ceil(low - 0.5)  # first pixel whose centre can be inside
    extent = (torch.floor(high - 0.5) - first).amax(-1) + 1  # pixels across
    far = torch.iinfo(torch.int64).max
    best = torch.full((batch * side * side,), far, dtype=torch.int64, device=pixels.device)
    smallest = 0
    for window in WINDOWS:
        chosen = (shown & (extent > smallest) & (extent <= window)).nonzero()  # [N, 2] batch, triangle
        smallest = window
        steps = torch.arange(window, device=pixels.device)
        offset = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).view(-1, 2)
        for rows in chosen.split(max(1, CHUNK // window**2)):
            row, face = rows[:, 0], rows[:, 1]
            at = first[row, face][:, None] + offset  # [n, w*w, 2]
            weights = _weights(at + 0.5, corners[row, face], area[row, face])
            inside = (weights >= -1e-5).all(-1) & (at >= 0).all(-1) & (at < side).all(-1)
            n, k = inside.nonzero(as_tuple=True)
            deep = (weights[n, k] * z[row, face][n]).sum(-1)
            key = (deep.view(torch.int32).long() << 32) | face[n]  # positive floats order as their bits do
            place = (row[n] * side + at[n, k, 1].long()) * side + at[n, k, 0].long()
            best.scatter_reduce_(0, place, key, "amin")
    covered = best != far
    place = covered.nonzero()[:, 0]
    face = best[place] & 0xFFFFFFFF
    row = place // (side * side)
    at = torch.stack([place % side, place // side % side], -1) + 0.5
    weights = _weights(at[:, None], corners[row, face], area[row, face])[:, 0]
    values = (colour[row[:, None], triangles[face]] * weights[..., None]).sum(1)
    picture = colour.new_zeros((batch * side * side, colour.shape[-1])).index_copy_(0, place, values)
    picture = picture.view(batch, side, side, -1).permute(0, 3, 1, 2)
    return picture, covered.view(batch, 1, side, side)


def _weights(at: Tensor, corners: Tensor, area: Tensor) -> Tensor:
    """[n, k, 2] places, [n, 3, 2] corners, [n] signed doubled areas -> [n, k, 3] barycentric."""
    a, b, c = (corners[:, None, k] for k in range(3))
    wb = (at[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (c[..., 0] - a[..., 0]) * (at[..., 1] - a[..., 1])
    wc = (b[..., 0] - a[..., 0]) * (at[..., 1] - a[..., 1]) - (at[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1])
    wb, wc = wb / area[:, None], wc / area[:, None]
    return torch.stack([1 - wb - wc, wb, wc], -1)
