"""Reflectance maps of a fitted head from its photos: diffuse without the photo's light, specular, roughness, normal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..geometry.normals import vertex_normals_numpy
from ..head.template import PART_NAMES, HeadTemplate
from ..models.reflectance_prior import ReflectancePrior
from ..perception.image import Photo
from ..tasks.progress import Progress, silent
from .completion import LUMINANCE, Completed, complete, masked_blur, structure_gain
from .delight import MEAN_BASIS, Delit, Shading, VertexView, separate, transfers
from .highlights import remove_highlights
from .iris import iris_colour
from .photo_trust import photo_trust
from .result import FitResult, PhotoFit
from .surface_detail import height_map, normals_from_height, specular_and_roughness
from .unwrap import SkinAtlas, View, sample_colour, sample_photo, smoothstep

STAGE = "textures"
CLEAR_PARTS = ("lashes", "tear_line", "cornea_left", "cornea_right")
#: How far the residual may leave the prior (log) by region: (darker, lighter). Elsewhere LIMIT holds.
LIMIT = (-0.95, 0.45)
REGION_LIMIT = {
    "brows": (-2.2, 0.45), "beard": (-1.8, 0.45), "lips": (-0.70, 0.50), "lids": (-0.70, 0.30),
    "nostril_rim": (-0.30, 0.20), "ears": (-0.35, 0.30), "scalp": (-0.25, 0.25), "neck": (-0.15, 0.15),
    "mouth_corners": (-0.40, 0.25),
}  # fmt: skip
#: Darker than the prior by this much over several millimetres is hair or a cast shadow, not skin (log, from .. to).
HAIR_RESIDUAL = (-0.45, -0.80)
FOLD_RESIDUAL = (-1.00, -1.60)
GLARE_RESIDUAL = (0.40, 0.75)
CLIPPED = 0.90  # linear: with two channels above this a pixel is (nearly) white
#: Share of a fold's dark line that is taken back where the photo's expression strains the skin most.
FOLD_FADE = 0.7
#: Share of a crease's darkness (below CREASE_MM) that the normal map takes over from the diffuse map.
CREASE_SHARE = 0.15
CREASE_MM = 2.5
#: Standard deviation of skin's log luminance below 2.5 mm, an upper bound (old skin in hard light), and what is kept
#: at least of a photo beyond it.
SKIN_CONTRAST = 0.11
CONTRAST_FLOOR = 0.6
CHROMA_LIMIT = 0.35
LIP_CHROMA_LIMIT = 0.6
#: Frames of glasses: within these distances of the eyes (millimetres, sure .. not at all) darker than the skin around
#: them (log) ...
FRAME_MM = (22.0, 28.0)
FRAME_DARK = (-0.10, -0.26)
#: ... over this length (millimetres) in one piece: wrinkles are shorter ...
FRAME_LENGTH_MM = 28.0
#: ... on a face whose nose is crossed by a line this dark between the eyes (log, from .. to): 4 of 4 faces with glasses
#: had -0.53 or less, 9 of 9 without -0.39 or more.
BRIDGE_DARK = (-0.40, -0.52)
#: Brow hair may be this much darker (log) than the hair of the person's inner brow; beyond that it is a frame.
BROW_SPREAD = (0.30, 0.60)
#: Half the width (standard deviation, millimetres) of the band about the hairline where the prior is bridged.
HAIRLINE_MM = 14.0


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
        residual, weight = unwrap(atlas, prior, photo, views[k], trusts[k], delit.shadings[k], base, middle_mm)
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
    smooth = _bridge_hairline(atlas, prior, prior.log_albedo(delit.albedo))
    feature = atlas.resized(prior.feature_map(template))
    return smooth + feature[:, None]


def _bridge_hairline(atlas: SkinAtlas, prior: ReflectancePrior, log_albedo: np.ndarray) -> np.ndarray:
    """[V, 3] -> [N, 3] with what lies about the hairline replaced by a smooth bridge from forehead to scalp.

    The skins behind the prior have hair there; what their maps show of its border is an arc on a bald head.
    """
    coarse = atlas.coarse or atlas
    values = coarse.from_vertices(log_albedo)
    hair, kept_out = coarse.from_vertices(
        np.stack(
            [
                prior.regions["scalp"],
                np.clip(prior.regions["ears"] + prior.regions["brows"] + prior.regions["lids"], 0, 1),
            ],
            1,
        )
    ).T
    millimetres = 0.25 * 1000 / coarse.size  # the unit square is about 25 cm of head
    half, _ = masked_blur(
        coarse.padded(hair)[..., None], np.ones_like(coarse.mask, np.float32), HAIRLINE_MM / millimetres
    )
    half = half[coarse.mask][:, 0]
    band = smoothstep(0.02, 0.25, half) * smoothstep(0.98, 0.75, half) * (1 - kept_out)
    weight = coarse.image((1 - band) * (1 - kept_out) + 1e-3)
    bridge, _ = masked_blur(coarse.padded(values), weight, 1.5 * HAIRLINE_MM / millimetres)
    mixed = values + band[:, None] * (bridge[coarse.mask] - values)
    if coarse is atlas:
        return mixed
    return cv2.resize(coarse.padded(mixed), (atlas.size, atlas.size), interpolation=cv2.INTER_LINEAR)[atlas.mask]


def unwrap(
    atlas: SkinAtlas,
    prior: ReflectancePrior,
    photo: Photo,
    view: View,
    trust: np.ndarray,  # [H, W]
    shading: Shading,
    base: np.ndarray,  # [N, 3]
    texel_mm: float,
) -> tuple[np.ndarray, np.ndarray]:
    """([N, 3] log residual of the de-lit photo to the prior, [N] weight 0..1) for one photo."""
    count = atlas.vertex_count
    geometry = atlas.from_vertices(
        np.concatenate([view.pixels[:count], view.depth[:count, None], view.cosine[:count, None]], 1)
    )
    pixels, depth, cosine = geometry[:, :2], geometry[:, 2], geometry[:, 3]
    weight = view.trust(pixels, depth, cosine) * sample_photo(trust, pixels) * atlas.outer
    # The rim of the lids is a line of moisture, the neck lies in the chin's shadow and under collars.
    left_out = np.clip(sum(prior.regions[name] for name in ("lid_rim", "interior", "neck")), 0, 1)
    weight = weight * (1 - atlas.smooth(left_out))
    colour = sample_colour(photo.linear, pixels, view.mm_per_pixel / texel_mm)
    diffuse = atlas.smooth(shading.diffuse)
    specular = atlas.smooth(shading.specular)
    expected = np.exp(base) * diffuse
    colour = remove_highlights(colour, expected, shading.light[0] * MEAN_BASIS, specular)
    residual = np.log(np.maximum(colour, 1e-4)) - np.log(diffuse) - base
    low, high = (_limits(atlas, prior, side)[:, None] for side in (0, 1))
    # Only luminance is limited: a limit per channel would change the hue.
    luminance = (residual @ LUMINANCE)[:, None]
    # A clipped pixel has lost its hue and its shading.
    clipped = sample_photo((np.median(photo.linear, axis=2) > CLIPPED).astype(np.float32), pixels)
    weight = weight * (1 - np.clip(2 * clipped, 0, 1))
    weight = weight * (1 - frames(atlas, prior, luminance[:, 0], weight, view.vertices[:count], texel_mm))
    weight = weight * bare_skin(atlas, prior, luminance[:, 0], weight, texel_mm)
    limited = np.where(luminance < 0, low * np.tanh(luminance / low), high * np.tanh(luminance / high))
    lips = atlas.smooth(prior.regions["lips"])[:, None]
    most = CHROMA_LIMIT + (LIP_CHROMA_LIMIT - CHROMA_LIMIT) * lips
    chroma = most * np.tanh((residual - luminance) / most)
    # Folds that the photo's expression makes would stay on the neutral face: their dark lines and the
    # light bulges beside them are taken back.
    folded = atlas.smooth(view.strain[:count])[:, None]
    # A crease is darker because it lies deep, not because its skin is: the normal map takes over part of it.
    beard = prior.regions["beard"] * _bearded(atlas, prior, luminance[:, 0], weight)
    hairy = atlas.smooth(np.clip(prior.regions["brows"] + beard + prior.regions["lids"], 0, 1))[:, None]
    image = atlas.padded(limited)
    below = np.minimum(limited - cv2.GaussianBlur(image, (0, 0), CREASE_MM / texel_mm)[atlas.mask][:, None], 0)
    below = np.maximum(below, np.minimum(limited, 0))
    limited = limited - CREASE_SHARE * (1 - hairy) * below
    limited = limited * (1 - FOLD_FADE * folded)
    # Hard light and hard development draw wrinkles and pores deeper than any skin is coloured.
    calm = _contrast(atlas, prior, limited[:, 0], weight, texel_mm)
    gain = calm + (1 - calm) * hairy
    limited, chroma = limited * gain, chroma * gain
    # Hair and its shadow end the forehead softly: a wide fade leaves no arc.
    upper, brows = atlas.smooth(
        np.stack([np.clip(prior.regions["forehead"] + prior.regions["scalp"], 0, 1), prior.regions["brows"]], 1)
    ).T
    # ... which may reach down to the brows; those stay.
    upper, _ = masked_blur(atlas.padded(upper)[..., None], np.ones_like(atlas.mask, np.float32), 8.0 / texel_mm)
    upper = smoothstep(0.03, 0.30, upper[atlas.mask][:, 0]) * (1 - brows)
    narrow, wide = (_feather(atlas, weight, texel_mm, width) for width in (2.0, 6.0))
    return limited + chroma, narrow + upper * (wide - narrow)


def frames(
    atlas: SkinAtlas,
    prior: ReflectancePrior,
    luminance: np.ndarray,  # [N] log residual
    weight: np.ndarray,  # [N]
    vertices: np.ndarray,  # [V_skin, 3] posed, metres
    texel_mm: float,
) -> np.ndarray:
    """[N] 1 on the frames of glasses. All zero on a face whose nose no bridge crosses.

    A line of a frame looks like a crease, so the bridge decides first whether there are glasses: no crease runs across
    the nose between the eyes and is as dark. Over the brows a frame is what is far darker than the person's own hair.
    """
    regions = prior.regions
    image = atlas.padded(luminance.astype(np.float32))
    fine = cv2.GaussianBlur(image, (0, 0), 0.8 / texel_mm)
    place = atlas.smooth(vertices) * 1000
    lids = vertices[regions["lids"] > 0.5] * 1000
    bridge = (np.abs(place[:, 0]) < 5) & (np.abs(place[:, 1] - lids[:, 1].mean()) < 8) & atlas.outer
    if bridge.sum() < 30:
        return np.zeros_like(luminance)
    line = (fine - cv2.GaussianBlur(image, (0, 0), 6.0 / texel_mm))[atlas.mask]
    glasses = float(smoothstep(*BRIDGE_DARK, np.percentile(line[bridge], 5)))
    if glasses == 0:
        return np.zeros_like(luminance)
    mask = atlas.image(weight) + 1e-4
    around, _ = masked_blur(image[..., None], mask, 6.0 / texel_mm)
    level = fine[atlas.mask]
    brows = atlas.smooth(regions["brows"])
    dark = smoothstep(*FRAME_DARK, level - around[atlas.mask][:, 0])
    beside_brows, _ = masked_blur(atlas.padded(brows)[..., None], np.ones_like(mask), 3.0 / texel_mm)
    dark = dark * smoothstep(0.35, 0.05, beside_brows[atlas.mask][:, 0])
    distance = (cKDTree(lids).query(vertices * 1000)[0]).astype(np.float32)
    dark = _long(atlas, dark * smoothstep(FRAME_MM[1], FRAME_MM[0], atlas.smooth(distance)), FRAME_LENGTH_MM / texel_mm)
    # The darkest hair of the inner brow; frames cross the outer one.
    outward = np.abs(place[:, 0])
    middle = float(np.median(outward[brows > 0.5]))
    inner = (brows > 0.5) & (weight > 0.5) & (outward < middle)
    usual = float(np.percentile(level[inner], 10)) if inner.sum() > 100 else -0.5
    outer = smoothstep(middle, middle + 8, outward) * smoothstep(0.0, 0.2, brows)
    dark = np.maximum(dark, smoothstep(*BROW_SPREAD, usual - level) * outer)
    # Photos are softer than frames are wide: their rim goes too.
    spread, _ = masked_blur(atlas.padded(dark)[..., None], np.ones_like(mask), 1.5 / texel_mm)
    return glasses * smoothstep(0.05, 0.30, spread[atlas.mask][:, 0])


def _long(atlas: SkinAtlas, line: np.ndarray, length: float) -> np.ndarray:
    """[N] the line's pieces (above 0.5) whose bounding box has a diagonal of at least `length` texels, nothing else."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((atlas.image(line) > 0.5).astype(np.uint8))
    diagonal = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    kept = diagonal >= length
    kept[0] = False
    return (line * kept[labels[atlas.mask]]).astype(np.float32)


def _bearded(atlas: SkinAtlas, prior: ReflectancePrior, luminance: np.ndarray, weight: np.ndarray) -> float:
    """0 clean shaven .. 1 bearded: how much darker than the prior the beard's region is, compared with the cheeks."""
    beard, cheeks = atlas.smooth(np.stack([prior.regions["beard"], prior.regions["cheeks"]], 1)).T
    inside, outside = (weight > 0.5) & (beard > 0.8), (weight > 0.5) & (cheeks > 0.8) & (beard < 0.2)
    if inside.sum() < 300 or outside.sum() < 300:
        return 0.0
    darker = float(np.median(luminance[inside]) - np.median(luminance[outside]))
    return float(smoothstep(-0.10, -0.35, np.float32(darker)))


def _contrast(
    atlas: SkinAtlas, prior: ReflectancePrior, luminance: np.ndarray, weight: np.ndarray, texel_mm: float
) -> float:
    """What the residual must be multiplied by so that its small bands are no stronger than skin's (at most 1)."""
    where = (weight > 0.7) & (atlas.smooth(np.clip(prior.regions["cheeks"] + prior.regions["forehead"], 0, 1)) > 0.5)
    if where.sum() < 500:
        return 1.0
    image = atlas.padded(luminance)
    fine = (image - cv2.GaussianBlur(image, (0, 0), 2.5 / texel_mm))[atlas.mask]
    return float(np.clip(SKIN_CONTRAST / max(float(fine[where].std()), 1e-4), CONTRAST_FLOOR, 1.0))


def _limits(atlas: SkinAtlas, prior: ReflectancePrior, side: int) -> np.ndarray:
    vertex = np.full(atlas.vertex_count, LIMIT[side], np.float32)
    for name, limits in REGION_LIMIT.items():
        vertex += (limits[side] - vertex) * prior.regions[name]
    return atlas.smooth(vertex)


def bare_skin(
    atlas: SkinAtlas, prior: ReflectancePrior, luminance: np.ndarray, weight: np.ndarray, texel_mm: float
) -> np.ndarray:
    """[N] 1 on skin; 0 where several millimetres are far darker (hair, frames), lighter (glare, teeth) or stringier."""
    image, mask = atlas.padded(luminance)[..., None], atlas.image(weight) + 1e-4
    smooth, _ = masked_blur(image, mask, 2.5 / texel_mm)
    fine = image - masked_blur(image, mask, 1.5 / texel_mm)[0]
    energy, _ = masked_blur(fine**2, mask, 3.0 / texel_mm)
    smooth, strings = smooth[atlas.mask][:, 0], np.sqrt(np.maximum(energy[atlas.mask][:, 0], 0))
    regions = prior.regions
    upper, scalp, lips = atlas.smooth(np.stack([regions["forehead"], regions["scalp"], regions["lips"]], 1)).T
    cheeks = atlas.smooth(regions["cheeks"]) > 0.5
    usual = float(np.median(strings[cheeks & (weight > 0.5)])) if (cheeks & (weight > 0.5)).any() else 0.03
    hair_growth = atlas.smooth(np.clip(regions["brows"] + regions["beard"], 0, 1))  # hair that belongs on the skin
    # Beards, brows and folds lie on both sides; what is dark on one side alone is a cast shadow.
    other, other_weight = atlas.mirrored(np.stack([smooth, weight], 1)).T
    one_sided = other_weight * smoothstep(-0.35, -0.15, other) * smoothstep(-0.25, -0.45, smooth)
    # Below the eyes hair is rare and deep folds are not: only what is darker than they are goes.
    low = atlas.smooth(np.clip(regions["cheeks"] + regions["beard"] + regions["nose"], 0, 1))
    dark = smoothstep(HAIR_RESIDUAL[1], HAIR_RESIDUAL[0], smooth)
    dark = dark + low * (1 - one_sided) * (smoothstep(FOLD_RESIDUAL[1], FOLD_RESIDUAL[0], smooth) - dark)
    dark = dark * (1 - scalp) + smoothstep(-0.45, -0.2, smooth) * scalp
    stringy = smoothstep(3.5, 2.0, strings / max(usual, 0.02))
    above = np.clip(upper + scalp, 0, 1)
    keep = np.minimum(dark, 1 - above * (1 - stringy))
    # Hair casts a shadow and lies in strands: skin right beside it is not trusted either.
    beside, _ = masked_blur(atlas.padded(keep)[..., None], np.ones_like(mask), 3.0 / texel_mm)
    keep = np.minimum(keep, 1 - above * (1 - smoothstep(0.6, 0.95, beside[atlas.mask][:, 0])))
    hair_growth = np.maximum(hair_growth * (1 - one_sided), 0.9 * lips)  # lips are as dark as they are
    light = smoothstep(GLARE_RESIDUAL[1], GLARE_RESIDUAL[0], smooth)
    return np.maximum(keep, hair_growth) * light


def _feather(atlas: SkinAtlas, weight: np.ndarray, texel_mm: float, width_mm: float = 2.0) -> np.ndarray:
    """[N] weight shrunk by about `width_mm` and faded over it, so that nothing beyond the edge comes in."""
    image = atlas.padded(weight)
    soft = masked_blur(image[..., None], np.ones_like(image), width_mm / texel_mm)[0][atlas.mask][:, 0]
    return np.minimum(weight, smoothstep(0.45, 0.95, soft)).astype(np.float32)


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
