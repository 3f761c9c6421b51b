"""How much of each pixel is person: Google's selfie segmentation on the head's surroundings, sharpened on the photo.

The network answers at 256 x 256, so a crop of three face sizes gives hair at a useful scale; the rest of the photo
comes from one look at the whole. A guided filter (He, Sun, Tang 2010) then moves the soft edge onto the photo's own.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..protocol.cancellation import checkpoint
from .crop import Roi, sample
from .detector import whole
from .face import Face
from .graph import load_graph
from .image import Photo

SIDE = 256  # px, the network's input and output
HEAD_SIZES = (2.6, 3.4)  # crop sides in face sizes; the two answers are averaged
RAISE = 0.12  # the crop's centre lies this many face sizes above the landmarks' centre: hair is above, nothing below
EDGE_SIDE, FINE_SIDE = 384, 1024  # px: the guided filter's models are fitted at the first, applied at up to the second
EDGE_RADIUS, EDGE_EPSILON = 6, 2e-4  # guided filter: px at EDGE_SIDE, variance of colour 0..1


class PersonMatte:
    """The segmentation network, loaded once."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.net = load_graph("selfie_segmentation", device)

    def matte(self, photo: Photo, face: Face) -> np.ndarray:
        """[H, W] float32, 0 background to 1 person, refined around the head; the file's own alpha limits it."""
        result = self._from_crop(photo, whole(photo.srgb), self._segment(photo, [whole(photo.srgb)])[0])
        heads = [_head_region(face, size) for size in HEAD_SIZES]
        answers = self._segment(photo, heads)
        inner = heads[0]
        both = (answers[0] + _resample(answers[1], heads[1], inner)) / 2
        side = int(np.clip(inner.size[0], EDGE_SIDE, FINE_SIDE))
        coarse = cv2.resize(both, (EDGE_SIDE, EDGE_SIDE))
        refined = _refine(sample(photo.srgb, inner, side), sample(photo.srgb, inner, EDGE_SIDE), coarse)
        checkpoint()
        head = self._from_crop(photo, inner, refined)
        blend = self._from_crop(photo, inner, _feather(side))
        result = result * (1 - blend) + head * blend
        if photo.alpha is not None:
            result = np.minimum(result, photo.alpha)
        return np.clip(result, 0, 1).astype(np.float32)

    @torch.no_grad()
    def _segment(self, photo: Photo, regions: list[Roi]) -> np.ndarray:
        """[B, 256, 256] network answers for square regions."""
        answers = []
        for region in regions:  # the network's global pooling has a fixed batch of one
            checkpoint()
            crop = torch.from_numpy(sample(photo.srgb, region, SIDE)).to(self.device)
            answers.append(self.net(crop[None].float() / 255)[0][0, ..., 0].cpu().numpy())
        return np.stack(answers)

    @staticmethod
    def _from_crop(photo: Photo, region: Roi, values: np.ndarray) -> np.ndarray:
        """A crop's values [n, n] back in the photo's pixels [H, W], zero outside the crop."""
        return paste(values, region, photo.height, photo.width)


def paste(values: np.ndarray, region: Roi, height: int, width: int) -> np.ndarray:
    """Values [n, n] of a region placed in a picture of this size, zero outside the region."""
    matrix = region.matrix(values.shape[0])
    matrix[:, 2] += matrix[:, :2].sum(1) * 0.5 - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values.astype(np.float32), matrix, (width, height), flags=flags)


def guided_models(guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """The guided filter's local linear models: values = (slope * guide).sum(-1) + offset, with the guide's edges.

    Args:
        guide: [H, W, 3] float64 (the determinant of a flat window underflows float32).
        values: [H, W] float64.
        radius: half side of the window, px.
        epsilon: variance of the guide below which a window counts as flat.

    Returns:
        slope [H, W, 3] and offset [H, W]; both are smooth, so they may be enlarged and applied to a finer guide (He
        and Sun 2015, "Fast Guided Filter").
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, window, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_values = mean(guide), mean(values)

    def covariance(i: int, j: int) -> np.ndarray:
        return (
            mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j] + (epsilon if i == j else 0)
        )

    rr, rg, rb = covariance(0, 0), covariance(0, 1), covariance(0, 2)
    gg, gb, bb = covariance(1, 1), covariance(1, 2), covariance(2, 2)
    cr, cg, cb = (mean(guide[..., i] * values) - mean_guide[..., i] * mean_values for i in range(3))
    # The symmetric 3 x 3 system solved by its adjugate: a hundred times faster than a solver call per pixel.
    a00, a01, a02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    a11, a12, a22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * a00 + rg * a01 + rb * a02
    slope = np.stack(
        [a00 * cr + a01 * cg + a02 * cb, a01 * cr + a11 * cg + a12 * cb, a02 * cr + a12 * cg + a22 * cb], -1
    )
    slope /= determinant[..., None]
    offset = mean_values - (slope * mean_guide).sum(-1)
    return mean(slope), mean(offset)


def _head_region(face: Face, size: float) -> Roi:
    """A square around head and hair, upright with the face."""
    middle = (face.box[:2] + face.box[2:]) / 2
    up = np.array([np.sin(face.roll), -np.cos(face.roll)])
    side = face.size * size
    return Roi(tuple(middle + up * RAISE * face.size), (side, side), face.roll)


def _resample(values: np.ndarray, source: Roi, target: Roi) -> np.ndarray:
    """Values [n, n] of one region seen from a smaller one with the same middle direction."""
    n = values.shape[0]
    corners = np.array([[0.5, 0.5], [n - 0.5, 0.5], [0.5, n - 0.5]])
    in_photo = target.to_photo(corners, n)
    matrix = source.matrix(n)
    in_source = in_photo @ matrix[:, :2].T + matrix[:, 2]
    warp = cv2.getAffineTransform((corners - 0.5).astype(np.float32), (in_source - 0.5).astype(np.float32))
    return cv2.warpAffine(values, warp, (n, n), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _refine(srgb: np.ndarray, coarse_srgb: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values [EDGE_SIDE, EDGE_SIDE] with their edges on those of srgb [n, n, 3], as [n, n]."""
    n = srgb.shape[0]
    slope, offset = guided_models(coarse_srgb / 255, values.astype(np.float64), EDGE_RADIUS, EDGE_EPSILON)
    slope, offset = (cv2.resize(x.astype(np.float32), (n, n)) for x in (slope, offset))
    fine = np.einsum("ijk,ijk->ij", slope, srgb.astype(np.float32)) / 255 + offset
    return np.clip((fine - 0.05) / 0.9, 0, 1)  # the filter never quite reaches 0 and 1


def _feather(side: int) -> np.ndarray:
    """[side, side] 1 inside, falling to 0 over the outer eighth."""
    ramp = np.clip(np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side)) / (side / 8), 0, 1)
    return np.outer(ramp, ramp).astype(np.float32)
