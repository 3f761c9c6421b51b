"""The light that a fit found in a photo, as a sky for Cycles.

The package holds it as real spherical harmonics up to degree 4 in the head's frame: orthonormal, without the
Condon-Shortley sign, in the order l(l+1)+m, as incoming scene-linear radiance.
"""

from __future__ import annotations

import math

import bpy
import numpy as np


def harmonics(directions: np.ndarray, count: int) -> np.ndarray:
    """[..., 3] unit directions in the head's frame -> [..., count] basis values; count is 1, 4, 9, 16 or 25."""
    x, y, z = np.moveaxis(directions, -1, 0)
    degree = math.isqrt(count) - 1
    # Associated Legendre functions of z without their sin^m factor, which goes into the polynomials of x and y.
    legendre = {(0, 0): np.ones_like(z)}
    for m in range(degree + 1):
        if m:
            legendre[m, m] = legendre[m - 1, m - 1] * (2 * m - 1)
        for degree_l in range(m + 1, degree + 1):
            below = legendre.get((degree_l - 2, m), np.zeros_like(z))
            above = (2 * degree_l - 1) * z * legendre[degree_l - 1, m] - (degree_l + m - 1) * below
            legendre[degree_l, m] = above / (degree_l - m)
    around = [np.ones_like(x) + 0j]  # (x + iy)^m = sin^m (cos m phi + i sin m phi)
    for _ in range(degree):
        around.append(around[-1] * (x + 1j * y))
    values = []
    for degree_l in range(degree + 1):
        for m in range(-degree_l, degree_l + 1):
            a = abs(m)
            scale = (2 * degree_l + 1) / (4 * math.pi) * math.factorial(degree_l - a) / math.factorial(degree_l + a)
            turn = around[a].imag if m < 0 else around[a].real
            values.append(math.sqrt(scale * (2 if m else 1)) * legendre[degree_l, a] * turn)
    return np.stack(values, -1)


def sky_picture(light: np.ndarray, height: int = 64) -> np.ndarray:  # light [B, 3]
    """[height, 2 height, 3] radiance in Blender's equirectangular layout, row 0 at the bottom, middle column at +X."""
    elevation = ((np.arange(height) + 0.5) / height - 0.5)[:, None] * np.pi
    azimuth = (0.5 - (np.arange(2 * height) + 0.5) / (2 * height))[None] * 2 * np.pi  # from +X towards +Y
    blender = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation) + 0 * azimuth], -1
    )
    head = np.stack([blender[..., 0], blender[..., 2], -blender[..., 1]], -1)  # +Y up, +Z out of the face
    # A band-limited light rings below zero opposite a bright lamp; there is no negative light to render.
    return np.maximum(harmonics(head, len(light)) @ light, 0.0)


def sky_image(light: np.ndarray) -> bpy.types.Image:
    picture = sky_picture(light)
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Photo Light", width, height, alpha=False, float_buffer=True)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = picture
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    return image
