"""One face through a clip: the landmarks of a frame say where to look in the next; the detector is only asked when the
face is lost, as MediaPipe does it.

What a search over the whole frame costs is spent at the first frame and, while the face stays away, once a second or
so; between, only the whole frame is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..perception.detector import overlap
from ..perception.face import Face, FacePerception, choose_face
from ..perception.image import PhotoError
from ..protocol.errors import MienError
from .footage import Frame

QUICK_LEVELS = 2  # of the detector's search: the whole frame, and the frame with a margin
THOROUGH_EVERY = 25  # lost frames between two searches that also look for small and turned faces


@dataclass
class FaceTracker:
    """Give it the frames in order."""

    perception: FacePerception
    _last: Face | None = None  # in the frame before
    _seen: Face | None = None  # whenever it was seen last
    _lost: int = 0

    def find(self, frame: Frame) -> Face | None:
        """The face in this frame, or None where it is hidden, turned away or out of the picture.

        Raises:
            MienError: several_faces, where nothing tells which of them is meant.
        """
        face = None if self._last is None else self.perception.follow(frame, self._last)
        if face is None:
            thorough = self._lost % THOROUGH_EVERY == 0
            face = self._choose(self.perception.detect(frame, None if thorough else QUICK_LEVELS), frame)
        self._lost = 0 if face is not None else self._lost + 1
        self._last = face
        self._seen = face or self._seen
        return face

    def _choose(self, faces: list[Face], frame: Frame) -> Face | None:
        if not faces:
            return None
        if self._seen is not None:
            near = max(faces, key=lambda face: (overlap(face.box, self._seen.box), -_distance(face, self._seen)))
            # Somebody far off and of another size is somebody else.
            far = _distance(near, self._seen) > 2.5 * self._seen.size
            return None if far and not 0.6 < near.size / self._seen.size < 1.6 else near
        try:
            return choose_face(faces, frame)
        except PhotoError as error:
            raise MienError(
                "several_faces",
                f"There are {len(faces)} faces in {frame.name} and none stands out: crop the footage to one person.",
            ) from error


def _distance(a: Face, b: Face) -> float:
    return float(np.linalg.norm((a.box[:2] + a.box[2:] - b.box[:2] - b.box[2:]) / 2))
