"""Which boxes each square tile of pixels may meet: lists of any length, nearest box first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .primitives import TensorCamera

#: Pixels along a tile's side.
TILE = 8
#: A box that reaches nearer to the camera's plane than this (metres) is tested by every pixel.
NEAR = 1e-3


@dataclass(frozen=True)
class Tiles:
    """Lists of boxes per tile (tile = (b * rows + row) * columns + column) and each box's rectangle of pixels."""

    columns: int
    rows: int
    start: Tensor  # [B * rows * columns + 1] int32: a tile's list is boxes[start[tile]:start[tile + 1]]
    boxes: Tensor  # [L] int32, b * P + p, by rising `nearest`
    nearest: Tensor  # [B * P] float32 metres: no point of the box is nearer to the camera
    rectangle: Tensor  # [B * P, 4] int32 first and last column, first and last row; first > last: outside the picture


@torch.no_grad()
def bin_boxes(corners: Tensor, camera: TensorCamera) -> Tiles:
    """Tiles from the boxes' corners [B, P, 8, 3] in camera space."""
    batch, count = corners.shape[:2]
    columns, rows = -(-camera.width // TILE), -(-camera.height // TILE)
    rectangle, nearest = _rectangles(corners, camera), _nearest(corners).reshape(-1)  # [B, P, 4], [B * P]
    low, high = rectangle[..., 0::2], rectangle[..., 1::2]  # [B, P, 2] column, row
    visible = (low <= high).all(-1)
    rectangle = torch.where(visible[..., None], rectangle, rectangle.new_tensor([1, 0, 1, 0]))
    low, high = torch.div(low, TILE, rounding_mode="floor"), torch.div(high, TILE, rounding_mode="floor")
    across = high - low + 1  # [B, P, 2] tiles
    entries = torch.where(visible, across[..., 0] * across[..., 1], 0).reshape(-1)

    order = torch.argsort(nearest)  # nearest first; the sort by tile below is stable
    box = torch.repeat_interleave(order, entries[order])  # [L]
    ends = entries[order].cumsum(0)
    place = torch.arange(len(box), device=box.device) - torch.repeat_interleave(ends - entries[order], entries[order])
    across, low = across.reshape(-1, 2)[box], low.reshape(-1, 2)[box]
    row = torch.div(place, across[:, 0], rounding_mode="floor")
    column = place - row * across[:, 0] + low[:, 0]
    tile = (torch.div(box, count, rounding_mode="floor") * rows + row + low[:, 1]) * columns + column
    tile, sorted_by_tile = torch.sort(tile, stable=True)
    tiles = batch * rows * columns
    start = torch.searchsorted(tile, torch.arange(tiles + 1, device=tile.device))
    boxes, rectangle = box[sorted_by_tile].int(), rectangle.reshape(-1, 4).int().contiguous()
    return Tiles(columns, rows, start.int(), boxes, nearest, rectangle)


def _nearest(corners: Tensor) -> Tensor:
    """[B, P] distance of the boxes' bounding spheres, less a hair for rounding; negative around the camera."""
    centre = (corners[..., 0, :] + corners[..., 7, :]) / 2
    radius = (corners[..., 0, :] - centre).norm(dim=-1)
    return centre.norm(dim=-1) * (1 - 1e-5) - radius * (1 + 1e-5)


def _rectangles(corners: Tensor, camera: TensorCamera) -> Tensor:
    """[B, P, 4] int64 pixels whose centres a box may cover."""
    depth = corners[..., 2]
    pixels = corners @ camera.intrinsics[:, None].mT.to(corners)
    pixels = pixels[..., :2] / depth.clamp_min(NEAR)[..., None]
    limit = pixels.new_tensor([camera.width, camera.height])
    crosses = (depth <= NEAR).any(-1)[..., None]  # its projection is not bounded by its corners
    low = torch.where(crosses, torch.zeros_like(limit), pixels.amin(-2).clamp_min(0)).minimum(limit)
    high = torch.where(crosses, limit, pixels.amax(-2).minimum(limit)).clamp_min(0)
    behind = (depth <= 0).all(-1)[..., None]
    first = torch.where(behind, 1, torch.floor(low - 0.5).clamp_min(0).long())
    last = torch.where(behind, 0, torch.minimum(torch.ceil(high - 0.5), limit - 1).long())
    first = torch.where(low >= limit, last + 1, first)
    return torch.stack([first[..., 0], last[..., 0], first[..., 1], last[..., 1]], -1)
