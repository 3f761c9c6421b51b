"""The statistics behind calibrated landmarks: place, offset, bias by yaw and covariance of every point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from ..fitting.parameters import view_angles
from ..head.template import PART_NAMES, HeadTemplate

YAW_NODES_DEGREES = (-50.0, -30.0, -12.0, 0.0, 12.0, 30.0, 50.0)
KERNEL_DEGREES = 11.0  # samples count for a yaw node by a Gaussian of this width
LONGEST_OFFSET_M = 0.006
LEAST_EXPRESSION_SD = 0.12  # people move their faces in more ways than the renders
UNSEEN_GAIN = 0.5


@dataclass(frozen=True)
class Samples:
    """N renders of heads whose shape and camera are known, with what the landmark network said."""

    intrinsics: np.ndarray  # [N, 3, 3]
    rotation: np.ndarray  # [N, 3, 3] camera from head
    translation: np.ndarray  # [N, 3] metres
    vertices: np.ndarray  # [N, S, 3] level-1 skin vertices with the expression, head frame, metres
    landmarks: np.ndarray  # [N, 478, 3] pixels
    scores: np.ndarray  # [N, 52] blendshape scores
    expression: np.ndarray  # [N, 52] true ARKit weights

    def __len__(self) -> int:
        return len(self.rotation)

    def yaw(self) -> np.ndarray:
        """[N] radians, positive where the nose points to the right of the picture."""
        return view_angles(self.rotation, self.translation)[0]

    def pitch(self) -> np.ndarray:
        """[N] radians, positive where the nose points above the camera."""
        return view_angles(self.rotation, self.translation)[1]

    def roll(self) -> np.ndarray:
        return np.arctan2(self.rotation[:, 0, 1], -self.rotation[:, 1, 1])

    def subset(self, which: np.ndarray) -> Samples:
        return Samples(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


def closest_on_triangles(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N, 3] points, [N, 3, 3] triangles -> ([N] distance, [N, 3] barycentric) of each triangle's closest point."""
    best = np.full(len(points), np.inf)
    weights = np.zeros((len(points), 3))
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]

    def take(candidate: np.ndarray, valid: np.ndarray) -> None:
        distance = np.linalg.norm(np.einsum("nk,nkd->nd", candidate, corners) - points, axis=1)
        better = valid & (distance < best)
        best[better], weights[better] = distance[better], candidate[better]

    u, v, w = b - a, c - a, points - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    determinant = np.maximum(uu * vv - uv * uv, 1e-20)
    second, third = (vv * wu - uv * wv) / determinant, (uu * wv - uv * wu) / determinant
    inside = np.stack([1 - second - third, second, third], 1)
    take(inside, (inside >= 0).all(1))
    everywhere = np.ones(len(points), bool)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, j] - corners[:, i]
        length = np.maximum((edge * edge).sum(1), 1e-20)
        share = np.clip(((points - corners[:, i]) * edge).sum(1) / length, 0, 1)
        candidate = np.zeros((len(points), 3))
        candidate[:, i], candidate[:, j] = 1 - share, share
        take(candidate, everywhere)
    return best, weights


def mirrored_points(landmarks: np.ndarray) -> np.ndarray:
    """[N, L, 2] upright, centred landmarks of frontal faces -> [L] the point on the other side."""
    mean = np.median(landmarks, axis=0)
    flipped = mean * [-1, 1]
    cost = np.linalg.norm(mean[:, None] - flipped[None], axis=2)
    return linear_sum_assignment(cost**2)[1]


def upright(samples: Samples, points: np.ndarray) -> np.ndarray:
    """[N, L, 2] pixels about the principal point -> metres at the head's depth, axes upright with the head."""
    scale = samples.translation[:, 2] / samples.intrinsics[:, 0, 0]
    cosine, sine = np.cos(samples.roll()), np.sin(samples.roll())
    axes = np.stack([np.stack([cosine, sine], 1), np.stack([-sine, cosine], 1)], 1)  # [N, 2, 2]
    return np.einsum("nab,nlb->nla", axes, points) * scale[:, None, None]


def place_points(template: HeadTemplate, samples: Samples, count: int = 468) -> tuple[np.ndarray, np.ndarray]:
    """([L, 3] triangles, [L, 3] barycentric): the median surface point under each landmark of frontal renders.

    The pixel's ray meets the posed skin of its own head; the same triangle on the mean head is where the net meant.
    """
    import trimesh

    level = template.levels[1]
    # Mouth bag, sockets and nostrils stop rays too: through an opening they would meet the far side of the head.
    known = (level.triangles < samples.vertices.shape[1]).all(1)
    triangles = level.triangles[known]
    bare = level.triangle_part[known] == PART_NAMES.index("skin")
    frontal = np.flatnonzero(np.abs(samples.yaw()) < np.radians(25))
    hits: list[list[np.ndarray]] = [[] for _ in range(count)]
    mean = template.vertices.astype(np.float64)
    for n in frontal:
        mesh = trimesh.Trimesh(samples.vertices[n], triangles, process=False)
        rotation, translation = samples.rotation[n], samples.translation[n]
        rays = np.linalg.solve(
            samples.intrinsics[n], np.c_[samples.landmarks[n, :count, :2], np.ones(count)].T
        ).T @ rotation  # fmt: skip
        origin = np.broadcast_to(-rotation.T @ translation, rays.shape)
        places, ray, face = mesh.ray.intersects_location(origin, rays, multiple_hits=False)
        _, barycentric = closest_on_triangles(places, samples.vertices[n][triangles[face]])
        on_mean = np.einsum("nk,nkd->nd", barycentric, mean[triangles[face]])
        for point, place, good in zip(ray, on_mean, bare[face], strict=True):
            if good:
                hits[point].append(place)
    triangles = triangles[bare]
    centres = mean[triangles].mean(1)
    tree = cKDTree(centres)
    out_triangle, out_barycentric = np.zeros((count, 3), np.int64), np.zeros((count, 3))
    for point in range(count):
        if len(hits[point]) < 5:
            raise ValueError(f"Landmark {point} met the skin in {len(hits[point])} frontal renders only: render more.")
        target = np.median(np.array(hits[point]), axis=0)
        near = tree.query(target, k=24)[1]
        distance, barycentric = closest_on_triangles(np.repeat(target[None], 24, 0), mean[triangles[near]])
        best = int(distance.argmin())
        out_triangle[point], out_barycentric[point] = triangles[near[best]], barycentric[best]
    return out_triangle, out_barycentric


def true_points(samples: Samples, triangle: np.ndarray, barycentric: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """[N, L, 3] where the points really are, head frame."""
    out = np.zeros((len(samples), len(triangle), 3))
    for k in range(3):
        out += samples.vertices[:, triangle[:, k]] * barycentric[:, k, None]
    return out + offset


def distances(samples: Samples, points: np.ndarray) -> np.ndarray:
    """[N, L, 2] detected minus true, metres at the head's depth, upright axes."""
    in_camera = np.einsum("nab,nlb->nla", samples.rotation, points) + samples.translation[:, None]
    focal = samples.intrinsics[:, None, None, 0, 0]
    principal = samples.intrinsics[:, None, :2, 2]
    pixels = in_camera[..., :2] / in_camera[..., 2:] * focal + principal
    return upright(samples, samples.landmarks[:, : points.shape[1], :2] - pixels)


def learn_offsets(samples: Samples, triangle: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    """[L, 3] constant offsets in the head's axes that explain the detections best (robust least squares)."""
    near = samples.subset(np.abs(samples.yaw()) < np.radians(40))
    points = true_points(near, triangle, barycentric, np.zeros((len(triangle), 3)))
    residual = distances(near, points)
    in_camera = np.einsum("nab,nlb->nla", near.rotation, points) + near.translation[:, None]
    jacobian = np.zeros((*points.shape[:2], 2, 3))
    jacobian[..., 0, 0] = jacobian[..., 1, 1] = 1.0
    jacobian[..., :, 2] = -in_camera[..., :2] / in_camera[..., 2:]
    cosine, sine = np.cos(near.roll()), np.sin(near.roll())
    axes = np.stack([np.stack([cosine, sine], 1), np.stack([-sine, cosine], 1)], 1)
    jacobian = np.einsum("nab,nlbc,ncd->nlad", axes, jacobian, near.rotation, optimize=True)
    weight = 1 / (1 + (residual**2).sum(-1) / 0.004**2)
    hessian = np.einsum("nlac,nlad,nl->lcd", jacobian, jacobian, weight, optimize=True)
    gradient = np.einsum("nlac,nla,nl->lc", jacobian, residual, weight, optimize=True)
    offset = np.linalg.solve(hessian + 0.02 * len(near) * np.eye(3), gradient[..., None])[..., 0]
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return offset * np.minimum(1.0, LONGEST_OFFSET_M / np.maximum(length, 1e-12))


def noise_by_yaw(
    residual: np.ndarray,  # [N, L, 2]
    yaw: np.ndarray,  # [N] radians
    pitch: np.ndarray,  # [N] radians
    mirror: np.ndarray,  # [L]
    rank: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """([Y] nodes in radians, [Y, 3, L, 2] bias, [Y, L, 2] variance, [Y, 2L, rank] correlated factors).

    Every render counts twice, once in the mirror. Bias is linear in yaw and pitch around each node.
    """
    both = np.concatenate([residual, residual[:, mirror] * [-1, 1]])
    angles, pitches = np.concatenate([yaw, -yaw]), np.concatenate([pitch, pitch])
    nodes = np.radians(np.array(YAW_NODES_DEGREES))
    bias, variance, factors = [], [], []
    for node in nodes:
        weight = np.exp(-0.5 * ((angles - node) / np.radians(KERNEL_DEGREES)) ** 2)
        terms = np.stack([np.ones_like(angles), angles - node, pitches], 1)  # [N, 3]
        flat = both.reshape(len(both), -1)
        for _ in range(3):  # a render whose face was hidden or lost loses its say
            weight /= weight.sum()
            gram = (terms * weight[:, None]).T @ terms + np.diag([0.0, 1e-3, 1e-3])
            model = np.linalg.solve(gram, (terms * weight[:, None]).T @ flat)  # [3, 2L]
            centred = flat - terms @ model
            size = np.sqrt((centred**2).mean(1))
            usual = np.sqrt((weight * size**2).sum())
            weight = np.exp(-0.5 * ((angles - node) / np.radians(KERNEL_DEGREES)) ** 2) * (size < 1.8 * usual)
        weight /= weight.sum()
        bias.append(model.reshape(3, -1, 2))
        variance.append((weight[:, None] * centred**2).sum(0).reshape(-1, 2) + 0.0003**2)
        kept = weight > weight.max() * 0.02
        rows = np.sqrt(weight[kept])[:, None] * centred[kept]
        _, strengths, vectors = np.linalg.svd(rows, full_matrices=False)
        # strengths of few samples are too large: shrink by what pure noise of the same size would give
        noise = np.sqrt(np.median(strengths**2))
        strengths = np.sqrt(np.maximum(strengths**2 - noise**2, 0))
        factors.append((vectors[:rank] * strengths[:rank, None]).T)
    return nodes, np.array(bias), np.array(variance), np.array(factors)


def expression_statistics(samples: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """([52] gain, [52] base, [52] sd): each true weight from the net's own score for it, ridge towards the score."""
    gain, base, sd = np.zeros(52), np.zeros(52), np.full(52, LEAST_EXPRESSION_SD)
    for shape in range(52):
        score, truth = samples.scores[:, shape], samples.expression[:, shape]
        if score.std() < 1e-6:
            continue  # the net does not know this shape
        if truth.std() < 0.02:
            gain[shape] = UNSEEN_GAIN  # the renders hardly show it: believe the net by half
            continue
        spread = ((score - score.mean()) ** 2).mean()
        gain[shape] = max(0.0, ((score - score.mean()) * (truth - truth.mean())).mean() / (spread + 1e-4))
        base[shape] = truth.mean() - gain[shape] * score.mean()
        sd[shape] = np.clip(np.std(truth - gain[shape] * score - base[shape]), LEAST_EXPRESSION_SD, 0.3)
    return gain, base, sd
