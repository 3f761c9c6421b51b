"""The outline of jaw, cheeks and ears against the background: how wide the head is, which landmarks hardly know.

Where the model's own outline crosses an edge of the mesh, the matte is searched along the outward normal. An edge of
skin counts both ways; an edge of hair only says that the head cannot be wider.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry.adjacency import find_edges
from ..geometry.rays import Surface
from ..head.template import HeadTemplate
from .landmarks import Residuals
from .linear_points import LinearPoints, image_jacobian, project
from .parameters import PhotoState
from .surface_samples import landmark68_positions

SEARCH_M = 0.015  # along the normal, both ways
STEP_M = 0.0005
OUTLINE_SD_M = 0.0015  # the matte's edge and the mesh's facets
ROBUST_M = (0.010, 0.008, 0.006, 0.005, 0.004)  # Geman-McClure, one per iteration: first from far, then strictly
CORRELATION = 4.0  # neighbouring outline points err together: so many count as one
SKIN_DEPTHS_M = (0.002, 0.0035, 0.005)  # where skin is looked for, inside the matte's edge
MIN_SPREAD = np.array([0.35, 0.08, 0.10])  # of skin colour: log brightness, log red/green, log blue/green
NEAR, FAR = 2.0, 3.5  # of those: surely skin, surely not
ABOVE_BROWS_M = 0.015  # higher up there is hair
BELOW_CHIN_M = 0.0  # lower down there is neck and collar


@dataclass(frozen=True)
class OutlineMesh:
    """Edges of the level-0 skin whose outline is compared."""

    edges: np.ndarray  # [E, 2] into `vertex_ids`
    vertex_ids: np.ndarray  # [W] level-1 vertices of those edges
    points: LinearPoints  # of the W vertices
    beside: np.ndarray  # [E, 2] triangles of level 0 on both sides

    @classmethod
    def of(cls, template: HeadTemplate) -> OutlineMesh:
        level = template.levels[0]
        skin = level.faces_of("skin")
        triangles = np.concatenate([skin, skin + len(level.quads)])
        edges = find_edges(level.triangles[triangles])
        inner = ~edges.boundary
        ends = level.vertex_ids[edges.vertices[inner]]  # level-1 ids
        marks = landmark68_positions(template)
        places = template.vertices[ends].mean(1)
        jaw_back = marks[[0, 16], 2].mean()
        keep = places[:, 1] < marks[17:27, 1].max() + ABOVE_BROWS_M
        # Below the jaw line, which falls from the ears to the chin, lies the neck.
        jaw = np.interp(np.abs(places[:, 0]), *_jaw_line(marks))
        keep &= places[:, 1] > np.where(places[:, 2] > jaw_back, jaw, marks[[2, 14], 1].mean()) - BELOW_CHIN_M
        vertex_ids, edge = np.unique(ends[keep], return_inverse=True)
        return cls(
            edge.reshape(-1, 2),
            vertex_ids,
            LinearPoints.at_vertices(template, vertex_ids),
            triangles[edges.triangles[inner][keep]],
        )


def _jaw_line(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distance from the middle, height), ascending: the jaw from chin to ear, both sides' mean."""
    side = np.abs(marks[8:17, 0]) * 0.5 + np.abs(marks[8::-1, 0]) * 0.5
    height = marks[8:17, 1] * 0.5 + marks[8::-1, 1] * 0.5
    order = np.argsort(side)
    return side[order], height[order]


def outline_residuals(
    mesh: OutlineMesh,
    template: HeadTemplate,
    photo: PhotoState,
    identity: np.ndarray,
    matte: np.ndarray,  # [H, W] person, full photo or reduced
    skin: np.ndarray,  # [H, W] same size: how likely bare skin, see `skin_colour`
    scale: float = 1.0,  # matte pixels per full pixel
    robust_m: float = ROBUST_M[-1],  # distances well above count little
) -> Residuals | None:
    """Whitened distances from the model's outline to the matte's; None when no outline is in the photo."""
    level = template.levels[0]
    posed = template.shape(identity, photo.expression)[level.vertex_ids]
    centre = -photo.rotation.T @ photo.translation
    corners = posed[level.triangles[mesh.beside]]  # [E, 2, 3, 3]
    normal = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    facing = ((centre - corners[:, :, 0]) * normal).sum(-1) > 0
    outline = np.flatnonzero(facing[:, 0] != facing[:, 1])
    if len(outline) < 8:
        return None
    positions = mesh.points.positions(identity, photo.expression)
    ends = mesh.edges[outline]
    pixels, in_camera = project(positions, photo)
    places = pixels[ends].mean(1)
    along = pixels[ends[:, 1]] - pixels[ends[:, 0]]
    outward = np.stack([along[:, 1], -along[:, 0]], 1)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    mean_normal = (normal[outline] / np.linalg.norm(normal[outline], axis=-1, keepdims=True)).sum(1)
    turned = (mean_normal @ photo.rotation.T)[:, :2]
    outward *= np.where((outward * turned).sum(1) < 0, -1.0, 1.0)[:, None]

    # Only the outermost edges: a ray that passes 1.5 mm outside the edge must miss the head.
    metres_per_px = in_camera[ends].mean(1)[:, 2] / photo.focal_px
    beyond = places + outward * (0.0015 / metres_per_px)[:, None]
    rays = np.c_[(beyond - photo.principal) / photo.focal_px, np.ones(len(beyond))] @ photo.rotation
    free = ~Surface(posed, level.triangles).occluded(np.repeat(centre[None], len(rays), 0), rays, 3.0)

    offsets = np.arange(-SEARCH_M, SEARCH_M + STEP_M / 2, STEP_M)
    track = places[:, None] + outward[:, None] * (offsets[None, :, None] / metres_per_px[:, None, None])
    inside_photo = ((track > 2) & (track < np.array([photo.width, photo.height]) - 2)).all((1, 2))
    blur = max(0.5, 0.001 / float(np.median(metres_per_px)) * scale)
    soft = cv2.GaussianBlur(matte, (0, 0), blur)
    profile = _read(soft, track * scale)
    falls = (profile[:, :-1] >= 0.5) & (profile[:, 1:] < 0.5)
    away = np.where(falls, np.abs(offsets[:-1] + STEP_M / 2), np.inf)
    nearest = away.argmin(1)
    use = np.flatnonzero(free & inside_photo & np.isfinite(away.min(1)))
    if len(use) < 8:
        return None
    at = nearest[use]
    before, after = profile[use, at], profile[use, at + 1]
    distance = offsets[at] + STEP_M * (before - 0.5) / np.maximum(before - after, 1e-6)
    seen = _read(skin, track * scale)[use]
    rows = np.arange(len(use))
    bare = np.mean([seen[rows, np.maximum(at - round(depth / STEP_M), 0)] for depth in SKIN_DEPTHS_M], 0)
    trust = np.where(distance < 0, np.maximum(bare, 0.4), bare)  # the head is nowhere wider than the person
    weight = np.sqrt(trust / CORRELATION) / (1 + (distance / robust_m) ** 2) / OUTLINE_SD_M

    chosen = ends[use]
    scale_m = metres_per_px[use]
    out = 0.0
    for k in range(2):
        part = LinearPoints(
            mesh.points.mean[chosen[:, k]],
            mesh.points.identity[:, chosen[:, k]],
            mesh.points.expression[:, chosen[:, k]],
        )
        jacobian = image_jacobian(part, positions[chosen[:, k]], in_camera[chosen[:, k]], photo)
        out = out + 0.5 * np.einsum("pa,pak->pk", outward[use], jacobian)
    return Residuals(weight * distance, out * (weight * scale_m)[:, None], np.c_[places[use], distance])


def skin_colour(
    linear: np.ndarray,  # [H, W, 3] photo
    bare: np.ndarray,  # [H, W] weight of the face's bare skin, away from its border
) -> np.ndarray:
    """[H, W] float32, 0..1: does a pixel have the colour of this face's skin, in light or in shade?

    The weight of bare skin itself ends before the edge of the matte, where shading turns away and pixels blend. Colour
    is compared as logarithms of ratios, which light and shade leave alone, and brightness only roughly: hair is far
    darker than the skin beside it.
    """
    logs = np.log(np.maximum(linear, 1e-3))
    colour = np.stack([logs.mean(-1), logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], -1)
    sure = bare > 0.5
    if sure.sum() < 50:
        return bare
    middle = np.median(colour[sure], 0)
    spread = 1.4826 * np.median(np.abs(colour[sure] - middle), 0)
    away = np.abs(colour - middle) / np.maximum(spread, MIN_SPREAD)
    distance = np.sqrt((away**2).sum(-1))
    return np.clip((FAR - distance) / (FAR - NEAR), 0, 1).astype(np.float32)


def _read(image: np.ndarray, track: np.ndarray) -> np.ndarray:
    """[N, S, 2] pixels -> [N, S] bilinear values."""
    places = (track - 0.5).astype(np.float32)
    return cv2.remap(
        image, np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1]), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
