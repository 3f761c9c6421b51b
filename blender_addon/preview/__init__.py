"""The preview: one contact sheet that shows what a fit is worth, photo and head side by side, under several lights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

from ..head.frames import camera_world
from ..head.objects import HeadObjects
from ..head.package import Package, Photo
from ..head.photos import set_intrinsics
from .photo_light import sky_image
from .pictures import read_picture, resize, to_display, to_linear, write_png
from .stage import SIDE, SOFT, aim, blender_sky, image_sky
from .tiles import SAMPLES, TileRenderer, studio

TILE = 480
#: How much of the photo a tile shows: the head's own box times this.
_CROP = 1.05
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_SMILE = {
    "mouthSmileLeft": 0.85,
    "mouthSmileRight": 0.85,
    "cheekSquintLeft": 0.5,
    "cheekSquintRight": 0.5,
    "eyeSquintLeft": 0.3,
    "eyeSquintRight": 0.3,
    "mouthUpperUpLeft": 0.15,
    "mouthUpperUpRight": 0.15,
}
_SURPRISE = {
    "jawOpen": 0.45,
    "mouthUpperUpLeft": 0.3,
    "mouthUpperUpRight": 0.3,
    "browInnerUp": 0.8,
    "browOuterUpLeft": 0.7,
    "browOuterUpRight": 0.7,
    "eyeWideLeft": 0.5,
    "eyeWideRight": 0.5,
}


def render_preview(
    head: HeadObjects,
    package: Package,
    path: Path,
    progress: Callable[[float, str], None] = lambda done, text: None,
    tile: int = TILE,
    samples: int = SAMPLES,
) -> Path:
    """Write the contact sheet `path` (PNG).

    With a photo: photo, fit over the photo, neutral, smile; three-quarter, profile, outdoors, surprise in side light.
    A package without pictures gives the last six.

    Args:
        progress: called with 0..1 and a word before each tile.
    """
    photo = next((photo for photo in package.photos if photo.file is not None and photo.file.is_file()), None)
    with studio(head, samples) as renderer:
        shots: list[tuple[str, Callable[[], list[np.ndarray]]]] = []
        if photo is not None:
            shots.append(("overlay", lambda: _photo_tiles(renderer, package, photo, tile)))
        shots += [
            ("neutral", lambda: [_portrait(renderer, tile, {}, 0)]),
            ("smile", lambda: [_portrait(renderer, tile, _SMILE, 0)]),
            ("three-quarter", lambda: [_portrait(renderer, tile, {}, 40)]),
            ("profile", lambda: [_portrait(renderer, tile, {}, 90)]),
            ("relit outdoors", lambda: [_relit(renderer, tile)]),
            ("relit from the side", lambda: [_side(renderer, tile)]),
        ]
        tiles = []
        for index, (name, shoot) in enumerate(shots):
            progress(index / len(shots), f"preview: {name}")
            tiles += shoot()
    columns = len(tiles) // 2
    sheet = np.concatenate([np.concatenate(tiles[row : row + columns], 1) for row in (0, columns)], 0)
    write_png(path, sheet)
    return path


def _portrait(renderer: TileRenderer, tile: int, expression: dict[str, float], azimuth: float) -> np.ndarray:
    renderer.light(SOFT)
    aim(renderer.camera, renderer.framing, azimuth)
    return _on_backdrop(renderer.render(expression, tile, tile))


def _relit(renderer: TileRenderer, tile: int) -> np.ndarray:
    renderer.light(())
    image_sky(renderer.world, bpy.data.images.load(str(blender_sky("forest"))), azimuth=-30, normalise=True)
    aim(renderer.camera, renderer.framing, 20)
    return _on_backdrop(renderer.render({}, tile, tile))


def _side(renderer: TileRenderer, tile: int) -> np.ndarray:
    renderer.light(SIDE, ambient=0.03)
    aim(renderer.camera, renderer.framing, -15)
    return _on_backdrop(renderer.render(_SURPRISE, tile, tile))


def _photo_tiles(renderer: TileRenderer, package: Package, photo: Photo, tile: int) -> list[np.ndarray]:
    """The photo round the head, and the same with the fitted face over it, seen by the fitted camera.

    Only the face is laid over: the head has no hair, and a bald scalp over the photo's hair hides what matters.
    """
    level, index = package.levels[-1], package.photos.index(photo)
    left, top, size = _square_round(_pixels(level.fitted[index], photo))
    picture = _crop(read_picture(photo.file)[..., :3], left, top, size, tile)
    scale = tile / size
    intrinsics = photo.intrinsics.copy()
    intrinsics[:2, 2] -= left, top
    intrinsics[:2] *= scale
    set_intrinsics(renderer.camera.data, intrinsics, tile, tile)
    renderer.camera.matrix_world = [list(row) for row in camera_world(photo.camera_from_head).T]
    if len(photo.light) and np.abs(photo.light).max() > 0:
        renderer.light(())
        image_sky(renderer.world, sky_image(photo.light), azimuth=90, normalise=False)
    else:
        renderer.light(SOFT)
    rendered = renderer.render(photo.expression, tile, tile)
    landmarks = (_pixels(level.landmarks68, photo) - (left, top)) * scale
    mask = _face_mask(landmarks, tile)
    rendered[..., :3] *= _exposure(rendered, picture, mask, landmarks)
    return [picture, _over(rendered, picture, mask * _bare(rendered, picture, landmarks))]


def _pixels(points: np.ndarray, photo: Photo) -> np.ndarray:
    """[N, 3] head-frame metres -> [N, 2] pixels of the photo."""
    in_camera = points.astype(np.float64) @ photo.camera_from_head[:3, :3].T + photo.camera_from_head[:3, 3]
    pixels = in_camera @ photo.intrinsics.T
    return pixels[:, :2] / pixels[:, 2:]


def _face_mask(landmarks: np.ndarray, tile: int) -> np.ndarray:
    """[tile, tile] 1 on the face, soft towards its rim: the hull of the 68 landmarks, raised to the hairline."""
    chin, brows = landmarks[8], landmarks[17:27]
    points = np.concatenate([landmarks, brows + 0.3 * (brows.mean(0) - chin)])
    centre = points.mean(0)
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    normals = np.stack([np.cos(angles), np.sin(angles)], 1)  # the hull as 64 half planes
    reach = ((points - centre) @ normals.T).max(0)
    rows, columns = np.mgrid[0:tile, 0:tile] + 0.5
    places = np.stack([columns, rows], -1) - centre
    outside = (places @ normals.T - reach).max(-1)  # pixels outside the hull, negative inside
    width = 0.16 * float(np.linalg.norm(brows.mean(0) - chin))
    inside = np.clip(-outside / width + 0.25, 0.0, 1.0)
    return (inside * inside * (3 - 2 * inside)).astype(np.float32)


def _height_over_brows(landmarks: np.ndarray, tile: int) -> np.ndarray:
    """[tile, tile] distance over the brows along the face's axis, in lengths from chin to brows."""
    chin, brows = landmarks[8], landmarks[17:27].mean(0)
    length = np.linalg.norm(brows - chin)
    rows, columns = np.mgrid[0:tile, 0:tile] + 0.5
    return (np.stack([columns, rows], -1) - brows) @ ((brows - chin) / length) / length


def _bare(rendered: np.ndarray, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """[tile, tile] 0 where, above the brows, the photo is far from the rendered forehead: hair and hats stay there."""
    tile = len(picture)
    height, alpha = _height_over_brows(landmarks, tile), rendered[..., 3]
    forehead = rendered[..., :3] @ _LUMINANCE / np.maximum(alpha, 1e-4)
    away = np.abs(np.log(np.maximum(forehead, 0.01)) - np.log(np.maximum(to_linear(picture) @ _LUMINANCE, 0.01)))
    # Strands and wrinkles are no border: means over an eighth of the face, of what the head covers.
    face = float(np.linalg.norm(landmarks[17:27].mean(0) - landmarks[8]))
    cells = max(2, round(8 * tile / max(face, 1.0)))
    both = resize(np.stack([away * alpha, alpha], -1), cells, cells)
    away = resize(both[..., :1] / np.maximum(both[..., 1:], 1e-3), tile, tile)
    away = away.reshape(tile, tile)
    above = np.clip((height - 0.02) / 0.08, 0.0, 1.0)
    return (1 - above * np.clip((away - 0.3) / 0.4, 0.0, 1.0)).astype(np.float32)


def _exposure(rendered: np.ndarray, picture: np.ndarray, mask: np.ndarray, landmarks: np.ndarray) -> float:
    """One factor that makes the rendered face as bright as the photo's: the camera's exposure is not in the package.

    Colour is left as it is. Only below the brows: above them the photo may show a hat.
    """
    face = (mask > 0.9) & (rendered[..., 3] > 0.99) & (_height_over_brows(landmarks, len(picture)) < 0)
    if not face.any():
        return 1.0
    wanted = np.median(to_linear(picture[face]) @ _LUMINANCE)
    found = np.median(rendered[face][:, :3] @ _LUMINANCE)
    return float(np.clip(wanted / max(found, 1e-6), 0.1, 10.0))


def _square_round(pixels: np.ndarray) -> tuple[int, int, int]:
    """(left, top, size) of a square round the head's [V, 2] pixels, on whole pixels: crop and camera use the same."""
    low, high = pixels.min(0), pixels.max(0)
    size = max(round(float((high - low).max()) * _CROP), 1)
    left, top = (low + high) / 2 - size / 2
    return round(float(left)), round(float(top)), size


def _crop(picture: np.ndarray, left: int, top: int, size: int, tile: int) -> np.ndarray:
    """[tile, tile, 3] of a square that may reach out of the picture, where it is dark grey."""
    square = np.full((size, size, 3), 0.12, np.float32)
    height, width = picture.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + size, width), min(top + size, height)
    if x1 > x0 and y1 > y0:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
    return resize(square, tile, tile)


def _on_backdrop(rendered: np.ndarray) -> np.ndarray:
    """[H, W, 3] display values of a premultiplied linear tile over a grey that lightens downwards."""
    height, width = rendered.shape[:2]
    grey = np.linspace(0.025, 0.10, height, dtype=np.float32)[:, None, None]
    return to_display(rendered[..., :3] + (1 - rendered[..., 3:]) * np.broadcast_to(grey, (height, width, 3)))


def _over(rendered: np.ndarray, picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lay a premultiplied linear tile over a photo of display values where the mask is."""
    alpha = rendered[..., 3:]
    colour = to_display(rendered[..., :3] / np.maximum(alpha, 1e-4))
    opacity = alpha * mask[..., None]
    return colour * opacity + picture * (1 - opacity)
