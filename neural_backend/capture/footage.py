"""Where frames come from: photos, a folder of numbered pictures, or a video file; upright, with their times.

Videos are decoded by OpenCV's FFmpeg. Times are the frames' own time stamps, so a variable frame rate, as phones
record, does no harm; the rotation that a phone notes in the file is applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..perception.image import load_photo
from ..protocol.cancellation import checkpoint
from ..protocol.errors import MienError, photo_at_fault

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}
DEFAULT_RATE = 25.0  # frames a second of a folder when nobody says


@dataclass(frozen=True)
class Frame:
    """One upright picture of the footage."""

    srgb: np.ndarray  # [H, W, 3] uint8
    seconds: float  # from the footage's first frame
    name: str
    focal_px: float | None = None  # from EXIF, photos only

    @property
    def width(self) -> int:
        return self.srgb.shape[1]

    @property
    def height(self) -> int:
        return self.srgb.shape[0]


@dataclass(frozen=True)
class Footage:
    """Frames that can be gone through once or more often."""

    name: str
    kind: str  # "photos", "frames" or "video"
    count: int  # of frames after the stride; a guess for videos, 0 where the file does not say
    rate: float  # frames a second after the stride; 0 for photos
    files: tuple[Path, ...]
    stride: int = field(default=1)

    def missing(self, found: int) -> int:
        """How many frames the file promised beyond the `found` ones: a damaged or cut end. 0 if the file does not say.

        Containers count by their tables or by length times rate, so a few frames' difference means nothing.
        """
        short = self.count - found
        return short if self.kind == "video" and short > max(2, 0.02 * self.count) else 0

    def frames(self) -> Iterator[Frame]:
        """Every frame in order.

        Raises:
            MienError: unreadable_video, mixed_frames, or one of `load_photo`'s codes.
        """
        return {"photos": self._photos, "frames": self._pictures, "video": self._video}[self.kind]()

    def _photos(self) -> Iterator[Frame]:
        for index, file in enumerate(self.files):
            with photo_at_fault(index):
                photo = load_photo(file)
            yield Frame(photo.srgb, float(index), file.name, photo.focal_px)

    def _pictures(self) -> Iterator[Frame]:
        shape = None
        for index, file in enumerate(self.files):
            checkpoint()
            data = np.frombuffer(_bytes_of(file), np.uint8)
            pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None  # EXIF orientation is applied
            if pixels is None:
                raise MienError("not_an_image", f"The frame {file.name} is no picture: remove it or write it again.")
            if shape not in (None, pixels.shape):
                raise MienError(
                    "mixed_frames",
                    f"{file.name} is of another size than the frames before it: put the frames of one clip alone "
                    "into a folder.",
                )
            shape = pixels.shape
            yield Frame(np.ascontiguousarray(pixels[..., ::-1]), index / self.rate, file.name)

    def _video(self) -> Iterator[Frame]:
        capture = _open(self.files[0])
        try:
            # Without time stamps (raw streams) every frame reads as 0: then the nominal rate counts.
            nominal = self.rate * self.stride
            index, first, last = 0, None, -1.0
            while True:
                checkpoint()
                if not capture.grab():
                    break
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
                first = stamp if first is None else first
                seconds = stamp - first
                if seconds <= last:
                    seconds = last + 1.0 / nominal
                last = seconds
                if index % self.stride == 0:
                    fine, pixels = capture.retrieve()
                    if not fine:
                        break
                    yield Frame(np.ascontiguousarray(pixels[..., ::-1]), seconds, f"frame {index + 1}")
                index += 1
            if index == 0:
                raise _unreadable(self.files[0])
        finally:
            capture.release()


def open_footage(sources: tuple[str, ...], rate: float | None = None, stride: int = 1) -> Footage:
    """Find out what the sources are.

    Args:
        sources: photos; or one folder of pictures; or one video file.
        rate: frames a second of a folder; a video knows its own.
        stride: every how many frames one is looked at.

    Raises:
        MienError: missing, no_frames, unreadable_video, bad_option.
    """
    if stride < 1:
        raise MienError("bad_option", f"The stride must be 1 or more, not {stride}.")
    if rate is not None and not 1.0 <= rate <= 1000.0:
        raise MienError("bad_option", f"The frame rate must lie between 1 and 1000, not {rate:g}.")
    paths = [Path(source) for source in sources]
    if not paths:
        raise MienError("no_photo", "No footage was given: name photos, a folder of frames or a video.")
    for path in paths:
        if not path.exists():
            raise MienError("missing", f"{path} is not there: check the path.")
    if len(paths) == 1 and paths[0].is_dir():
        return _folder(paths[0], rate or DEFAULT_RATE, stride)
    for path in paths:
        if path.is_dir():
            raise MienError("bad_option", f"{path.name} is a folder: name one folder alone, or photos.")
    if all(path.suffix.lower() in PICTURES or _is_picture(path) for path in paths):
        return Footage(paths[0].stem, "photos", len(paths), 0.0, tuple(paths))
    if len(paths) > 1:
        raise MienError("bad_option", "Several files were given that are not all photos: name one video at a time.")
    capture = _open(paths[0])
    nominal, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    nominal = nominal if 1.0 <= nominal <= 1000.0 else DEFAULT_RATE
    return Footage(paths[0].stem, "video", max(-(-count // stride), 0), nominal / stride, tuple(paths), stride)


def natural_order(name: str) -> list[tuple[int, str]]:
    """A sort key by which frame_2 comes before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name.lower())]


def _folder(path: Path, rate: float, stride: int) -> Footage:
    try:
        files = [file for file in path.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith(".")]
    except OSError as error:
        raise MienError("no_permission", f"{path} may not be read: change its permissions.") from error
    if not files:
        raise MienError(
            "no_frames", f"The folder {path.name} holds no pictures: choose one with the frames of a clip (PNG, JPEG)."
        )
    files = sorted(files, key=lambda file: natural_order(file.name))[::stride]
    return Footage(path.name, "frames", len(files), rate / stride, tuple(files), stride)


def _open(path: Path) -> cv2.VideoCapture:
    before = cv2.getLogLevel()  # OpenCV tries its backends one by one and prints each failure
    cv2.setLogLevel(0)
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        cv2.setLogLevel(before)
    if not capture.isOpened():
        raise _unreadable(path)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def _unreadable(path: Path) -> MienError:
    return MienError(
        "unreadable_video",
        f"{path.name} cannot be read as a video: convert it to MP4 (H.264), or to a folder of pictures.",
    )


def _is_picture(path: Path) -> bool:
    """By its content: a photo without a usual ending."""
    return cv2.haveImageReader(str(path))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MienError("unreadable", f"The frame {file.name} cannot be read ({error.strerror}).") from error
