"""Faces of any size in a photo: BlazeFace (short range) over a pyramid of tiles.

The network sees 128 x 128 px and finds faces from about a sixth of that up. MediaPipe runs it once, on the letterboxed
photo; smaller faces are looked for in overlapping tiles of finer and finer levels, and faces larger than the frame with
a wide margin around the photo. BlazeFace: Bazarevsky et al. 2019; the decoding follows MediaPipe's calculators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..protocol.cancellation import checkpoint
from .crop import Roi, Sampler, sample
from .graph import load_graph

SIDE = 128  # px, the network's input
MIN_SCORE = 0.5
SURE_SCORE = 0.75  # below it a face must be seen again, see `FaceDetector.confirm`
SAME_FACE = 0.5  # intersection over union above which two boxes are votes for one face (MediaPipe's default)
BATCH = 32
SMALLEST_FACE = 20  # px; below it the landmark network has nothing to look at


@dataclass(frozen=True)
class Detection:
    """One face as BlazeFace sees it, in photo pixels."""

    box: np.ndarray
    """[4] x0, y0, x1, y1."""
    keypoints: np.ndarray
    """[6, 2] right eye, left eye, nose tip, mouth, right ear, left ear (the subject's sides)."""
    score: float

    @property
    def roi(self) -> Roi:
        """Where MediaPipe looks for landmarks: the box 1.5 times larger, turned so that the eyes are level."""
        across = self.keypoints[1] - self.keypoints[0]
        size = (self.box[2:] - self.box[:2]) * 1.5
        return Roi(tuple((self.box[:2] + self.box[2:]) / 2), tuple(size), float(np.arctan2(across[1], across[0])))


def make_anchors() -> np.ndarray:
    """[896, 2] anchor centres in 0..1: two per cell at stride 8, six at stride 16."""
    levels = []
    for stride, count in ((8, 2), (16, 6)):
        cells = (np.arange(SIDE // stride) + 0.5) * stride / SIDE
        y, x = np.meshgrid(cells, cells, indexing="ij")
        levels.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), count, axis=0))
    return np.concatenate(levels).astype(np.float32)


def search_levels(srgb: np.ndarray) -> Iterator[list[Roi]]:
    """Where to look for faces in a picture [H, W, 3], level after level until one of them holds a face.

    The whole photo comes first, then the photo with a wide margin (a face larger than the frame), then on its side and
    upside down (a scan without EXIF), then tiles of finer and finer levels.
    """
    yield [whole(srgb)]
    yield [whole(srgb, 2.0)]
    yield [whole(srgb, 1.2, angle) for angle in (np.pi / 2, -np.pi / 2, np.pi)]
    tile = max(srgb.shape[:2]) / 2
    while tile > 2 * SMALLEST_FACE:
        yield _tiles(srgb, tile)
        tile /= 2


class FaceDetector:
    """BlazeFace over regions of a picture."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.net = load_graph("face_detector", device)
        self.anchors = make_anchors()

    @torch.no_grad()
    def find_in(self, srgb: np.ndarray, regions: list[Roi], sampler: Sampler = sample) -> list[Detection]:
        """Faces inside square regions, the best one where regions see the same face."""
        votes: list[Detection] = []
        for start in range(0, len(regions), BATCH):
            checkpoint()
            batch = regions[start : start + BATCH]
            crops = np.stack([sampler(srgb, roi, SIDE, cv2.BORDER_CONSTANT) for roi in batch])  # [B, 128, 128, 3]
            pixels = torch.from_numpy(crops).to(self.device).float() / 127.5 - 1
            boxes, logits = (output.cpu().numpy() for output in self.net(pixels))  # [B, 896, 16], [B, 896, 1]
            for roi, box, logit in zip(batch, boxes, logits, strict=True):
                votes += merge_votes(self._decode(roi, box, logit[:, 0]))
        return _strongest(votes)

    def confirm(self, srgb: np.ndarray, detection: Detection) -> Detection | None:
        """The same face seen at the size the network knows best, or None when it then is not surely there.

        A face comes out better scored for it; folds of cloth that looked like a tiny face do not.
        """
        if detection.score >= SURE_SCORE:
            return detection
        roi = detection.roi
        side = max(roi.size) * 1.6
        for other in self.find_in(srgb, [Roi(roi.centre, (side, side), roi.angle)]):
            if other.score >= SURE_SCORE and overlap(other.box, detection.box) > 0.3:
                return other
        return None

    def _decode(self, roi: Roi, boxes: np.ndarray, logits: np.ndarray) -> list[Detection]:
        """boxes [896, 16]: centre, size, six keypoints, in network pixels relative to the anchor."""
        scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
        detections = []
        for i in np.flatnonzero(scores >= MIN_SCORE):
            points = boxes[i].reshape(8, 2).copy()  # centre, size, keypoints
            points[[0, 2, 3, 4, 5, 6, 7]] += self.anchors[i] * SIDE
            centre = roi.to_photo(points[:1], SIDE)[0]
            half = points[1] / 2 * np.array(roi.size) / SIDE  # the box is square enough to stay upright in the photo
            box = np.concatenate([centre - half, centre + half])
            detections.append(Detection(box, roi.to_photo(points[2:], SIDE), float(scores[i])))
        return detections


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes [4]."""
    inner = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if (inner <= 0).any():
        return 0.0
    shared = inner.prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


def merge_votes(votes: list[Detection]) -> list[Detection]:
    """Weighted non-maximum suppression: overlapping boxes are averaged by score, steadier than the best one."""
    rest = sorted(votes, key=lambda vote: -vote.score)
    merged = []
    while rest:
        best = rest[0]
        same = [vote for vote in rest if overlap(vote.box, best.box) > SAME_FACE or vote is best]
        rest = [vote for vote in rest if all(vote is not other for other in same)]
        weights = np.array([vote.score for vote in same]) / sum(vote.score for vote in same)
        box = np.tensordot(weights, np.stack([vote.box for vote in same]), 1)
        keypoints = np.tensordot(weights, np.stack([vote.keypoints for vote in same]), 1)
        merged.append(Detection(box, keypoints, best.score))
    return merged


def _strongest(detections: list[Detection]) -> list[Detection]:
    """One detection per face, the best: boxes of different regions are not averaged, a cut one would spoil it."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if all(overlap(detection.box, other.box) < 0.3 for other in kept):
            kept.append(detection)
    return kept


def whole(srgb: np.ndarray, margin: float = 1.0, angle: float = 0.0) -> Roi:
    """The square around the picture, `margin` times its long side, turned by `angle` radians."""
    height, width = srgb.shape[:2]
    side = max(height, width) * margin
    return Roi((width / 2, height / 2), (side, side), angle)


def _tiles(srgb: np.ndarray, side: float) -> list[Roi]:
    """Square tiles that overlap by half."""
    height, width = srgb.shape[:2]
    rows, columns = (max(1, int(np.ceil(n / side * 2)) - 1) for n in (height, width))
    return [
        Roi(((column + 1) * side / 2, (row + 1) * side / 2), (side, side), 0.0)
        for row in range(rows)
        for column in range(columns)
    ]
