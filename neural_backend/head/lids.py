"""The eyelids as curves with frames, and what they carry: lashes, tear line and caruncle.

A lid is half of a closed loop round the eye, from the inner to the outer canthus. Each of its vertices gets a frame
(along the lid, outwards, away from the opening); a point bound to a lid keeps its place in the frame, so lashes turn
down with a blinking lid instead of only sliding along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Loops of the template round the eye: front edge of the lid, its margin, its rear edge (docs/template.md).
FRONT_EDGE, MARGIN, REAR_EDGE = 8, 10, 11


@dataclass(frozen=True)
class LidCurves:
    """Vertex ids of the two lids of one eye from the inner to the outer canthus; both ends are shared."""

    side: str  # left or right
    upper: dict[int, np.ndarray]  # loop number -> [n] ids
    lower: dict[int, np.ndarray]

    def half(self, upper: bool) -> dict[int, np.ndarray]:
        return self.upper if upper else self.lower


def lid_curves(vertices: np.ndarray, curves: dict[str, np.ndarray], side: str) -> LidCurves:
    """Split the loops round one eye at the canthi of the mean head."""
    outwards = 1.0 if side == "left" else -1.0
    upper, lower = {}, {}
    for number in range(21):
        loop = np.asarray(curves[f"eye_{side}_{number:02d}"])
        x = vertices[loop, 0] * outwards
        loop = np.roll(loop, -int(x.argmin()))
        outer = int((vertices[loop, 0] * outwards).argmax())
        first, second = loop[: outer + 1], np.append(loop[outer:], loop[0])[::-1]
        if vertices[first, 1].mean() < vertices[second, 1].mean():
            first, second = second, first
        upper[number], lower[number] = first, second
    return LidCurves(side, upper, lower)


def _smoothed(points: np.ndarray, passes: int = 3) -> np.ndarray:
    for _ in range(passes):
        inner = (points[..., :-2, :] + 2 * points[..., 1:-1, :] + points[..., 2:, :]) / 4
        points = np.concatenate([points[..., :1, :], inner, points[..., -1:, :]], -2)
    return points


@dataclass(frozen=True)
class LidFrames:
    """Origins and frames along one lid; leading axes (a stack of shapes) are allowed."""

    origin: np.ndarray  # [..., n, 3]
    axes: (
        np.ndarray
    )  # [..., n, 3, 3] columns: along the lid (outwards on the face), out of the lid, away from the opening


def lid_frames(vertices: np.ndarray, curves: LidCurves, upper: bool, loop: int = MARGIN) -> LidFrames:
    """Frames along one loop of a lid for vertices [..., V, 3]: exact places, smoothed directions."""
    half = curves.half(upper)
    at = lambda number: _smoothed(vertices[..., half[number], :])  # noqa: E731
    front, margin, rear = at(FRONT_EDGE), at(MARGIN), at(REAR_EDGE)
    origin = vertices[..., half[loop], :]
    count = min(points.shape[-2] for points in (front, margin, rear, origin))
    front, margin, rear, origin = (_resampled(points, count) for points in (front, margin, rear, origin))
    along = np.gradient(margin, axis=-2)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    outwards = front - rear
    outwards -= along * (outwards * along).sum(-1, keepdims=True)
    outwards = _smoothed(outwards, 4)
    outwards -= along * (outwards * along).sum(-1, keepdims=True)
    outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)
    away = np.cross(outwards, along)
    # Right-handed on one side, so that the third column points away from the opening on every lid.
    away *= (1.0 if upper else -1.0) * (1.0 if curves.side == "left" else -1.0)
    return LidFrames(origin, np.stack([along, outwards, away], -1))


def _resampled(points: np.ndarray, count: int) -> np.ndarray:
    """[..., count, 3] the same polyline at evenly spaced positions along its index."""
    if points.shape[-2] == count:
        return points
    at = np.linspace(0, points.shape[-2] - 1, count)
    low = np.minimum(at.astype(int), points.shape[-2] - 2)
    share = (at - low)[:, None]
    return points[..., low, :] * (1 - share) + points[..., low + 1, :] * share


@dataclass(frozen=True)
class LidBinding:
    """Points bound to both lids of one eye: for each lid the position along it and the share it has in the point."""

    position: np.ndarray  # [2, n] position along the upper and the lower lid, in vertices
    share: np.ndarray  # [2, n] sums to 1


def bind(points: np.ndarray, frames: tuple[LidFrames, LidFrames], roots: np.ndarray | None = None) -> LidBinding:
    """Bind points [n, 3] to the (upper, lower) lids by the nearest place of `roots` [n, 3] (default: the points)."""
    roots = points if roots is None else roots
    position, distance = [], []
    for lid in frames:
        start, end = lid.origin[:-1], lid.origin[1:]
        edge = end - start
        along = np.einsum("nsi,si->ns", roots[:, None] - start[None], edge) / (edge**2).sum(1)
        along = np.clip(along, 0, 1)
        nearest = start[None] + along[..., None] * edge[None]
        gap = np.linalg.norm(roots[:, None] - nearest, axis=2)  # [n, segments]
        best = gap.argmin(1)
        position.append(best + along[np.arange(len(roots)), best])
        distance.append(gap.min(1))
    weight = 1.0 / (np.stack(distance) + 2e-4) ** 4
    return LidBinding(np.stack(position), weight / weight.sum(0))


def carry(
    points: np.ndarray,  # [n, 3] in the head the points were bound in
    binding: LidBinding,
    rest: tuple[LidFrames, LidFrames],
    moved: tuple[LidFrames, LidFrames],  # leading axes allowed
) -> np.ndarray:
    """[..., n, 3] the points where the moved lids take them."""
    result = 0.0
    for lid in (0, 1):
        origin_0, axes_0 = interpolated(rest[lid], binding.position[lid])
        origin_1, axes_1 = interpolated(moved[lid], binding.position[lid])
        local = np.einsum("...nij,...ni->...nj", axes_0, points - origin_0)
        result = result + binding.share[lid][:, None] * (origin_1 + np.einsum("...nij,...nj->...ni", axes_1, local))
    return result


def interpolated(frames: LidFrames, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origin [..., n, 3] and axes [..., n, 3, 3] between the vertices of a lid."""
    low = np.minimum(position.astype(int), frames.origin.shape[-2] - 2)
    share = (position - low)[:, None]
    origin = frames.origin[..., low, :] * (1 - share) + frames.origin[..., low + 1, :] * share
    axes = frames.axes[..., low, :, :] * (1 - share[..., None]) + frames.axes[..., low + 1, :, :] * share[..., None]
    return origin, axes
