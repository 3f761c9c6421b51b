"""Procedural maps of what photos do not show: iris and sclera, teeth, gums and tongue, lashes.

Scene-linear colour, image row 0 at the top, in the texture sets `eye`, `mouth` and `lashes` of the template. The
layout of the UV squares comes from the template's builder (docs/anatomy.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from .eyes import LIMBUS_RADIUS, MAP_LIMBUS, PUPIL_RADIUS

DEFAULT_SIZES: Mapping[str, int] = {"eye": 1024, "mouth": 1024, "lashes": 512}

# Rows of the gum strips from the fold behind the lip to the midline, as built by the template's anatomy.
_GUM_ROWS = 14
_MARGIN_ROW, _SOCKET_ROW, _INNER_ROW = 4, 6, 8
_UPPER_GUM, _LOWER_GUM, _TONGUE = (0.44, 0.60), (0.28, 0.44), (0.01, 0.27)
_TEETH = {"upper": (0.80, 1.00), "lower": (0.60, 0.80)}
_MOLAR_FROM, _PREMOLAR_FROM, _CANINE = 5, 3, 2
_RING_LOW = -0.22  # height of a crown's first ring, in the gum


def make_maps(
    iris_colour_linear: np.ndarray,  # [3] mean colour of the iris, scene linear
    seed: int = 0,
    sizes: Mapping[str, int] | int | None = None,
) -> dict[str, np.ndarray]:
    """Maps by file name without ending, float32.

    `eye_diffuse` [S, S, 3] and `eye_roughness` [S, S]; `mouth_diffuse` [S, S, 3],
    `mouth_roughness` [S, S] and `mouth_normal` [S, S, 3] (0..1, OpenGL); `lashes_diffuse` [S, S, 4] with alpha.

    `sizes` gives the side in pixels of each set (`eye`, `mouth`, `lashes`), or as one number the side of the skin's
    maps, to which eye and mouth are given half and lashes a quarter (the parts are that much smaller).

    Raises:
        ValueError: the iris colour is not three finite numbers in 0..1, or a size is below 64.
    """
    colour = np.asarray(iris_colour_linear, np.float64)
    if colour.shape != (3,) or not np.isfinite(colour).all() or colour.min() < 0 or colour.max() > 1:
        raise ValueError(f"The iris colour must be three linear values in 0..1, not {iris_colour_linear}.")
    if sizes is None:
        sizes = {}
    elif isinstance(sizes, int):
        sizes = {"eye": sizes // 2, "mouth": sizes // 2, "lashes": max(sizes // 4, 64)}
    side = {name: int(sizes.get(name, default)) for name, default in DEFAULT_SIZES.items()}
    if min(side.values()) < 64:
        raise ValueError(f"Maps need at least 64 pixels a side; asked for {min(side.values())}.")
    eye, mouth, lashes = (np.random.default_rng([seed, k]) for k in range(3))
    return {
        **eye_maps(colour, eye, side["eye"]),
        **mouth_maps(mouth, side["mouth"]),
        "lashes_diffuse": lash_map(lashes, side["lashes"]),
    }


def _square(size: int) -> tuple[np.ndarray, np.ndarray]:
    """u and v [S, S] of the texel centres, row 0 at the top."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.broadcast_to(at[None], (size, size)), np.broadcast_to(1 - at[:, None], (size, size))


def _smooth(low: float, high: float, value: np.ndarray) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _mix(base: np.ndarray, colour: tuple[float, float, float] | np.ndarray, amount: np.ndarray) -> np.ndarray:
    return base + (np.asarray(colour, np.float32) - base) * amount[..., None]


def _noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma: tuple[float, float], wrap: bool = False
) -> np.ndarray:
    """Gaussian noise smoothed by (rows, columns) pixels, zero mean, unit deviation; `wrap` makes columns periodic."""
    field = rng.standard_normal(shape).astype(np.float32)
    pad = int(4 * max(sigma)) + 1
    if wrap:
        field = np.concatenate([field[:, -pad:], field, field[:, :pad]], 1)
    field = cv2.GaussianBlur(
        field, (0, 0), sigmaX=max(sigma[1], 1e-3), sigmaY=max(sigma[0], 1e-3), borderType=cv2.BORDER_REFLECT
    )
    field = field[:, pad:-pad] if wrap else field
    field = field - field.mean()
    return field / max(float(field.std()), 1e-9)


def eye_maps(colour: np.ndarray, rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Iris, pupil, sclera with veins, and the caruncle's corner."""
    u, v = _square(size)
    x, y = u - 0.5, v - 0.5
    radius = np.hypot(x, y) / MAP_LIMBUS  # 1 at the limbus
    turn = (np.arctan2(y, x) / (2 * np.pi)) % 1.0
    iris = _iris(colour, rng, radius, turn)
    sclera = _sclera(rng, x, y, radius, size)
    # The limbus is no line: the sclera creeps over the iris by half a millimetre.
    wander = 0.006 * cv2.remap(
        _noise(rng, (1, 256), (1e-3, 10), wrap=True),
        (turn * 255).astype(np.float32),
        np.zeros_like(radius),
        cv2.INTER_LINEAR,
    )
    inside = 1 - _smooth(0.95, 1.055, radius + wander)
    diffuse = _mix(sclera, 0.0, np.zeros_like(radius)) * (1 - inside[..., None]) + iris * inside[..., None]
    roughness = 0.16 + 0.28 * inside
    corner = _smooth(0.150, 0.142, u) * _smooth(0.150, 0.142, v)
    lump = _noise(rng, (size, size), (size * 0.006,) * 2)
    s = np.clip(u / 0.13, 0, 1)  # from the canthus to the eye
    flesh = _mix(
        np.broadcast_to(np.float32([0.56, 0.25, 0.215]), (size, size, 3)), (0.62, 0.40, 0.35), _smooth(0.45, 1.0, s)
    )
    flesh = flesh * (1 + 0.07 * lump[..., None])
    diffuse = diffuse * (1 - corner[..., None]) + flesh * corner[..., None]
    roughness = roughness * (1 - corner) + (0.26 + 0.03 * lump) * corner
    return {
        "eye_diffuse": np.clip(diffuse, 0, 1).astype(np.float32),
        "eye_roughness": np.clip(roughness, 0.05, 1).astype(np.float32),
    }


def _iris(colour: np.ndarray, rng: np.random.Generator, radius: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """[S, S, 3] radial fibres, collarette, crypts, limbal ring and pupil."""
    rows, columns = 160, 2048  # polar pictures: radius down, angle across
    pupil = PUPIL_RADIUS / LIMBUS_RADIUS
    fine = _noise(rng, (rows, columns), (26, 1.6), wrap=True)
    coarse = _noise(rng, (rows, columns), (18, 7), wrap=True)
    zones = _noise(rng, (rows, columns), (30, 60), wrap=True)
    crypts = _smooth(1.3, 2.4, _noise(rng, (rows, columns), (9, 14), wrap=True))
    zigzag = _noise(rng, (1, columns), (1e-3, 9), wrap=True)

    def polar(picture: np.ndarray, twist: float = 0.0) -> np.ndarray:
        share = np.clip((radius - pupil) / (1 - pupil), 0, 1)
        column = ((turn + twist * share) % 1.0) * (columns - 1)
        return cv2.remap(
            picture, column.astype(np.float32), (share * (picture.shape[0] - 1)).astype(np.float32), cv2.INTER_LINEAR
        )

    share = np.clip((radius - pupil) / (1 - pupil), 0, 1)
    collarette = 0.30 + 0.02 * polar(np.repeat(zigzag, 2, 0))
    inner = 1 - _smooth(-0.03, 0.05, share - collarette)
    ridge = np.exp(-(((share - collarette) / 0.05) ** 2))
    fibres = 1 + 0.22 * polar(fine, 0.008) + 0.20 * polar(coarse, -0.01) + 0.10 * polar(zones)
    fibres = fibres * (1 + 0.35 * ridge) * (1 - 0.5 * polar(crypts) * (1 - inner))
    lightness = float(colour.mean())
    base = np.broadcast_to(colour.astype(np.float32), (*radius.shape, 3))
    # Light irises are warmer inside the collarette, where melanin gathers; brown ones only lighter.
    warm = np.float32([1.35, 0.95, 0.55]) * lightness * 1.05
    base = _mix(base, warm, inner * (0.45 if colour[2] > colour[0] * 0.6 else 0.25))
    picture = base * np.clip(fibres, 0.25, 2.2)[..., None]
    ring = _smooth(0.80, 0.99, radius + 0.015 * polar(np.repeat(zigzag, 2, 0)))
    picture = picture * (1 - 0.72 * ring)[..., None]
    picture = picture * (0.72 + 0.28 * _smooth(0.0, 0.10, share))[..., None]  # the pupil's dark ruff
    visible = (radius > pupil * 1.1) & (radius < 0.95)
    picture = picture * (colour / np.maximum(picture[visible].mean(0), 1e-4)).astype(np.float32)
    edge = 0.0025 * polar(np.repeat(zigzag, 2, 0))
    hole = 1 - _smooth(pupil * 0.955, pupil * 1.035, radius + edge)
    return _mix(picture, (0.002, 0.002, 0.002), hole)


def _sclera(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, radius: np.ndarray, size: int) -> np.ndarray:
    """[S, S, 3] off-white, yellower and pinker towards both corners, with a few thin vessels."""
    base = np.broadcast_to(np.float32([0.52, 0.48, 0.45]), (size, size, 3))
    distance = np.hypot(x, y)
    sideways = np.abs(x) / np.maximum(distance, 1e-6)
    reach = _smooth(0.27, 0.40, distance)
    base = _mix(base, (0.48, 0.31, 0.265), 0.75 * reach * (0.25 + 0.75 * sideways**2))
    base = _mix(base, (0.45, 0.45, 0.46), 0.5 * (1 - _smooth(0.98, 1.22, radius)))  # grey where the cornea begins
    cloud = _noise(rng, (size, size), (size * 0.02,) * 2)
    base = base * (1 + 0.02 * cloud[..., None])
    scale = 4
    veins = np.zeros((size * 2, size * 2), np.uint8)
    for _ in range(110):
        side = rng.choice([0.0, np.pi])
        angle = side + rng.normal(0, 0.75)
        r = rng.uniform(0.36, 0.47)
        end = rng.uniform(0.245, 0.33)
        bend = rng.normal(0, 0.008)
        points, strength = [], int(rng.uniform(50, 170))
        while r > end:
            points.append((0.5 + r * np.cos(angle), 0.5 - r * np.sin(angle)))
            r -= 0.0035
            bend = 0.88 * bend + rng.normal(0, 0.0035)
            angle += bend + rng.normal(0, 0.004)
            if rng.random() < 0.035 and len(points) > 4:  # a branch
                _draw(veins, _branch(rng, r, angle, end), strength * 2 // 3, scale)
        _draw(veins, points, strength, scale)
    veins = cv2.GaussianBlur(veins, (0, 0), 0.8)
    veins = cv2.resize(veins, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    soft = cv2.GaussianBlur(veins, (0, 0), size / 220)
    fade = _smooth(1.08, 1.3, radius)
    base = _mix(base, (0.55, 0.20, 0.17), np.clip(veins * 0.75 + soft * 0.55, 0, 0.7) * fade)
    return base


def _branch(rng: np.random.Generator, r: float, angle: float, end: float) -> list[tuple[float, float]]:
    points, bend = [], rng.choice([-1, 1]) * 0.02
    while r > end + 0.02:
        points.append((0.5 + r * np.cos(angle), 0.5 - r * np.sin(angle)))
        r -= 0.0035
        bend = 0.85 * bend + rng.normal(0, 0.004)
        angle += bend
    return points


def _draw(canvas: np.ndarray, points: list[tuple[float, float]], strength: int, scale: int) -> None:
    if len(points) < 2:
        return
    at = np.round(np.array(points) * canvas.shape[0] * 2**scale).astype(np.int32)
    cv2.polylines(canvas, [at], False, strength, 1, cv2.LINE_AA, scale)


def mouth_maps(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Teeth, gums with palate and floor, tongue."""
    u, v = _square(size)
    diffuse = np.empty((size, size, 3), np.float32)
    diffuse[:] = (0.45, 0.16, 0.14)
    roughness = np.full((size, size), 0.3, np.float32)
    height = np.zeros((size, size), np.float32)  # millimetres
    fine = _noise(rng, (size, size), (size * 0.0016,) * 2)
    broad = _noise(rng, (size, size), (size * 0.012,) * 2)
    for upper, (low, high) in ((True, _UPPER_GUM), (False, _LOWER_GUM)):
        rows = (v >= low) & (v < high)
        gum, rough, bumps = _gums(upper, u[rows], (v[rows] - low) / (high - low), fine[rows], broad[rows])
        diffuse[rows], roughness[rows], height[rows] = gum, rough, bumps
    rows = v < _TONGUE[1] + 0.005
    diffuse[rows], roughness[rows], height[rows] = _tongue(rng, u, v, rows, fine, broad, size)
    for name, (low, high) in _TEETH.items():
        rows = (v >= low) & (v < high)
        diffuse[rows], roughness[rows], height[rows] = _teeth(
            rng, name == "upper", u[rows], (v[rows] - low) / (high - low), broad[rows]
        )
    # Millimetres per unit of u and v, region by region (teeth, gums, tongue), for slopes.
    per_u = np.select([v >= 0.60, v >= 0.28], [170.0, 62.0], 80.0)
    per_v = np.select([v >= 0.60, v >= 0.28], [85.0, 330.0], 300.0)
    slope_v, slope_u = np.gradient(height)
    slope_u, slope_v = slope_u * size / per_u, -slope_v * size / per_v
    normal = np.stack([-slope_u, -slope_v, np.ones_like(height)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return {
        "mouth_diffuse": np.clip(diffuse, 0, 1).astype(np.float32),
        "mouth_roughness": np.clip(roughness, 0.05, 1).astype(np.float32),
        "mouth_normal": (normal * 0.5 + 0.5).astype(np.float32),
    }


def _gums(upper: bool, u: np.ndarray, across: np.ndarray, fine: np.ndarray, broad: np.ndarray):
    """Colour [n, 3], roughness [n] and height [n] of a gum strip; `across` runs from the lip's fold to the midline."""
    row = (across - 0.02) / 0.96 * (_GUM_ROWS - 1)
    colour = np.broadcast_to(np.float32([0.56, 0.235, 0.205]), (len(u), 3))
    colour = _mix(colour, (0.43, 0.105, 0.095), 1 - _smooth(0.8, 2.4, row))  # loose mucosa, redder
    margin = np.exp(-(((row - _MARGIN_ROW) / 0.55) ** 2)) + np.exp(-(((row - _INNER_ROW) / 0.55) ** 2))
    colour = _mix(colour, (0.60, 0.27, 0.235), 0.5 * margin)
    socket = np.exp(-(((row - _SOCKET_ROW) / 1.0) ** 2))
    colour = _mix(colour, (0.30, 0.07, 0.06), 0.7 * socket)
    inner = _smooth(_INNER_ROW + 1.0, _INNER_ROW + 3.0, row)
    colour = _mix(colour, (0.55, 0.235, 0.20) if upper else (0.42, 0.11, 0.10), inner)
    attached = np.exp(-(((row - 2.6) / 1.0) ** 2))
    stipple = np.maximum(-fine - 0.6, 0) * attached
    colour = colour * (1 + 0.05 * broad + 0.025 * fine)[:, None]
    height = -0.06 * stipple + 0.05 * broad * inner
    if upper:  # the folds of the front of the palate
        rugae = np.sin(u * 95 + 2.2 * broad) * _smooth(0.02, 0.06, u) * (1 - _smooth(0.30, 0.42, u))
        height = height + 0.28 * rugae * _smooth(_INNER_ROW + 1.2, _INNER_ROW + 2.4, row) * (
            1 - _smooth(11.8, 12.8, row)
        )
    return colour, 0.30 + 0.05 * stipple, height


def _tongue(rng: np.random.Generator, u, v, rows: np.ndarray, fine: np.ndarray, broad: np.ndarray, size: int):
    """Colour, roughness and height over the tongue; its map runs along u from root to tip and around v."""
    around = np.clip((v[rows] - _TONGUE[0]) / (_TONGUE[1] - _TONGUE[0]), 0, 1)  # 0 and 1 below, 0.5 on top
    top = 1 - _smooth(0.16, 0.30, np.abs(around - 0.5))
    along = u[rows]
    # Threadlike papillae: fine and everywhere on top; mushroom-shaped ones: few, round, at the tip and sides.
    # The map is stretched around the tongue, so dots are drawn wider along v to come out round.
    thread = _noise(rng, (size, size), (max(size * 0.0007, 0.45), max(size * 0.0022, 0.7)))[rows]
    dots = np.zeros((size, size), np.float32)
    count = 420
    for _ in range(count):
        at_u, at_v = rng.beta(3, 1.2), 0.14 + rng.normal(0, 0.045)
        centre = (int(at_u * size), int((1 - at_v) * size))
        cv2.ellipse(
            dots, centre, (max(int(size * 0.0042), 1), max(int(size * 0.0012), 1)), 0, 0, 360, 1.0, -1, cv2.LINE_AA
        )
    dots = cv2.GaussianBlur(dots, (0, 0), 0.7)[rows]
    colour = np.broadcast_to(np.float32([0.47, 0.165, 0.155]), (len(along), 3))
    coat = top * (0.25 + 0.5 * (1 - _smooth(0.35, 0.8, along))) * np.exp(-(((around - 0.5) / 0.13) ** 2))
    colour = _mix(colour, (0.56, 0.32, 0.29), coat * np.clip(0.8 + 0.3 * thread, 0, 1.3))
    colour = _mix(colour, (0.40, 0.10, 0.105), 1 - top)
    vessel = np.exp(-(((np.abs(around - 0.5) - 0.44) / 0.02) ** 2)) * (1 - _smooth(0.85, 0.97, along))
    colour = _mix(colour, (0.25, 0.10, 0.16), 0.5 * vessel)
    colour = _mix(colour, (0.56, 0.17, 0.16), 0.6 * dots * top)
    colour = colour * (1 + 0.05 * broad[rows] + 0.03 * fine[rows])[:, None]
    height = top * (0.028 * thread + 0.05 * dots) + 0.02 * broad[rows]
    return colour, 0.36 + 0.08 * top + 0.02 * fine[rows], height


def _teeth(rng: np.random.Generator, upper: bool, u: np.ndarray, down: np.ndarray, broad: np.ndarray):
    """Colour, roughness and height of the seven cells of one arch; `down` runs from the gum to the patch's top."""
    tooth = np.minimum((u * 7).astype(int), 6)
    inside = u * 7 - tooth
    level = _RING_LOW + (np.clip(down, 0.02, 0.62) - 0.02) / 0.60 * (
        1 - _RING_LOW
    )  # height of the crown, 1 at the edge
    patch = down > 0.635
    level = np.where(patch, 1.0, level)
    shade = rng.normal(0, 0.018, 7)[tooth]
    warmth = np.array([0.0, 0.0, 0.45, 0.15, 0.2, 0.25, 0.3])[tooth]
    colour = np.broadcast_to(np.float32([0.71, 0.635, 0.50]), (len(u), 3))
    colour = _mix(colour, (0.60, 0.475, 0.30), 0.75 * (1 - _smooth(-0.05, 0.42, level)))  # dentine shows at the neck
    colour = _mix(colour, (0.64, 0.50, 0.33), 0.5 * warmth)
    front = tooth < _PREMOLAR_FROM
    edge = _smooth(0.72, 0.99, level) * np.where(front, 1.0, 0.35)
    colour = _mix(colour, (0.60, 0.585, 0.545), 0.6 * edge)  # enamel alone at the edge, greyer
    colour = _mix(colour, (0.76, 0.71, 0.60), 0.35 * np.exp(-(((level - 0.62) / 0.18) ** 2)))
    # Fissures of premolars and molars, on the patch: a line across, and for molars a cross.
    a = inside / (0.32 * 0.20 * 7) * 2 - 1 - 0.02 * 2
    b = (down - 0.65) / 0.32 * 2 - 1
    groove = np.exp(-((b / 0.10) ** 2)) * (np.abs(a) < 0.8)
    across = np.exp(-((a / 0.10) ** 2)) * (np.abs(b) < 0.8)
    fissure = patch * np.where(
        tooth >= _MOLAR_FROM, np.maximum(groove, across), np.where(tooth >= _PREMOLAR_FROM, groove, 0)
    )
    colour = _mix(colour, (0.36, 0.25, 0.14), 0.5 * fissure)
    colour = _mix(
        colour, (0.50, 0.22, 0.17), 0.55 * (1 - _smooth(-0.16, 0.06, level))
    )  # the gum's blood shines through
    colour = colour * (1 + shade + 0.02 * broad)[:, None]
    lines = np.sin(level * 60) * 0.006 * _smooth(0.0, 0.2, level) * (1 - _smooth(0.5, 0.8, level))
    return colour, 0.20 + 0.10 * (1 - _smooth(0.0, 0.3, level)) + 0.02 * broad, lines - 0.12 * fissure


def lash_map(rng: np.random.Generator, size: int) -> np.ndarray:
    """[S, S, 4] sixteen strands side by side, root below: dark brown, lighter and clear towards the tip."""
    u, v = _square(size)
    strand = np.minimum((u * 16).astype(int), 15)
    tone = rng.uniform(0.7, 1.4, 16)[strand]
    colour = np.float32([0.017, 0.0115, 0.0085]) * (tone * (1 + 0.8 * v))[..., None]
    alpha = 1 - _smooth(0.93, 1.0, v) * 0.7
    return np.concatenate([colour, alpha[..., None]], -1).astype(np.float32)
