"""Visibility per pixel or per texel, and interpolation over it.

Visibility itself has no gradient: `rasterize` says which triangle each pixel centre sees. `interpolate` recomputes the
barycentrics of the visible triangles in torch, which gives gradients to attributes, pixels and depth inside surfaces;
`silhouette.antialias` gives those at their outlines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import warp as wp
from torch import Tensor

from ..geometry.kernels import launch_bands, to_warp

wp.set_module_options({"enable_backward": False})

#: Triangles with a corner nearer than this (metres) are not drawn.
NEAR = 1e-4
#: Slack of the inside test in barycentric units: closes the cracks rounding would leave between neighbours.
SLACK = 1e-6


@dataclass(frozen=True)
class Fragments:
    """What each pixel centre sees. Nothing here carries a gradient."""

    triangle: Tensor  # [H, W] int32, -1 where nothing is seen
    barycentric: Tensor  # [H, W, 3] float32, perspective correct, 0 where nothing is seen
    depth: Tensor  # [H, W] float32 metres, 0 where nothing is seen

    @property
    def height(self) -> int:
        return self.triangle.shape[0]

    @property
    def width(self) -> int:
        return self.triangle.shape[1]

    @cached_property
    def mask(self) -> Tensor:  # [H, W] bool
        return self.triangle >= 0

    @cached_property
    def covered(self) -> Tensor:
        """[N] int64 flat indices (row * W + column) of the pixels that see something, in order."""
        return self.mask.reshape(-1).nonzero()[:, 0]

    @cached_property
    def covered_triangle(self) -> Tensor:  # [N] int64
        return self.triangle.reshape(-1)[self.covered].long()

    @cached_property
    def covered_barycentric(self) -> Tensor:  # [N, 3]
        return self.barycentric.reshape(-1, 3)[self.covered]

    @cached_property
    def covered_centres(self) -> Tensor:
        """[N, 2] pixel centres."""
        column = (self.covered % self.width).to(torch.float32)
        row = torch.div(self.covered, self.width, rounding_mode="floor").to(torch.float32)
        return torch.stack([column, row], -1) + 0.5

    def image(self, values: Tensor, background: float = 0.0) -> Tensor:
        """[N, C] values of the covered pixels -> [H, W, C] picture."""
        flat = values.new_full((self.height * self.width, values.shape[-1]), background)
        return flat.index_copy(0, self.covered, values).reshape(self.height, self.width, -1)


@wp.func
def _corner_weights(p: wp.vec2, a: wp.vec2, b: wp.vec2, c: wp.vec2, inverse_area: float) -> wp.vec3:
    wb = ((p[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (p[1] - a[1])) * inverse_area
    wc = ((b[0] - a[0]) * (p[1] - a[1]) - (p[0] - a[0]) * (b[1] - a[1])) * inverse_area
    return wp.vec3(1.0 - wb - wc, wb, wc)


@wp.kernel
def _draw_kernel(
    pixels: wp.array(dtype=wp.vec2),
    depth: wp.array(dtype=float),
    triangles: wp.array(dtype=wp.vec3i),
    key: wp.array(dtype=wp.int64),
    width: int,
    near: float,
    slack: float,
    cull: int,
    row_start: int,
    row_end: int,
):
    face = wp.tid()
    corners = triangles[face]
    za = depth[corners[0]]
    zb = depth[corners[1]]
    zc = depth[corners[2]]
    if not (za > near and zb > near and zc > near):  # also refuses NaN
        return
    a = pixels[corners[0]]
    b = pixels[corners[1]]
    c = pixels[corners[2]]
    # Rows first: a band leaves most triangles here.
    low_y = wp.min(wp.min(a[1], b[1]), c[1])
    high_y = wp.max(wp.max(a[1], b[1]), c[1])
    if not (high_y >= float(row_start) and low_y <= float(row_end)):
        return
    low_x = wp.min(wp.min(a[0], b[0]), c[0])
    high_x = wp.max(wp.max(a[0], b[0]), c[0])
    if not (high_x >= 0.0 and low_x <= float(width)):
        return
    area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
    if area == 0.0 or float(cull) * area > 0.0:
        return
    inverse_area = 1.0 / area
    # Clamped as floats: a corner far outside the picture would overflow an integer.
    x0 = int(wp.ceil(wp.max(low_x, 0.0) - 0.5))
    x1 = int(wp.floor(wp.min(high_x, float(width)) - 0.5))
    y0 = int(wp.ceil(wp.max(low_y, float(row_start)) - 0.5))
    y1 = int(wp.floor(wp.min(high_y, float(row_end)) - 0.5))
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            w = _corner_weights(wp.vec2(float(x) + 0.5, float(y) + 0.5), a, b, c, inverse_area)
            if w[0] >= -slack and w[1] >= -slack and w[2] >= -slack:
                inverse_depth = w[0] / za + w[1] / zb + w[2] / zc
                # Positive floats sort like their bits: the largest key is the nearest triangle.
                bits = wp.int64(wp.cast(inverse_depth, wp.int32))
                wp.atomic_max(key, y * width + x, (bits << wp.int64(32)) | wp.int64(face))


@wp.kernel
def _resolve_kernel(
    pixels: wp.array(dtype=wp.vec2),
    depth: wp.array(dtype=float),
    triangles: wp.array(dtype=wp.vec3i),
    key: wp.array(dtype=wp.int64),
    width: int,
    triangle: wp.array(dtype=wp.int32),
    barycentric: wp.array(dtype=wp.vec3),
    pixel_depth: wp.array(dtype=float),
    row_start: int,
    row_end: int,
):
    column = wp.tid()
    for y in range(row_start, row_end):
        i = y * width + column
        k = key[i]
        if k < wp.int64(0):
            triangle[i] = -1
            barycentric[i] = wp.vec3(0.0, 0.0, 0.0)
            pixel_depth[i] = 0.0
        else:
            face = wp.int32(k & wp.int64(0x7FFFFFFF))
            t = triangles[face]
            a = pixels[t[0]]
            b = pixels[t[1]]
            c = pixels[t[2]]
            area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
            w = _corner_weights(wp.vec2(float(column) + 0.5, float(y) + 0.5), a, b, c, 1.0 / area)
            w = wp.vec3(w[0] / depth[t[0]], w[1] / depth[t[1]], w[2] / depth[t[2]])
            z = 1.0 / (w[0] + w[1] + w[2])
            triangle[i] = face
            barycentric[i] = w * z
            pixel_depth[i] = z


@torch.no_grad()
def rasterize(
    pixels: Tensor,  # [V, 2] float32, x right, y down, centres at +0.5
    depth: Tensor,  # [V] float32 metres
    triangles: Tensor,  # [F, 3] int
    height: int,
    width: int,
    cull_back: bool = False,
) -> Fragments:
    """The nearest triangle at every pixel centre; triangles that reach behind the camera are left out.

    `cull_back` drops triangles that turn their clockwise side (in the head's frame: their inside) to the camera.
    Device and speed follow the tensors; on the CPU the picture is split in bands over threads.
    """
    _check(pixels, depth, triangles, height, width)
    device = pixels.device
    triangles32 = triangles.to(torch.int32).contiguous()
    key = torch.full((height * width,), -1, dtype=torch.int64, device=device)
    corner, z = to_warp(pixels.float(), wp.vec2), to_warp(depth.float())
    faces, keys = to_warp(triangles32, wp.vec3i), to_warp(key)
    launch_bands(
        _draw_kernel,
        len(triangles32),
        [corner, z, faces, keys, width, NEAR, SLACK, int(cull_back)],
        height,
        device,
    )
    triangle = torch.empty((height, width), dtype=torch.int32, device=device)
    barycentric = torch.empty((height, width, 3), dtype=torch.float32, device=device)
    pixel_depth = torch.empty((height, width), dtype=torch.float32, device=device)
    outputs = [
        to_warp(triangle.view(-1)),
        to_warp(barycentric.view(-1, 3), wp.vec3),
        to_warp(pixel_depth.view(-1)),
    ]
    launch_bands(_resolve_kernel, width, [corner, z, faces, keys, width, *outputs], height, device)
    return Fragments(triangle, barycentric, pixel_depth)


@torch.no_grad()
def rasterize_torch(
    pixels: Tensor, depth: Tensor, triangles: Tensor, height: int, width: int, cull_back: bool = False
) -> Fragments:
    """The plain torch twin of `rasterize`: every triangle's box of pixels is listed, tested, and scattered by depth."""
    _check(pixels, depth, triangles, height, width)
    pixels, depth, triangles = pixels.float(), depth.float(), triangles.long()
    corner, z = pixels[triangles], depth[triangles]  # [F, 3, 2], [F, 3]
    a, b, c = corner.unbind(1)
    area = _cross(b - a, c - a)  # [F]
    limit = torch.tensor([width, height], dtype=torch.float32, device=pixels.device)
    low = torch.ceil(corner.amin(1).clamp_min(0) - 0.5)
    high = torch.floor(torch.minimum(corner.amax(1), limit) - 0.5)
    size = (high - low + 1).nan_to_num(0).clamp_min(0).long()  # [F, 2]
    drawn = (area != 0) & (z > NEAR).all(1)
    if cull_back:
        drawn &= area < 0
    count = torch.where(drawn, size[:, 0] * size[:, 1], 0)
    face = torch.repeat_interleave(torch.arange(len(triangles), device=pixels.device), count)  # [P]
    first = torch.repeat_interleave(count.cumsum(0) - count, count)
    place = torch.arange(len(face), device=pixels.device) - first
    row = torch.div(place, size[face, 0], rounding_mode="floor")
    column = place - row * size[face, 0] + low[face, 0].long()
    row = row + low[face, 1].long()
    centre = torch.stack([column, row], -1).float() + 0.5
    weights = _weights(centre, a[face], b[face], c[face])
    inside = (weights >= -SLACK).all(1).nonzero()[:, 0]
    inverse_depth = (weights[inside] / z[face[inside]]).sum(-1)
    bits = inverse_depth.view(torch.int32).long()
    key = torch.full((height * width,), -1, dtype=torch.int64, device=pixels.device)
    key.scatter_reduce_(0, (row * width + column)[inside], (bits << 32) | face[inside], "amax")

    triangle = torch.where(key >= 0, key & 0x7FFFFFFF, key).to(torch.int32).view(height, width)
    shell = Fragments(triangle, pixels.new_zeros(height, width, 3), pixels.new_zeros(height, width))
    barycentric, pixel_depth = perspective_barycentric(pixels, depth, triangles, shell)
    return Fragments(triangle, shell.image(barycentric), shell.image(pixel_depth[:, None])[..., 0])


def perspective_barycentric(
    pixels: Tensor,  # [V, 2]
    depth: Tensor,  # [V]
    triangles: Tensor,  # [F, 3]
    fragments: Fragments,
) -> tuple[Tensor, Tensor]:
    """Barycentrics [N, 3] and depth [N] of the covered pixels, differentiable in pixels and depth."""
    corners = triangles.long()[fragments.covered_triangle]  # [N, 3]
    a, b, c = (pixels.index_select(0, corners[:, k]) for k in range(3))
    z = depth.index_select(0, corners.reshape(-1)).reshape(-1, 3)
    weights = _weights(fragments.covered_centres, a, b, c) / z
    total = weights.sum(-1, keepdim=True)
    return weights / total, 1 / total[:, 0]


def interpolate(
    attributes: Tensor,  # [A, C]
    triangles: Tensor,  # [F, 3] into the attributes (for UV: the triangles' UV ids)
    fragments: Fragments,
    pixels: Tensor | None = None,  # [V, 2]
    depth: Tensor | None = None,  # [V]
    position_triangles: Tensor | None = None,  # [F, 3] into pixels; the same as `triangles` if None
) -> Tensor:
    """[H, W, C] attributes at the pixels, 0 where nothing is seen.

    With `pixels` and `depth` the result is differentiable in them, as well as in the attributes.
    """
    return fragments.image(interpolate_covered(attributes, triangles, fragments, pixels, depth, position_triangles))


def interpolate_covered(
    attributes: Tensor,
    triangles: Tensor,
    fragments: Fragments,
    pixels: Tensor | None = None,
    depth: Tensor | None = None,
    position_triangles: Tensor | None = None,
) -> Tensor:
    """`interpolate`, but only the covered pixels: [N, C] in the order of `fragments.covered`."""
    assert attributes.ndim == 2 and triangles.shape[-1] == 3, (attributes.shape, triangles.shape)
    if pixels is None or depth is None:
        barycentric = fragments.covered_barycentric
    else:
        corners = triangles if position_triangles is None else position_triangles
        barycentric, _ = perspective_barycentric(pixels, depth, corners, fragments)
    ids = triangles.long()[fragments.covered_triangle]  # [N, 3]
    # index_select: its backward on the CPU is several times faster than that of plain indexing.
    return sum(attributes.index_select(0, ids[:, k]) * barycentric[:, k : k + 1] for k in range(3))


def rasterize_uv(uv: Tensor, triangle_uv: Tensor, height: int, width: int) -> Fragments:
    """The mesh drawn in its UV square (origin bottom left, row 0 on top): triangle and barycentrics of every texel.

    uv [T, 2], triangle_uv [F, 3]. Draw one texture set at a time: sets share the square. Fragments.depth is 1.
    """
    scale = torch.tensor([width, -height], dtype=torch.float32, device=uv.device)
    offset = torch.tensor([0, height], dtype=torch.float32, device=uv.device)
    depth = torch.ones(len(uv), dtype=torch.float32, device=uv.device)
    return rasterize(uv.float() * scale + offset, depth, triangle_uv, height, width)


def _weights(centre: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """[N, 3] screen-space barycentrics of points [N, 2]."""
    area = _cross(b - a, c - a)
    wb = _cross(centre - a, c - a) / area
    wc = _cross(b - a, centre - a) / area
    return torch.stack([1 - wb - wc, wb, wc], -1)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _check(pixels: Tensor, depth: Tensor, triangles: Tensor, height: int, width: int) -> None:
    if pixels.ndim != 2 or pixels.shape[1] != 2 or depth.shape != pixels.shape[:1]:
        raise ValueError(f"Rasterizing needs pixels [V, 2] and depth [V], not {pixels.shape} and {depth.shape}.")
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"Triangles must be [F, 3], not {tuple(triangles.shape)}.")
    if height < 1 or width < 1:
        raise ValueError(f"A picture of {width} x {height} pixels cannot be drawn: both must be at least 1.")
