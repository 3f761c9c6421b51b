"""Where rendered frames go: a folder of PNGs, a video. Nothing half-written is left under the wanted names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from ..protocol.errors import MienError

_FRAME = re.compile(r"frame_(\d{4,})\.png")


class FrameSink(Protocol):
    """Used in a `with` block; a block that fails leaves nothing."""

    def write(self, frame: np.ndarray) -> None:
        """The next frame, [H, W, 3 or 4] uint8 sRGB, straight alpha."""


class PngSequence:
    """FOLDER/frame_0000.png, ...; later frames of an earlier sequence there are removed."""

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()  # "." has no name to put another beside
        self.folder, self._part, self._count = folder, folder.with_name(f".{folder.name}.partial"), 0

    def __enter__(self) -> PngSequence:
        try:
            shutil.rmtree(self._part, ignore_errors=True)
            self._part.mkdir(parents=True)
        except OSError as error:
            raise _cannot_write(self.folder, error) from error
        return self

    def write(self, frame: np.ndarray) -> None:
        order = [2, 1, 0, 3][: frame.shape[2]]
        if not cv2.imwrite(str(self._part / f"frame_{self._count:04d}.png"), np.ascontiguousarray(frame[..., order])):
            raise MienError("cannot_write", f"{self.folder} cannot be written to: check the space left on the disk.")
        self._count += 1

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.folder.mkdir(exist_ok=True)
                for path in sorted(self._part.iterdir()):
                    path.replace(self.folder / path.name)
                for path in self.folder.iterdir():
                    match = _FRAME.fullmatch(path.name)
                    if match and int(match[1]) >= self._count:
                        path.unlink()
        except OSError as failure:
            raise _cannot_write(self.folder, failure) from failure
        finally:
            shutil.rmtree(self._part, ignore_errors=True)


class Video:
    """An MPEG-4 video of opaque frames, renamed to its name when it is whole."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self._rate = path, rate
        self._part = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Video:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return self

    def write(self, frame: np.ndarray) -> None:
        assert frame.shape[2] == 3, "a video has no alpha"
        if self._writer is None:
            size = frame.shape[1], frame.shape[0]
            self._writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter_fourcc(*"mp4v"), self._rate, size)
            if not self._writer.isOpened():
                raise MienError("cannot_encode", f"{self.path.name} cannot be written as a video: name it NAME.mp4.")
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.release()
        try:
            if kind is None and self._writer is not None:
                self._part.replace(self.path)
        except OSError as failure:
            raise _cannot_write(self.path, failure) from failure
        finally:
            self._part.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> MienError:
    return MienError("cannot_write", f"{path} cannot be written ({error.strerror}): choose another place.")
