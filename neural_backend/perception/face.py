"""Faces of a photo: box, 478 landmarks in pixels and 52 blendshape scores by ARKit's names.

Google's face landmarker (Apache-2.0) in plain torch: BlazeFace, the attention mesh with irises, and the blendshape
network, whose order is not Apple's and which knows no tongueOut: its score is always 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import cv2
import numpy as np
import torch

from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from ..protocol.cancellation import checkpoint
from .crop import Roi, Sampler, sample, sample_as_mediapipe
from .detector import FaceDetector, overlap, search_levels, whole
from .graph import load_graph
from .image import Photo, PhotoError
from .landmarks import BLENDSHAPE_POINTS, EYE_CORNERS, IRISES, SCORE_NAMES

SIDE = 256  # px, the landmark network's input
MIN_PRESENCE = 0.5
VIEWS = ((1.0, 0.0), (1.15, 0.1), (0.87, -0.1))  # scale and turn (radians) of the crops that are averaged
MOVED = 0.06  # of the region's side; a face that moved further from one frame to the next is looked at again


class Picture(Protocol):
    """A photo or a frame of a clip."""

    srgb: np.ndarray  # [H, W, 3] uint8
    width: int
    height: int
    name: str


@dataclass(frozen=True)
class Face:
    """One face of a photo, in its working pixels (centres at +0.5)."""

    box: np.ndarray
    """[4] x0, y0, x1, y1 around the landmarks."""
    score: float
    """The detector's confidence, 0..1."""
    landmarks: np.ndarray
    """[478, 3] float32: x, y, and z in the same unit, growing away from the camera, 0 near the head's centre."""
    blendshapes: np.ndarray
    """[52] float32 scores 0..1 in the order of `protocol.arkit.ARKIT_NAMES`."""
    presence: float
    """The landmark network's own belief that it looks at a face, 0..1."""

    @property
    def size(self) -> float:
        """The longer side of the box, px."""
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def eye_distance(self) -> float:
        """Between the iris centres, px."""
        right, left = (self.landmarks[i, :2] for i in IRISES)
        return float(np.linalg.norm(left - right))

    @property
    def roll(self) -> float:
        """Radians by which the eyes are turned in the picture, positive clockwise."""
        right, left = (self.landmarks[i, :2] for i in EYE_CORNERS)
        return float(np.arctan2(*(left - right)[::-1]))


class FacePerception:
    """The three networks, loaded once."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.detector = FaceDetector(device)
        self.mesh = load_graph("face_landmarks_detector", device)
        self.expression = load_graph("face_blendshapes", device)

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> FacePerception:
        return cls(device)

    def detect(self, photo: Picture, levels: int | None = None) -> list[Face]:
        """Every face of the photo, by size times confidence, the most prominent first; empty when there is none.

        `levels` limits the search to the first few of `search_levels`.
        """
        faces: list[Face] = []
        for regions in islice(search_levels(photo.srgb), levels):
            for detection in self.detector.find_in(photo.srgb, regions):
                seen = self.detector.confirm(photo.srgb, detection)
                face = None if seen is None else self.landmarks_in(photo, seen.roi, seen.score)
                if face is not None and all(overlap(face.box, other.box) < 0.5 for other in faces):
                    faces.append(face)
            if faces:
                break
        return sorted(faces, key=lambda face: -face.size * face.score * face.presence)

    def landmarks_in(self, photo: Picture, roi: Roi, score: float) -> Face | None:
        """The face inside a region, or None when the network sees none there.

        The first look only finds the region that the landmarks themselves span, as MediaPipe does from one video frame
        to the next; the landmarks are the mean of `VIEWS` around it, which more than halves their jitter.
        """
        first, presence = self._mesh(photo.srgb, [roi])
        if presence < MIN_PRESENCE:
            return None
        points, presence = self._mesh(photo.srgb, _views(roi_of(first)))
        if presence < MIN_PRESENCE:
            return None
        return self._face(points, score, presence)

    def follow(self, frame: Picture, before: Face) -> Face | None:
        """The face of the frame before, in this frame of a clip, or None when it is not where it was."""
        region = roi_of(before.landmarks)
        points, presence = self._mesh(frame.srgb, _views(region))
        now = roi_of(points)
        moved = np.abs(np.subtract(now.centre, region.centre)).max() + abs(now.size[0] - region.size[0])
        if presence >= MIN_PRESENCE and moved > MOVED * region.size[0]:
            points, presence = self._mesh(frame.srgb, _views(now))
        return None if presence < MIN_PRESENCE else self._face(points, before.score, presence)

    def detect_as_mediapipe(self, photo: Photo) -> list[Face]:
        """What Google's own pipeline answers, by the same steps (MediaPipe 0.10.21, image mode): one look at the whole
        photo, one at each face. Its landmarks count pixel centres at whole numbers."""
        faces = []
        for detection in self.detector.find_in(photo.srgb, [whole(photo.srgb)], sample_as_mediapipe):
            points, presence = self._mesh(photo.srgb, [detection.roi], sample_as_mediapipe)
            if presence >= MIN_PRESENCE:
                faces.append(self._face(points, detection.score, presence))
        return faces

    def _face(self, points: np.ndarray, score: float, presence: float) -> Face:
        box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
        return Face(box, score, points.astype(np.float32), self._scores(points), presence)

    @torch.no_grad()
    def _mesh(self, srgb: np.ndarray, views: list[Roi], sampler: Sampler = sample) -> tuple[np.ndarray, float]:
        """Mean landmarks [478, 3] in photo pixels and mean presence over views of one face."""
        checkpoint()
        crops = np.stack([sampler(srgb, roi, SIDE, cv2.BORDER_REPLICATE) for roi in views])  # [B, 256, 256, 3]
        points, presence, _ = self.mesh(torch.from_numpy(crops).to(self.device).float() / 255)
        points = points.reshape(-1, 478, 3).cpu().numpy().astype(np.float64)
        in_photo = [
            np.hstack([roi.to_photo(p[:, :2], SIDE), p[:, 2:] * roi.size[0] / SIDE])
            for roi, p in zip(views, points, strict=True)
        ]
        return np.mean(in_photo, axis=0), float(torch.sigmoid(presence.flatten()).mean())

    @torch.no_grad()
    def _scores(self, points: np.ndarray) -> np.ndarray:
        subset = torch.from_numpy(points[BLENDSHAPE_POINTS, :2].astype(np.float32)).to(self.device)
        raw = self.expression(subset[None])[0].flatten().cpu().numpy()
        scores = np.zeros(len(ARKIT_NAMES), np.float32)
        for name, value in zip(SCORE_NAMES, raw, strict=True):
            if name != "_neutral":
                scores[ARKIT_INDEX[name]] = value
        return scores


def roi_of(points: np.ndarray) -> Roi:
    """The region MediaPipe tracks a face with: a square 1.5 times the landmarks' extent, turned with the eyes."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    across = points[EYE_CORNERS[1], :2] - points[EYE_CORNERS[0], :2]
    side = float((high - low).max()) * 1.5
    return Roi(tuple((low + high) / 2), (side, side), float(np.arctan2(across[1], across[0])))


def _views(span: Roi) -> list[Roi]:
    return [Roi(span.centre, (span.size[0] * k, span.size[1] * k), span.angle + turn) for k, turn in VIEWS]


def choose_face(faces: list[Face], photo: Picture) -> Face:
    """The one face to fit: the only one, or the one clearly larger and more central than every other.

    Raises:
        PhotoError: no_face, or several_faces when two are equally prominent.
    """
    if not faces:
        raise PhotoError(
            "no_face",
            f"No face was found in {photo.name}; use a photo where the whole face is visible, upright and sharp.",
        )
    ranked = sorted(faces, key=lambda face: -_prominence(face, photo))
    if len(ranked) > 1 and _prominence(ranked[1], photo) > _prominence(ranked[0], photo) / 1.5:
        raise PhotoError(
            "several_faces",
            f"There are {len(faces)} faces in {photo.name} and none stands out; crop the photo to the one to fit.",
        )
    return ranked[0]


def _prominence(face: Face, photo: Picture) -> float:
    """Size in px, less the further the face is from the middle (half at a third of the long side)."""
    centre = (face.box[:2] + face.box[2:]) / 2
    away = np.linalg.norm(centre - np.array([photo.width, photo.height]) / 2) / max(photo.width, photo.height)
    return face.size * 0.5 ** (away * 3)
