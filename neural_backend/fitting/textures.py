"""Reflectance maps of a fitted head from its photos: diffuse without the photo's light, specular, roughness, normal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from ..geometry.normals import vertex_normals_numpy
from ..head.template import PART_NAMES, HeadTemplate
from ..models.reflectance_prior import ReflectancePrior
from ..perception.image import Photo
from ..tasks.progress import Progress, silent
from .completion import LUMINANCE, Completed, complete, structure_gain
from .delight import MEAN_BASIS, Delit, VertexView, separate, transfers
from .hairline import bridge_hairline
from .iris import iris_colour
from .photo_trust import photo_trust
from .result import FitResult, PhotoFit
from .skin_residual import skin_residual
from .surface_detail import height_map, normals_from_height, specular_and_roughness
from .unwrap import SkinAtlas, View, sample_colour, sample_photo

STAGE = "textures"
CLEAR_PARTS = ("lashes", "tear_line", "cornea_left", "cornea_right")


@dataclass(frozen=True)
class ReflectanceMaps:
    """Maps in the skin's UV; row 0 is the top (v = 1)."""

    diffuse: np.ndarray  # [S, S, 3] float32 linear Rec.709 albedo
    specular: np.ndarray  # [S, S] float32 F0, linear, skin about 0.028
    roughness: np.ndarray  # [S, S] float32, Principled's (GGX alpha is its square)
    normal: np.ndarray  # [S, S, 3] float32 0..1, tangent space, OpenGL (+Y)
    confidence: np.ndarray  # [S, S] float32: 1 seen in a photo, 0.5 mirrored from the other side, 0 completed
    iris_colour: np.ndarray  # [3] linear albedo of the iris
    lights: tuple[np.ndarray, ...]  # [B, 3] per photo: the light that goes with these maps, SH radiance
    coverage: dict[str, float]  # share of the face's texels that are seen, mirrored, completed
    report: dict[str, object] = field(default_factory=dict)


def make_maps(
    fit: FitResult,
    photos: Sequence[Photo],
    size: int = 2048,
    progress: Progress = silent,
    seed: int = 0,
) -> ReflectanceMaps:
    """Unwrap, de-light, blend, mirror, complete.

    Args:
        fit: the person and each photo's camera, expression, light.
        photos: the photos of `fit.photos`, in that order, at the size of their cameras.
        size: texels along one side of the square maps.

    Raises:
        ValueError: photos and fit do not belong together.
    """
    if len(photos) != len(fit.photos):
        raise ValueError(f"The fit has {len(fit.photos)} photos, {len(photos)} were given: give the fitted photos.")
    progress(STAGE, 0.0, "skin")
    template, prior = HeadTemplate.load(), ReflectancePrior.load()
    atlas = SkinAtlas.make(template, size)
    texel_mm = atlas.texel_mm(fit.vertices)
    vertex_views, views, trusts = [], [], []
    for photo, photo_fit in zip(photos, fit.photos, strict=True):
        view, trust, vertex_view = look(template, prior, atlas.vertex_count, fit, photo_fit, photo, seed)
        views.append(view)
        trusts.append(trust)
        vertex_views.append(vertex_view)
    progress(STAGE, 0.3, "light")
    delit = separate(prior, vertex_views, fit.albedo)
    progress(STAGE, 0.4, "unwrap")
    base = base_log_albedo(template, prior, atlas, delit)
    face = atlas.outer & (atlas.smooth(_plain_face(prior)) > 0.5)
    middle_mm = float(np.median(texel_mm[face]))
    residuals, weights = [], []
    for k, photo in enumerate(photos):
        residual, weight = skin_residual(atlas, prior, photo, views[k], trusts[k], delit.shadings[k], base, middle_mm)
        residuals.append(residual)
        weights.append(weight)
        progress(STAGE, 0.4 + 0.2 * (k + 1) / len(photos), "unwrap")
    own = atlas.smooth(np.clip(prior.regions["lips"] + prior.regions["brows"], 0, 1))
    completed = complete(atlas, residuals, weights, middle_mm, own)
    progress(STAGE, 0.75, "detail")
    maps = _assemble(template, prior, atlas, fit, completed, base, face, texel_mm, middle_mm, views, seed)
    lights = tuple(shading.light for shading in delit.shadings)
    colour = iris_colour(photos, fit.photos, list(lights))
    maps = ReflectanceMaps(**{**maps, "iris_colour": colour, "lights": lights, "report": _report(delit, prior)})
    progress(STAGE, 1.0)
    return maps


def relit(fit: FitResult, maps: ReflectanceMaps) -> FitResult:
    """The fit with the light that was found together with the maps, so that rendering them gives the photos back."""
    photos = tuple(
        replace(photo, light=light, exposure=1.0) for photo, light in zip(fit.photos, maps.lights, strict=True)
    )
    return replace(fit, photos=photos)


def look(
    template: HeadTemplate,
    prior: ReflectancePrior,
    count: int,
    fit: FitResult,
    photo_fit: PhotoFit,
    photo: Photo,
    seed: int,
) -> tuple[View, np.ndarray, VertexView]:
    """One photo: its view of the posed head, the trust in its pixels [H, W], and what the skin's vertices saw."""
    camera = photo_fit.camera
    if photo.linear.shape[:2] != (camera.height, camera.width):
        raise ValueError(
            f"Photo {photo.linear.shape[1]} x {photo.linear.shape[0]} and its fitted camera {camera.width} x "
            f"{camera.height} differ: give the photos that were fitted."
        )
    level = template.levels[1]
    vertices = fit.vertices + np.tensordot(photo_fit.expression, fit.arkit, 1)
    vertices = vertices.astype(np.float32)
    normals = vertex_normals_numpy(vertices, level.triangles)
    # Lashes and clear parts hide nothing that a texel could mistake for skin.
    clear = [PART_NAMES.index(part) for part in CLEAR_PARTS]
    view = View.make(camera, vertices, normals, level.triangles[~np.isin(level.triangle_part, clear)], fit.vertices)
    trust = photo_trust(photo, photo_fit, view.mm_per_pixel)
    blur = max(1.0 / view.mm_per_pixel, 0.3)  # a standard deviation of 1 mm: half the spacing of vertices
    smooth = cv2.GaussianBlur(photo.linear, (0, 0), blur)
    skin = slice(0, count)
    weight = view.trust(view.pixels[skin], view.depth[skin], view.cosine[skin])
    weight = weight * sample_photo(trust, view.pixels[skin])
    hidden = np.clip(prior.regions["interior"] + prior.regions["lid_rim"] + 0.8 * prior.regions["brows"], 0, 1)
    weight = weight * (1 - hidden) * (1 - 0.7 * prior.regions["beard"]) * (1 - 0.8 * prior.regions["scalp"])
    diffuse, specular = transfers(template, vertices, normals, camera.centre_head, count, seed)
    return view, trust, VertexView(sample_photo(smooth, view.pixels[skin]), weight, diffuse, specular)


def base_log_albedo(template: HeadTemplate, prior: ReflectancePrior, atlas: SkinAtlas, delit: Delit) -> np.ndarray:
    """[N, 3] what the prior says about this person, texel by texel: posterior mean and mean small-scale features."""
    smooth = bridge_hairline(atlas, prior, prior.log_albedo(delit.albedo))
    feature = atlas.resized(prior.feature_map(template))
    return smooth + feature[:, None]


def _plain_face(prior: ReflectancePrior) -> np.ndarray:
    """[V] 1 on the face proper: no scalp, ears, neck, back of the head."""
    hidden = prior.regions["scalp"] + prior.regions["ears"] + prior.regions["neck"] + prior.regions["interior"]
    return np.clip(1 - hidden, 0, 1)


def _assemble(
    template: HeadTemplate,
    prior: ReflectancePrior,
    atlas: SkinAtlas,
    fit: FitResult,
    completed: Completed,
    base: np.ndarray,
    face: np.ndarray,
    texel_mm: np.ndarray,
    middle_mm: float,
    views: Sequence[View],
    seed: int,
) -> dict[str, object]:
    generator = np.random.default_rng(seed)
    seen, residual = completed.seen, completed.residual
    luminance = residual @ LUMINANCE
    image = atlas.padded(luminance)
    fine = (image - cv2.GaussianBlur(image, (0, 0), 1.3 / middle_mm))[atlas.mask]
    structure = atlas.resized(prior.structure_map(template))
    texture = atlas.padded(structure)
    structure = (texture - cv2.GaussianBlur(texture, (0, 0), 1.3 / middle_mm))[atlas.mask]
    shaped = ("lips", "brows", "beard", "lids", "nostril_rim")
    plain = atlas.smooth(np.clip(sum(prior.regions[name] for name in shaped), 0, 1)) < 0.1
    gain = structure_gain(fine, structure, face & plain & (seen > 0.95))
    filled = np.clip(seen + 0.8 * completed.mirrored, 0, 1)
    residual = residual * (1 - atlas.smooth(prior.regions["interior"]))[:, None]
    log_diffuse = base + residual + (gain * structure * (1 - filled))[:, None]
    diffuse = np.clip(np.exp(log_diffuse), 0.003, 0.95)

    # Wrinkles: the photo's own small bands where hair does not draw them.
    creases = (cv2.GaussianBlur(image, (0, 0), 0.25 / middle_mm) - cv2.GaussianBlur(image, (0, 0), 2.2 / middle_mm))[
        atlas.mask
    ]
    drawn = np.clip(prior.regions["brows"] + 0.75 * prior.regions["beard"] + 0.7 * prior.regions["lids"], 0, 1)
    creases = np.clip(creases, -0.35, 0.25) * filled * (1 - atlas.smooth(drawn))
    height, cavity = height_map(atlas, prior.regions, texel_mm, lip_position(template), creases, generator)
    specular, roughness = specular_and_roughness(atlas, prior.regions, cavity)
    confidence = np.clip(seen + 0.5 * completed.mirrored * (1 - seen), 0, 1)
    mirrored = (completed.mirrored > 0.5) & (seen <= 0.5)
    coverage = {
        "seen": round(float((seen > 0.5)[face].mean()), 4),
        "mirrored": round(float(mirrored[face].mean()), 4),
    }
    coverage["completed"] = round(1 - coverage["seen"] - coverage["mirrored"], 4)
    return {
        "diffuse": atlas.padded(diffuse.astype(np.float32)),
        "specular": atlas.padded(specular),
        "roughness": atlas.padded(roughness),
        "normal": atlas.padded(normals_from_height(atlas, height, texel_mm)),
        "confidence": atlas.image(confidence.astype(np.float32)),
        "coverage": coverage,
    }


def lip_position(template: HeadTemplate) -> np.ndarray:
    """[V_skin] millimetres along the lips from corner to corner, so that grooves can run across them."""
    count = int(template.levels[1].triangles[template.levels[1].triangle_part < 5].max()) + 1
    loop = template.vertices[template.levels[1].curves["mouth_05"]]
    radius = np.abs(loop[:, 0]).max()
    x = np.clip(template.vertices[:count, 0] / radius, -1, 1)
    return (np.arcsin(x) * radius * 1000).astype(np.float32)  # arc length of a bow: grooves fan out at the corners


def _report(delit: Delit, prior: ReflectancePrior) -> dict[str, object]:
    tone = np.exp(prior.tone(delit.albedo))
    return {
        "skin_albedo": [round(float(value), 4) for value in tone],
        "light_level": [[round(float(v), 4) for v in shading.light[0] * MEAN_BASIS] for shading in delit.shadings],
    }


def plain_projection(fit: FitResult, photo: Photo, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo merely unwrapped, light and all: ([S, S, 3] linear, [S, S] trust 0..1). A baseline for evaluation."""
    template = HeadTemplate.load()
    atlas = SkinAtlas.make(template, size)
    level = template.levels[1]
    vertices = (fit.vertices + np.tensordot(fit.photos[0].expression, fit.arkit, 1)).astype(np.float32)
    normals = vertex_normals_numpy(vertices, level.triangles)
    view = View.make(fit.photos[0].camera, vertices, normals, level.triangles, fit.vertices)
    count = atlas.vertex_count
    pixels = atlas.from_vertices(view.pixels[:count])
    depth, cosine = atlas.from_vertices(view.depth[:count]), atlas.from_vertices(view.cosine[:count])
    trust = view.trust(pixels, depth, cosine) * atlas.outer
    return atlas.image(sample_colour(photo.linear, pixels, 1.0)), atlas.image(trust)
