"""Antialiased outlines, which carry the gradient of visibility.

A pixel pair whose centres lie on both sides of an outline is blended by where the outline crosses the line between the
centres (after Laine et al., "Modular Primitives for High-Performance Differentiable Rendering", 2020, section 3.4). The
outline is searched among the mesh's silhouette edges, not among the edges of the visible triangles: where triangles are
smaller than pixels, the visible triangle at a limb seldom owns the edge that bounds it, and its gradient would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import warp as wp
from torch import Tensor

from ..geometry.adjacency import find_edges
from ..geometry.kernels import launch, to_warp
from .rasterizer import NEAR, Fragments

wp.set_module_options({"enable_backward": False})

#: An outline must lie at least this much (relative inverse depth) in front of what is behind it.
DEPTH_STEP = 1e-4


@dataclass(frozen=True)
class OutlinePairs:
    """Neighbouring pixels with an outline between their centres, sorted by pixel and direction."""

    first: Tensor  # [N] int64 flat index of the left or upper pixel
    vertical: Tensor  # [N] bool: the second pixel is below, otherwise to the right
    first_is_near: Tensor  # [N] bool: the first pixel lies on the near surface's side
    edge: Tensor  # [N] int64


def silhouette_edges(triangles: np.ndarray | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """[F, 3] triangles -> [E, 4] int32: both ends and both opposite vertices (-1 on a boundary) of every edge.

    Depends on topology only: make it once and pass it to every `antialias`.
    """
    if isinstance(triangles, Tensor):
        triangles = triangles.cpu().numpy()
    edges = find_edges(triangles)
    table = np.concatenate([edges.vertices, edges.opposite], 1).astype(np.int32)
    return torch.from_numpy(table).to(device)


def antialias(
    image: Tensor,  # [H, W, C]
    pixels: Tensor,  # [V, 2]
    depth: Tensor,  # [V] metres
    fragments: Fragments,
    edges: Tensor,  # [E, 4] from silhouette_edges
) -> Tensor:
    """[H, W, C] the image with blended outlines; differentiable in the image and in the pixels of outline vertices.

    Give the image an alpha channel of `fragments.mask` to get coverage with gradients.
    """
    height, width, channels = image.shape
    if (height, width) != (fragments.height, fragments.width):
        raise ValueError(f"The image is {width} x {height}, the fragments {fragments.width} x {fragments.height}.")
    pairs = find_outline_pairs(pixels, depth, fragments, edges)
    axis = pairs.vertical.long()  # 0 along x, 1 along y
    second = pairs.first + torch.where(pairs.vertical, width, 1)
    ends = edges[pairs.edge].long()
    start, end = pixels.index_select(0, ends[:, 0]), pixels.index_select(0, ends[:, 1])  # [N, 2]
    row = torch.div(pairs.first, width, rounding_mode="floor")
    centre = torch.stack([pairs.first - row * width, row], -1).to(pixels.dtype) + 0.5
    along = axis[:, None]
    across = 1 - along

    def pick(points: Tensor, which: Tensor) -> Tensor:
        return points.gather(1, which)[:, 0]

    fraction = (pick(centre, across) - pick(start, across)) / (pick(end, across) - pick(start, across))
    crossing = torch.lerp(pick(start, along), pick(end, along), fraction) - pick(centre, along)  # 0..1, first to second
    excess = torch.where(pairs.first_is_near, crossing, 1 - crossing) - 0.5
    # The near surface reaches past the middle: it spills into the far pixel; otherwise the far one spills into its.
    near = torch.where(pairs.first_is_near, pairs.first, second)
    far = torch.where(pairs.first_is_near, second, pairs.first)
    receiver, giver = torch.where(excess > 0, far, near), torch.where(excess > 0, near, far)
    flat = image.reshape(-1, channels)
    change = excess.abs()[:, None] * (flat.index_select(0, giver) - flat.index_select(0, receiver))
    return flat.index_add(0, receiver, change).reshape(height, width, channels)


@torch.no_grad()
def find_outline_pairs(pixels: Tensor, depth: Tensor, fragments: Fragments, edges: Tensor) -> OutlinePairs:
    """Pixel pairs crossed by a visible silhouette edge; where several cross one pair, the one that covers most."""
    key = torch.full((2 * fragments.height * fragments.width,), -1, dtype=torch.int64, device=pixels.device)
    inputs = [
        to_warp(pixels.float(), wp.vec2),
        to_warp(depth.float()),
        to_warp(edges, wp.vec4i),
        to_warp(fragments.depth.view(-1)),
        to_warp(key),
        fragments.width,
        fragments.height,
        NEAR,
        DEPTH_STEP,
    ]
    # One launch: threads write pixel pairs of any row, and atomics on the CPU are safe inside one launch only.
    launch(_outline_kernel, len(edges), inputs, pixels.device)
    return _unpack(key)


def _unpack(key: Tensor) -> OutlinePairs:
    place = (key >= 0).nonzero()[:, 0]
    low = key[place] & 0x7FFFFFFF
    return OutlinePairs(place >> 1, (place & 1).bool(), (low & 1).bool(), low >> 1)


@wp.func
def _side(a: wp.vec2, b: wp.vec2, p: wp.vec2) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


@wp.func
def _inverse(z: float) -> float:
    if z > 0.0:
        return 1.0 / z
    return 0.0


@wp.kernel
def _outline_kernel(
    pixels: wp.array(dtype=wp.vec2),
    depth: wp.array(dtype=float),
    edges: wp.array(dtype=wp.vec4i),
    pixel_depth: wp.array(dtype=float),
    key: wp.array(dtype=wp.int64),
    width: int,
    height: int,
    near: float,
    step: float,
):
    i = wp.tid()
    edge = edges[i]
    za = depth[edge[0]]
    zb = depth[edge[1]]
    if not (za > near and zb > near):
        return
    a = pixels[edge[0]]
    b = pixels[edge[1]]
    inside = _side(a, b, pixels[edge[2]])
    if edge[3] >= 0:
        # A silhouette has both triangles on one side of it.
        if not (inside * _side(a, b, pixels[edge[3]]) > 0.0):
            return
    for axis in range(2):
        # u runs along the pixel pair, v across it; each edge serves the axis that it is steeper to.
        other = 1 - axis
        du = b[axis] - a[axis]
        dv = b[other] - a[other]
        if wp.abs(du) > wp.abs(dv) or dv == 0.0:
            continue
        count_u = width
        count_v = height
        stride_u = 1
        stride_v = width
        sign = inside
        if axis == 1:
            count_u = height
            count_v = width
            stride_u = width
            stride_v = 1
            sign = -inside
        first = int(wp.ceil(wp.max(wp.min(a[other], b[other]), 0.0) - 0.5))
        last = int(wp.floor(wp.min(wp.max(a[other], b[other]), float(count_v)) - 0.5))
        for line in range(first, last + 1):
            v = float(line) + 0.5
            t = (v - a[other]) / dv
            if t < 0.0 or t >= 1.0:
                continue
            u = a[axis] + t * du - 0.5
            if not (u >= 0.0 and u < float(count_u - 1)):
                continue
            cell = int(wp.floor(u))
            fraction = u - float(cell)
            # Is the first pixel on the side of the edge's own triangles?
            first_in = (du * (v - a[other]) - dv * (float(cell) + 0.5 - a[axis])) * sign > 0.0
            place = line * stride_v + cell * stride_u
            z_in = _inverse(pixel_depth[place])
            z_out = _inverse(pixel_depth[place + stride_u])
            covered = fraction
            code = wp.int64(2 * i + 1)
            if not first_in:
                swap = z_in
                z_in = z_out
                z_out = swap
                covered = 1.0 - fraction
                code = wp.int64(2 * i)
            z_edge = (1.0 - t) / za + t / zb
            limit = z_out * (1.0 + step)
            # The surface and the edge itself must be in front of the other side.
            if z_in > limit and z_edge > limit:
                bits = wp.int64(wp.cast(covered, wp.int32))
                wp.atomic_max(key, 2 * place + axis, (bits << wp.int64(32)) | code)


@torch.no_grad()
def find_outline_pairs_torch(pixels: Tensor, depth: Tensor, fragments: Fragments, edges: Tensor) -> OutlinePairs:
    """The plain torch twin of `find_outline_pairs`."""
    width, height = fragments.width, fragments.height
    pixels, depth = pixels.float(), depth.float()
    inverse = torch.where(fragments.mask, 1 / fragments.depth, 0.0).reshape(-1)
    corner = edges.long()
    a, b = pixels[corner[:, 0]], pixels[corner[:, 1]]

    def side(p: Tensor) -> Tensor:
        return (b[:, 0] - a[:, 0]) * (p[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (p[:, 0] - a[:, 0])

    inside = side(pixels[corner[:, 2]])
    outline = (corner[:, 3] < 0) | (inside * side(pixels[corner[:, 3].clamp_min(0)]) > 0)
    outline &= (depth[corner[:, 0]] > NEAR) & (depth[corner[:, 1]] > NEAR)
    key = torch.full((2 * height * width,), -1, dtype=torch.int64, device=pixels.device)
    for axis, (count_u, count_v, stride_u, stride_v) in enumerate(
        [(width, height, 1, width), (height, width, width, 1)]
    ):
        other = 1 - axis
        du, dv = b[:, axis] - a[:, axis], b[:, other] - a[:, other]
        low, high = torch.minimum(a[:, other], b[:, other]), torch.maximum(a[:, other], b[:, other])
        first = torch.ceil(low.clamp_min(0) - 0.5)
        last = torch.floor(high.clamp_max(count_v) - 0.5)
        used = outline & (du.abs() <= dv.abs()) & (dv != 0)
        count = torch.where(used, (last - first + 1).clamp_min(0), 0).long()
        i = torch.repeat_interleave(torch.arange(len(edges), device=pixels.device), count)
        line = torch.arange(len(i), device=pixels.device) - torch.repeat_interleave(count.cumsum(0) - count, count)
        line = line + first[i].long()
        v = line.float() + 0.5
        t = (v - a[i, other]) / dv[i]
        u = a[i, axis] + t * du[i] - 0.5
        kept = ((t >= 0) & (t < 1) & (u >= 0) & (u < count_u - 1)).nonzero()[:, 0]
        i, line, v, t, u = i[kept], line[kept], v[kept], t[kept], u[kept]
        cell = u.floor()
        sign = inside[i] if axis == 0 else -inside[i]
        first_in = (du[i] * (v - a[i, other]) - dv[i] * (cell + 0.5 - a[i, axis])) * sign > 0
        place = line * stride_v + cell.long() * stride_u
        z_first, z_second = inverse[place], inverse[place + stride_u]
        z_in, z_out = torch.where(first_in, z_first, z_second), torch.where(first_in, z_second, z_first)
        covered = torch.where(first_in, u - cell, 1 - (u - cell))
        z_edge = (1 - t) / depth[corner[i, 0]] + t / depth[corner[i, 1]]
        limit = z_out * (1 + DEPTH_STEP)
        seen = (z_in > limit) & (z_edge > limit)
        code = (covered.view(torch.int32).long() << 32) | (2 * i + first_in.long())
        key.scatter_reduce_(0, (2 * place + axis)[seen], code[seen], "amax")
    return _unpack(key)
