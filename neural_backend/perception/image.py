"""Photos in: any common image file becomes upright scene-linear Rec.709, or one `PhotoError` that says what to do.

Handled: EXIF orientation and focal length, grey, palette, alpha, CMYK, ICC profiles (converted to sRGB), 16 bits per
channel, and photos of many megapixels (reduced while reading).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ..protocol.errors import MienError
from .exif import focal_length_px

log = logging.getLogger(__name__)

MIN_SIDE = 48  # px; the detector needs about 20 px of face
MAX_PIXELS = 200_000_000  # more is refused: a decompression bomb, or a panorama nobody fits a head to
LARGE_PIXELS, LARGE_SIDE = 40_000_000, 2400  # above this many pixels the working copy is this long
MAX_SIDE = 4096  # px; the longest working side of any photo
MAX_BYTES = 500_000_000
NEUTRAL = 0.18  # linear grey put behind transparent pixels
CAMERA_RAW = {".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".rw2", ".orf", ".pef", ".srw"}
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}


class PhotoError(MienError):
    """A photo that cannot be used; the sentence names it, the problem and the mend."""


@dataclass(frozen=True)
class Photo:
    """One upright photo."""

    linear: np.ndarray
    """[H, W, 3] float32, scene-linear Rec.709, 0..1; transparent pixels lie over neutral grey."""
    srgb: np.ndarray
    """[H, W, 3] uint8, the same picture as networks want it."""
    alpha: np.ndarray | None
    """[H, W] float32, 0..1; None when the file has no transparency."""
    focal_px: float | None
    """Focal length in working pixels, from EXIF; None when the file does not say."""
    name: str
    """File name, for messages and for the package."""
    original_size: tuple[int, int]
    """(width, height) in px of the upright photo before it was reduced."""

    @property
    def height(self) -> int:
        return self.linear.shape[0]

    @property
    def width(self) -> int:
        return self.linear.shape[1]

    @property
    def scale(self) -> float:
        """Working pixels per original pixel, 1 unless the photo was reduced."""
        return self.width / self.original_size[0]


def load_photo(source: str | os.PathLike | bytes, name: str | None = None) -> Photo:
    """Read a photo.

    Args:
        source: a path, or the bytes of an image file.
        name: what messages call it; the file name unless given.

    Raises:
        PhotoError: with one of the codes missing, folder, not_a_file, no_permission, unreadable, empty, too_large_file,
            heic, camera_raw, not_an_image, truncated, animated, several_pages, too_many_pixels, too_small, bad_colour,
            transparent.
    """
    if isinstance(source, bytes | bytearray):
        data, name = bytes(source), name or "photo"
    else:
        name = name or os.path.basename(os.fspath(source)) or os.fspath(source)
        data = _read_file(source, name)
    _refuse_unreadable_kinds(data, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is checked instead
        pixels, exif, icc, original = _decode(data, name)
    colour, alpha = _to_srgb(pixels, icc, name)
    orientation = exif.get(0x0112, 1)
    colour = _upright(colour, orientation)
    alpha = None if alpha is None else _upright(alpha, orientation)
    if orientation in (5, 6, 7, 8):
        original = original[::-1]
    return _build(colour, alpha, exif, name, original)


def photo_from_linear(linear: np.ndarray, name: str = "render", focal_px: float | None = None) -> Photo:
    """A Photo from a scene-linear picture [H, W, 3] (a render), clipped to 0..1 as a camera would."""
    linear = np.clip(np.asarray(linear, np.float32), 0, 1)
    srgb = np.round(linear_to_srgb(linear) * 255).astype(np.uint8)
    height, width = linear.shape[:2]
    return Photo(linear, srgb, None, focal_px, name, (width, height))


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB 0..1 to linear, float32 (IEC 61966-2-1)."""
    encoded = np.asarray(encoded, np.float32)
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear 0..1 to sRGB, float32 (IEC 61966-2-1)."""
    linear = np.asarray(linear, np.float32)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def _read_file(source: str | os.PathLike, name: str) -> bytes:
    try:
        path = Path(source)
        if path.is_dir():
            raise PhotoError("folder", f"{name} is a folder; choose the photo inside it.")
        if not path.exists():
            raise PhotoError("missing", f"There is no file {name}; check the path.")
        if not path.is_file():
            raise PhotoError("not_a_file", f"{name} is not an ordinary file; choose an image file.")
        if path.stat().st_size > MAX_BYTES:
            raise PhotoError("too_large_file", f"{name} is larger than {MAX_BYTES // 10**6} MB; save it smaller.")
        if path.suffix.lower() in CAMERA_RAW:
            raise PhotoError("camera_raw", f"{name} is a camera raw file; develop it to JPEG, PNG or TIFF first.")
        return path.read_bytes()
    except PermissionError as error:
        raise PhotoError("no_permission", f"{name} may not be read; change its permissions.") from error
    except (OSError, ValueError) as error:
        raise PhotoError("unreadable", f"{name} cannot be read ({error}); copy it to a local folder.") from error


def _refuse_unreadable_kinds(data: bytes, name: str) -> None:
    if not data:
        raise PhotoError("empty", f"{name} is empty (0 bytes); copy or export it again.")
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        raise PhotoError("heic", f"{name} is a HEIC photo, which cannot be read here; export it as JPEG or PNG.")


def _decode(data: bytes, name: str) -> tuple[Image.Image | np.ndarray, Image.Exif, bytes | None, tuple[int, int]]:
    """Pixels as stored (a PIL image, or a uint16 RGB(A) or grey array), EXIF, ICC profile, stored (width, height)."""
    try:
        image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise _too_many(name) from error
    except UnidentifiedImageError as error:
        deep = _deep_pixels(data) if data[:4] in (b"II*\0", b"MM\0*") else None
        if deep is None:
            raise PhotoError(
                "not_an_image", f"{name} is not an image this program can read; use a JPEG, PNG, TIFF or WebP photo."
            ) from error
        return _reduced_array(deep), Image.Exif(), None, (deep.shape[1], deep.shape[0])
    except (OSError, ValueError, SyntaxError) as error:
        raise PhotoError("truncated", f"{name} is damaged or cut short; copy or export it again.") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many(name)
    if min(width, height) < MIN_SIDE:
        raise PhotoError(
            "too_small", f"{name} is only {width} x {height} px; use a photo of at least 256 px with the face in it."
        )
    _refuse_frames(image, name)
    side = _working_side(width, height)
    if side < max(width, height):
        image.draft(None, (side, side))  # JPEG decodes straight to a smaller size; others ignore it
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise PhotoError("truncated", f"{name} is damaged or cut short; copy or export it again.") from error
    exif, icc = _exif(image), image.info.get("icc_profile")  # after loading: a PNG's EXIF may follow its pixels
    if _is_deep(image, data):
        deep = _deep_pixels(data)
        if deep is not None:
            return _reduced_array(deep), exif, icc, (width, height)
    if image.mode in ("F", "I"):
        raise PhotoError("bad_colour", f"{name} holds 32-bit values; save it as 8 or 16 bits per channel.")
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")  # a palette cannot be resampled
    image.thumbnail((side, side), Image.Resampling.BOX if max(image.size) > 3 * side else Image.Resampling.LANCZOS)
    return image, exif, icc, (width, height)


def _too_many(name: str) -> PhotoError:
    return PhotoError("too_many_pixels", f"{name} has over {MAX_PIXELS // 10**6} megapixels; scale it down first.")


def _refuse_frames(image: Image.Image, name: str) -> None:
    """Animations and multi-page files are refused; a phone's MPO holds the photo first and its depth map after."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO", "JPEG"):
        if image.format == "TIFF":
            raise PhotoError("several_pages", f"{name} has {frames} pages; save the one with the face as its own file.")
        raise PhotoError("animated", f"{name} is an animation of {frames} frames; save one frame as a PNG.")


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except (OSError, ValueError, SyntaxError, KeyError, TypeError) as error:  # a broken block is no reason to refuse
        log.warning("EXIF ignored: %s", error)
        return Image.Exif()


def _working_side(width: int, height: int) -> int:
    side = LARGE_SIDE if width * height > LARGE_PIXELS else MAX_SIDE
    return min(side, max(width, height))


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the file holds 16 bits per channel."""
    if image.format == "PNG":
        return data[24] == 16  # IHDR's bit depth
    return image.format == "TIFF" and 16 in np.atleast_1d(image.tag_v2.get(258, 8))  # BitsPerSample


def _deep_pixels(data: bytes) -> np.ndarray | None:
    """uint16 pixels (grey or RGB(A)) by OpenCV, since Pillow reads colour only at 8 bits; None if it is not that."""
    with contextlib.suppress(cv2.error):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is not None and pixels.dtype in (np.uint16, np.uint8) and min(pixels.shape[:2]) >= MIN_SIDE:
            if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
                pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
            return pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
    return None


def _reduced_array(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = _working_side(width, height) / max(width, height)
    if scale == 1:
        return pixels
    return cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _to_srgb(pixels: Image.Image | np.ndarray, icc: bytes | None, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """sRGB-encoded colour [H, W, 3] (uint8 or uint16) and alpha [H, W] float32 or None."""
    if isinstance(pixels, np.ndarray):
        if pixels.ndim == 2:
            return np.repeat(pixels[..., None], 3, axis=2), None
        alpha = pixels[..., 3].astype(np.float32) / 65535 if pixels.shape[2] == 4 else None
        if icc and not _is_srgb(icc):
            # lcms through Pillow is 8 bits only: the right colour at 8 bits beats the wrong one at 16.
            image = Image.fromarray(np.round(pixels[..., :3] / 257).astype(np.uint8), "RGB")
            return np.asarray(_through_icc(image, icc, name)), alpha
        return np.ascontiguousarray(pixels[..., :3]), alpha
    image, alpha = pixels, None
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"), np.float32) / 255
        image = image.convert("RGB")
    if icc and not _is_srgb(icc):
        image = _through_icc(image, icc, name)
    try:
        return np.asarray(image.convert("RGB")), alpha
    except ValueError as error:
        raise PhotoError("bad_colour", f"{name} has colours of kind {image.mode}; save it as an RGB image.") from error


def _is_srgb(icc: bytes) -> bool:
    with contextlib.suppress(ImageCms.PyCMSError, OSError):
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return "srgb" in ImageCms.getProfileDescription(profile).lower()
    return False


def _through_icc(image: Image.Image, icc: bytes, name: str) -> Image.Image:
    """The image in sRGB by its embedded profile; a profile that does not fit the pixels is ignored with a warning."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space.strip() == "GRAY":
            return image.convert("RGB")
        if profile.profile.xcolor_space.strip() == "RGB" and image.mode != "RGB":
            image = image.convert("RGB")
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.warning("%s: colour profile ignored (%s)", name, error)
        return image


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF orientation 2..8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _build(
    colour: np.ndarray, alpha: np.ndarray | None, exif: Image.Exif, name: str, original: tuple[int, int]
) -> Photo:
    top = np.iinfo(colour.dtype).max
    linear = srgb_to_linear(np.arange(top + 1, dtype=np.float32) / top)[colour]  # [H, W, 3]
    srgb = colour if top == 255 else np.round(colour / 257).astype(np.uint8)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if alpha is not None:
        if alpha.max() < 0.5:
            raise PhotoError("transparent", f"{name} is fully transparent; export it with its picture visible.")
        linear = (linear * alpha[..., None] + NEUTRAL * (1 - alpha[..., None])).astype(np.float32)
        srgb = np.round(linear_to_srgb(linear) * 255).astype(np.uint8)
    height, width = linear.shape[:2]
    focal = focal_length_px(exif, original)
    focal = None if focal is None else focal * max(width, height) / max(original)
    return Photo(linear, srgb, alpha, focal, name, original)
