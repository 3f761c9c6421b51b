"""Where a text stands in a screenshot: for the headers of panels, which are no buttons and answer to nothing.

The text is drawn with Blender's own font, and the place that correlates best with it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import blf
import bpy
import eyes
import gpu
import hand
import numpy as np
from mathutils import Matrix

ENOUGH = 0.75  # correlation: the right text has 0.9 and more, other texts below 0.65


def drawn(text: str) -> np.ndarray:
    """`text` as panel headers have it, [height, width], bottom row first, 0..1."""
    preferences = bpy.context.preferences
    size = preferences.ui_styles[0].panel_title.points * preferences.system.ui_scale
    blf.size(0, size)
    width, _ = blf.dimensions(0, text)
    shape = (int(size * 1.4), int(width) + 3)
    screen = gpu.types.GPUOffScreen(shape[1], shape[0])
    with screen.bind():
        gpu.state.active_framebuffer_get().clear(color=(0, 0, 0, 1))
        gpu.matrix.push_projection()
        gpu.matrix.push()
        gpu.matrix.load_identity()
        projection = np.eye(4)
        projection[0, 0], projection[1, 1] = 2 / shape[1], 2 / shape[0]
        projection[:2, 3] = -1
        gpu.matrix.load_projection_matrix(Matrix(projection.tolist()))
        blf.position(0, 1, int(size * 0.35), 0)
        blf.color(0, 1, 1, 1, 1)
        blf.draw(0, text)
        gpu.matrix.pop()
        gpu.matrix.pop_projection()
        buffer = gpu.state.active_framebuffer_get().read_color(0, 0, shape[1], shape[0], 4, 0, "UBYTE")
    screen.free()
    buffer.dimensions = shape[0] * shape[1] * 4
    return np.array(buffer, np.float32).reshape(*shape, 4)[..., 0] / 255


def loaded(path: Path) -> np.ndarray:
    """Luminance of a picture, [height, width], bottom row first."""
    image = bpy.data.images.load(str(path))
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    shape = (image.size[1], image.size[0], 4)
    bpy.data.images.remove(image)
    return pixels.reshape(shape)[..., :3].mean(axis=2)


def correlation(picture: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation at each place where the pattern fits wholly."""
    pattern = pattern - pattern.mean()
    shape = [picture.shape[axis] + pattern.shape[axis] - 1 for axis in (0, 1)]

    def convolve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        full = np.fft.irfft2(np.fft.rfft2(a, shape) * np.fft.rfft2(b[::-1, ::-1], shape), shape)
        return full[b.shape[0] - 1 : picture.shape[0], b.shape[1] - 1 : picture.shape[1]]

    ones = np.ones_like(pattern)
    variance = convolve(picture**2, ones) - convolve(picture, ones) ** 2 / ones.size
    return convolve(picture, pattern) / np.sqrt(np.maximum(variance, 1e-3) * (pattern**2).sum())


def find_header(text: str) -> Iterator[float]:
    """Scroll the sidebar until a panel's header can be read. Returns its place (x, y)."""
    sidebar = eyes.region("UI")
    yield from eyes.scroll(down=False, turns=60)
    pattern, best = drawn(text), 0.0
    for _ in range(8):
        path = Path(bpy.app.tempdir) / "header.png"
        path.unlink(missing_ok=True)
        yield from hand.picture(path)
        left, bottom = sidebar.x, sidebar.y
        part = loaded(path)[bottom : bottom + sidebar.height, left : left + sidebar.width // 2 + 20]
        score = correlation(part, pattern)
        y, x = np.unravel_index(np.argmax(score), score.shape)
        best = max(best, float(score[y, x]))
        if score[y, x] > ENOUGH and y > 30:  # a header cut off by the region's lower edge cannot be pressed
            return left + x + pattern.shape[1] / 2, bottom + y + pattern.shape[0] / 2
        yield from eyes.scroll(down=True, turns=8)
    raise eyes.NotFoundError(f"no panel's header reads {text} (best correlation {best:.2f})")


def press_header(text: str, modifier: str = "") -> Iterator[float]:
    """Open or close a panel; with ctrl, close its neighbours too."""
    place = yield from find_header(text)
    yield from hand.click(*place, modifier=modifier)
