"""Expression transfer: one subject's expression code on another's head, under another light (the paper's figure 7).

A code that means the same for everybody comes back unchanged when the transferred picture is encoded again, and a face
network that knows nothing of the volume sees the same expression in both pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...perception.face import FacePerception
from ...perception.image import photo_from_linear
from .measures import GREY, exposure_of

#: Faces of the stage's pictures are small for the landmark network.
LOOK_SIZE = 384  # px
SCORES_THAT_MATTER = 0.05  # standard deviation over the sources, below which a score tells nothing


@dataclass(frozen=True)
class Transferred:
    """One expression on another head."""

    source: str  # the capture whose expression was taken
    target: str  # the subject that wears it
    code: Tensor  # [E] E_e of the source's picture
    again: Tensor  # [E] E_e of the transferred picture
    source_scores: np.ndarray | None  # [52] of the source's picture; None where the network sees no face
    target_scores: np.ndarray | None  # [52] of the transferred picture


@dataclass(frozen=True)
class TransferErrors:
    """Over many transfers."""

    code: float  # |z' - z| over the codes' own spread: 0 kept, about 1.4 like a random other expression
    score: float  # mean absolute difference of the face network's blendshape scores that vary
    score_baseline: float  # the same between a source and the transfer of another expression
    seen: int  # pairs in which the network saw both faces
    count: int


def errors_of(transferred: Sequence[Transferred]) -> TransferErrors:
    """Sum up; needs at least two transfers.

    Raises:
        ValueError: fewer than two.
    """
    if len(transferred) < 2:
        raise ValueError("At least two transfers are needed to tell how far codes differ.")
    codes = torch.stack([each.code for each in transferred])
    again = torch.stack([each.again for each in transferred])
    spread = (codes - codes.mean(0)).norm(dim=1).square().mean().sqrt()
    code = float((again - codes).norm(dim=1).square().mean().sqrt() / spread.clamp_min(1e-9))
    both = [each for each in transferred if each.source_scores is not None and each.target_scores is not None]
    score, baseline = float("nan"), float("nan")
    if len(both) > 1:
        first = np.stack([each.source_scores for each in both])
        second = np.stack([each.target_scores for each in both])
        telling = first.std(0) > SCORES_THAT_MATTER
        if telling.any():
            score = float(np.abs(first - second)[:, telling].mean())
            apart = np.abs(first[:, None] - second[None])[..., telling].mean(-1)  # [source, transfer]
            sources = np.array([each.source for each in both])
            others = sources[:, None] != sources[None]
            baseline = float(apart[others].mean()) if others.any() else float("nan")
    return TransferErrors(code, score, baseline, len(both), len(transferred))


def face_scores(perception: FacePerception, rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray | None:
    """[52] blendshape scores of the face in a linear premultiplied picture; None if none is seen."""
    exposure = exposure_of(rgb, alpha)
    linear = np.clip(rgb * exposure + GREY * (1 - alpha[..., None]), 0, 1)
    large = cv2.resize(linear.astype(np.float32), (LOOK_SIZE, LOOK_SIZE), interpolation=cv2.INTER_CUBIC)
    faces = perception.detect(photo_from_linear(large))
    return faces[0].blendshapes if faces else None


@torch.no_grad()
def transfer(
    source: str,
    picture: tuple[np.ndarray, np.ndarray],
    target: str,
    encode: Callable[[np.ndarray, np.ndarray], Tensor],
    wear: Callable[[str, Tensor], tuple[np.ndarray, np.ndarray]],
    perception: FacePerception,
) -> Transferred:
    """Take the expression of a picture and let the target wear it.

    Args:
        picture: the source's encoder view, ([H, W, 3] linear premultiplied, [H, W]).
        encode: E_e's mean [E] of such a picture.
        wear: (subject, z_e) -> the encoder's view of that subject under another light.
    """
    code = encode(*picture)
    worn = wear(target, code)
    return Transferred(
        source, target, code, encode(*worn), face_scores(perception, *picture), face_scores(perception, *worn)
    )
