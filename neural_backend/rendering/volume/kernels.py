"""The raymarcher's kernels, one source for the CPU and CUDA. No thread writes where another does: no atomics.

Sample s of a pixel lies at t = (s + offset) step along its unit ray. The boxes at one sample add their opacities
a_k = density_k fade_k step; A = sum a_k. With T the opacity in front, each takes its part of what is left:

    share = min(1, (1 - T) / A),    rgb += share sum_k a_k c_k,    T += share A        (equations 2 and 3)

which does not depend on the boxes' order. Let m be the mean colour sum a_k c_k / A of the sample at which T reaches 1.
All later samples have no weight, and what an earlier sample gains, this one loses; so, for any L with gradients g of
rgb and h of alpha,

    dL/da_k = share (g . (c_k - m))    at and before that sample (share is 1 before it),
    dL/da_k = g . c_k + h              on a ray that never saturates,
    dL/dc_k = share a_k g.

Each primitive needs only m, the last sample's index and its share per pixel: it gathers its own gradient alone.
"""

from __future__ import annotations

import warp as wp

from .primitives import FADE
from .tiles import TILE

# ruff: noqa: UP018  float(0.0) and int(0) tell warp that a variable changes
wp.set_module_options(
    {
        "enable_backward": False,
        # Fused multiply-adds, as CUDA has them: 8 % on the CPU.
        "cpu_compiler_flags": f"{wp.config.cpu_compiler_flags or '-march=native'} -ffp-contract=fast",
    }
)

#: Stands for "never saturates" as an index of the last sample.
ENDLESS = 1 << 30

_ENDLESS = wp.constant(ENDLESS)
_TILE = wp.constant(TILE)
_FADE = wp.constant(FADE)


@wp.func
def _fade(eighth_powers: float) -> float:
    """exp(-FADE x) for x in 0..3 to 2e-7."""
    q = eighth_powers * (_FADE / 32.0)
    e = 1.0 - q * (1.0 - q * 0.5 * (1.0 - q * (1.0 / 3.0) * (1.0 - q * 0.25)))
    e *= e
    e *= e
    e *= e
    e *= e
    return e * e


@wp.func
def _interval(linear: wp.mat33, constant: wp.vec3, ray: wp.vec3):
    """Where a ray from the origin enters and leaves a box, in lengths of `ray`; enter >= leave: a miss."""
    slope = linear * ray
    # Added to every slope: nothing to any but 0, and 1e20 times a constant is still finite.
    x = 1.0 / (slope[0] + 1.0e-20)
    y = 1.0 / (slope[1] + 1.0e-20)
    z = 1.0 / (slope[2] + 1.0e-20)
    cx = -constant[0] * x
    cy = -constant[1] * y
    cz = -constant[2] * z
    x = wp.abs(x)
    y = wp.abs(y)
    z = wp.abs(z)
    return wp.vec2(wp.max(wp.max(cx - x, cy - y), cz - z), wp.min(wp.min(cx + x, cy + y), cz + z))


@wp.func
def _clamp_unit(x: wp.vec3) -> wp.vec3:
    return wp.vec3(wp.clamp(x[0], -1.0, 1.0), wp.clamp(x[1], -1.0, 1.0), wp.clamp(x[2], -1.0, 1.0))


@wp.func
def _faded(local: wp.vec3, voxels: wp.array(dtype=wp.vec4), box: int, side: int) -> wp.vec4:
    """Colour and faded density of a box at local coordinates -1..1, trilinear."""
    x2 = local[0] * local[0]
    y2 = local[1] * local[1]
    z2 = local[2] * local[2]
    x4 = x2 * x2
    y4 = y2 * y2
    z4 = z2 * z2
    fade = _fade(x4 * x4 + y4 * y4 + z4 * z4)
    scale = 0.5 * float(side - 1)
    ux = (local[0] + 1.0) * scale
    uy = (local[1] + 1.0) * scale
    uz = (local[2] + 1.0) * scale
    ix = wp.min(int(ux), side - 2)
    iy = wp.min(int(uy), side - 2)
    iz = wp.min(int(uz), side - 2)
    fx = ux - float(ix)
    fy = uy - float(iy)
    fz = uz - float(iz)
    near = ((box * side + iz) * side + iy) * side + ix
    far = near + side * side
    w00 = (1.0 - fx) * (1.0 - fy)
    w10 = fx * (1.0 - fy)
    w01 = (1.0 - fx) * fy
    w11 = fx * fy
    front = voxels[near] * w00 + voxels[near + 1] * w10 + voxels[near + side] * w01 + voxels[near + side + 1] * w11
    back = voxels[far] * w00 + voxels[far + 1] * w10 + voxels[far + side] * w01 + voxels[far + side + 1] * w11
    value = front * (1.0 - fz) + back * fz
    return wp.vec4(value[0], value[1], value[2], value[3] * fade)


@wp.kernel
def march_kernel(
    linear: wp.array(dtype=wp.mat33),  # [B * P]
    constant: wp.array(dtype=wp.vec3),
    voxels: wp.array(dtype=wp.vec4),  # [B * P * S^3]
    rays: wp.array(dtype=wp.mat33),  # [B] inverse intrinsics
    offsets: wp.array(dtype=float),  # [B * H * W]
    start: wp.array(dtype=int),
    boxes: wp.array(dtype=int),
    nearest: wp.array(dtype=float),
    columns: int,
    rows: int,
    width: int,
    height: int,
    side: int,
    step: float,
    density_step: float,
    hits: wp.array(dtype=wp.vec3i),  # [L * TILE^2] scratch: box, first and last sample, in the tile's own part
    picture: wp.array(dtype=wp.vec4),  # [B * H * W], zero at first
    last_colour: wp.array(dtype=wp.vec4),  # m and share
    last_sample: wp.array(dtype=int),
    part: int,
    parts: int,
):
    item = wp.tid()
    tile = (item / (_TILE * _TILE)) * parts + part
    if tile >= start.shape[0] - 1:
        return
    list_start = start[tile]
    list_end = start[tile + 1]
    if list_end == list_start:
        return
    within = item % (_TILE * _TILE)
    head = tile / (columns * rows)
    x = (tile % columns) * _TILE + within % _TILE
    y = ((tile / columns) % rows) * _TILE + within / _TILE
    if x >= width or y >= height:
        return
    pixel = (head * height + y) * width + x
    ray = rays[head] * wp.vec3(float(x) + 0.5, float(y) + 0.5, 1.0)
    length = wp.length(ray)
    offset = offsets[pixel]
    steps = length / step  # samples per length of `ray`

    direction = ray / length
    gathered = wp.vec3(0.0, 0.0, 0.0)
    alpha = float(0.0)
    # The boxes that the ray meets, sorted by first sample, are listed only as far as the ray has come: most saturate
    # in the first wall, and the back of the head is never looked at. No box begins before its `nearest`.
    base = list_start * _TILE * _TILE + within * (list_end - list_start)
    count = int(0)
    candidate = int(list_start)
    open_from = int(0)  # hits before this one are over
    open_to = int(0)  # hits from this one on have not begun
    sample = int(0)
    while alpha < 1.0:
        while open_from < open_to and hits[base + open_from][2] < sample:
            open_from += 1
        reached = (float(sample) + offset) * step
        if open_from == open_to:  # nothing is open: on to the next hit, or to the next candidate
            if open_to < count:
                reached = (float(hits[base + open_to][1]) + offset) * step
            elif candidate < list_end:
                reached = wp.max(nearest[boxes[candidate]], 0.0)
            else:
                break
        while candidate < list_end and nearest[boxes[candidate]] <= reached:
            box = boxes[candidate]
            candidate += 1
            inside = _interval(linear[box], constant[box], ray)
            if inside[0] < inside[1] and inside[1] > 0.0:
                first = wp.max(int(wp.ceil(inside[0] * steps - offset)), 0)
                last = int(wp.floor(inside[1] * steps - offset))
                if last >= first:
                    k = int(count)
                    while k > open_to:
                        previous = hits[base + k - 1]
                        if previous[1] <= first:
                            break
                        hits[base + k] = previous
                        k -= 1
                    hits[base + k] = wp.vec3i(box, first, last)
                    count += 1
        if open_from == open_to:
            if open_to == count:
                continue
            next_sample = hits[base + open_to][1]
            if candidate < list_end and nearest[boxes[candidate]] <= (float(next_sample) + offset) * step:
                continue  # that one may begin before
            sample = wp.max(sample, next_sample)
        while open_to < count and hits[base + open_to][1] <= sample:
            open_to += 1
        # Up to here nothing opens, and the first in the list does not close.
        until = hits[base + open_from][2]
        if open_to < count:
            until = wp.min(until, hits[base + open_to][1] - 1)
        if candidate < list_end:
            until = wp.min(until, int(nearest[boxes[candidate]] / step - offset))
        until = wp.max(until, sample)
        while sample <= until and alpha < 1.0:
            point = direction * ((float(sample) + offset) * step)
            colour = wp.vec3(0.0, 0.0, 0.0)
            total = float(0.0)
            for j in range(open_from, open_to):
                hit = hits[base + j]
                if sample <= hit[2]:
                    box = hit[0]
                    value = _faded(_clamp_unit(linear[box] * point + constant[box]), voxels, box, side)
                    opacity = value[3] * density_step
                    colour = colour + wp.vec3(value[0], value[1], value[2]) * opacity
                    total += opacity
            share = float(1.0)
            if alpha + total >= 1.0:
                share = (1.0 - alpha) / total
                mean = colour / total
                last_colour[pixel] = wp.vec4(mean[0], mean[1], mean[2], share)
                last_sample[pixel] = sample
                alpha = 1.0
            else:
                alpha += total
            gathered = gathered + colour * share
            sample += 1
    picture[pixel] = wp.vec4(gathered[0], gathered[1], gathered[2], alpha)


@wp.kernel
def march_backward_kernel(
    linear: wp.array(dtype=wp.mat33),
    constant: wp.array(dtype=wp.vec3),
    voxels: wp.array(dtype=wp.vec4),
    rays: wp.array(dtype=wp.mat33),
    offsets: wp.array(dtype=float),
    nearest: wp.array(dtype=float),
    rectangle: wp.array(dtype=wp.vec4i),  # [B * P]
    width: int,
    height: int,
    side: int,
    step: float,
    density_step: float,
    per_head: int,  # P
    slices: int,
    picture_gradient: wp.array(dtype=wp.vec4),
    last_colour: wp.array(dtype=wp.vec4),
    last_sample: wp.array(dtype=int),
    linear_gradient: wp.array(dtype=wp.mat33),  # [slices * B * P]; all three zero at first
    constant_gradient: wp.array(dtype=wp.vec3),
    voxel_gradient: wp.array(dtype=wp.vec4),  # [slices * B * P * S^3]
    part: int,
    parts: int,
):
    """Gathers each box's gradient over its rectangle of pixels; slice i of several takes every i-th row."""
    item = wp.tid() * parts + part
    total = linear.shape[0]
    if item >= slices * total:
        return
    box = item % total
    bounds = rectangle[box]
    if bounds[0] > bounds[1] or bounds[2] > bounds[3]:
        return
    a = linear[box]
    b = constant[box]
    head = box / per_head
    inverse = rays[head]
    scale = 0.5 * float(side - 1)
    plane = side * side
    voxel_base = box * side * plane
    gradient_base = item * side * plane
    begin = int(nearest[box] / step) - 1  # no sample before this one is inside
    sum_a = wp.mat33(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    sum_b = wp.vec3(0.0, 0.0, 0.0)
    y = int(bounds[2] + item / total)
    while y <= bounds[3]:
        for x in range(bounds[0], bounds[1] + 1):
            pixel = (head * height + y) * width + x
            end = last_sample[pixel]
            ray = inverse * wp.vec3(float(x) + 0.5, float(y) + 0.5, 1.0)
            inside = wp.vec2(0.0, 0.0)
            if end >= begin:  # else the ray has saturated before it comes here
                inside = _interval(a, b, ray)
            if inside[0] < inside[1] and inside[1] > 0.0:
                offset = offsets[pixel]
                length = wp.length(ray)
                steps = length / step
                first = wp.max(int(wp.ceil(inside[0] * steps - offset)), 0)
                last = wp.min(int(wp.floor(inside[1] * steps - offset)), end)
                if last >= first:
                    direction = ray / length
                    g = picture_gradient[pixel]
                    final = last_colour[pixel]
                    # dL/da = share (g . c + gain)
                    gain = g[3]
                    if end < _ENDLESS:
                        gain = -(g[0] * final[0] + g[1] * final[1] + g[2] * final[2])
                    for sample in range(first, last + 1):
                        share = float(1.0)
                        if sample == end:
                            share = final[3]
                        point = direction * ((float(sample) + offset) * step)
                        local = _clamp_unit(a * point + b)
                        x2 = local[0] * local[0]
                        y2 = local[1] * local[1]
                        z2 = local[2] * local[2]
                        x4 = x2 * x2
                        y4 = y2 * y2
                        z4 = z2 * z2
                        fade = _fade(x4 * x4 + y4 * y4 + z4 * z4) * density_step
                        ux = (local[0] + 1.0) * scale
                        uy = (local[1] + 1.0) * scale
                        uz = (local[2] + 1.0) * scale
                        ix = wp.min(int(ux), side - 2)
                        iy = wp.min(int(uy), side - 2)
                        iz = wp.min(int(uz), side - 2)
                        fx = ux - float(ix)
                        fy = uy - float(iy)
                        fz = uz - float(iz)
                        corner = (iz * side + iy) * side + ix
                        near = voxel_base + corner
                        far = near + plane
                        v0 = voxels[near]
                        v1 = voxels[near + 1]
                        v2 = voxels[near + side]
                        v3 = voxels[near + side + 1]
                        v4 = voxels[far]
                        v5 = voxels[far + 1]
                        v6 = voxels[far + side]
                        v7 = voxels[far + side + 1]
                        w00 = (1.0 - fx) * (1.0 - fy)
                        w10 = fx * (1.0 - fy)
                        w01 = (1.0 - fx) * fy
                        w11 = fx * fy
                        front = v0 * w00 + v1 * w10 + v2 * w01 + v3 * w11
                        back = v4 * w00 + v5 * w10 + v6 * w01 + v7 * w11
                        value = front * (1.0 - fz) + back * fz
                        opacity_gradient = share * (g[0] * value[0] + g[1] * value[1] + g[2] * value[2] + gain)
                        weight = share * value[3] * fade
                        d = wp.vec4(weight * g[0], weight * g[1], weight * g[2], opacity_gradient * fade)
                        d_near = d * (1.0 - fz)
                        d_far = d * fz
                        i = gradient_base + corner
                        voxel_gradient[i] = voxel_gradient[i] + d_near * w00
                        voxel_gradient[i + 1] = voxel_gradient[i + 1] + d_near * w10
                        voxel_gradient[i + side] = voxel_gradient[i + side] + d_near * w01
                        voxel_gradient[i + side + 1] = voxel_gradient[i + side + 1] + d_near * w11
                        i += plane
                        voxel_gradient[i] = voxel_gradient[i] + d_far * w00
                        voxel_gradient[i + 1] = voxel_gradient[i + 1] + d_far * w10
                        voxel_gradient[i + side] = voxel_gradient[i + side] + d_far * w01
                        voxel_gradient[i + side + 1] = voxel_gradient[i + side + 1] + d_far * w11
                        # The derivative along the box's axes: of the interpolation, then of the fade.
                        e0 = wp.dot(d, v0)
                        e1 = wp.dot(d, v1)
                        e2 = wp.dot(d, v2)
                        e3 = wp.dot(d, v3)
                        e4 = wp.dot(d, v4)
                        e5 = wp.dot(d, v5)
                        e6 = wp.dot(d, v6)
                        e7 = wp.dot(d, v7)
                        gx = wp.lerp(wp.lerp(e1 - e0, e3 - e2, fy), wp.lerp(e5 - e4, e7 - e6, fy), fz)
                        gy = wp.lerp(wp.lerp(e2 - e0, e3 - e1, fx), wp.lerp(e6 - e4, e7 - e5, fx), fz)
                        gz = wp.lerp(wp.lerp(e4 - e0, e5 - e1, fx), wp.lerp(e6 - e2, e7 - e3, fx), fy)
                        q = -8.0 * _FADE * opacity_gradient * value[3] * fade
                        gradient = wp.vec3(
                            gx * scale + q * x4 * x2 * local[0],
                            gy * scale + q * y4 * y2 * local[1],
                            gz * scale + q * z4 * z2 * local[2],
                        )
                        sum_b = sum_b + gradient
                        sum_a = sum_a + wp.outer(gradient, point)
        y += slices
    linear_gradient[item] = sum_a
    constant_gradient[item] = sum_b
