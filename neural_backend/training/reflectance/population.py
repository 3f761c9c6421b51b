"""A population of skins per vertex: photographic CC0 deviations on skin-model tones, with regional variation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .regions import membrane
from .skin_model import SkinModel, lightness

#: Google's Monk skin tone scale, sRGB. Its ends are lighter and darker than diffuse skin: it orders, we compress.
MONK_HEX = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
LIGHTNESS_RANGE = (30.0, 72.0)
#: Blood fraction of the dermis: gives the a* of measured cheeks (about 12 at L* 64), which flush more than arms.
MEAN_BLOOD = 0.075
#: Carotene and bilirubin, which the two layers leave out, take some blue (log).
PIGMENT_OFFSET = np.array([0.0, 0.0, -0.06])
#: Albedo of what the photo never shows in this UV, relative to the person's skin tone: log offsets.
MOUTH_OFFSET = np.log([0.80, 0.46, 0.44])
SOCKET_OFFSET = np.log([0.88, 0.66, 0.64])
NOSTRIL_OFFSET = np.log([0.62, 0.45, 0.42])


@dataclass(frozen=True)
class SkinSource:
    """One CC0 skin as a tone and a deviation from it."""

    tone: np.ndarray  # [3] log albedo of cheeks and forehead
    deviation: np.ndarray  # [V, 3] log albedo minus tone, symmetric, scalp and lids cleaned


def clean_source(
    albedo: np.ndarray,  # [V, 3] linear
    regions: dict[str, np.ndarray],
    painted: np.ndarray,  # [V] bool: where the maps have eyes, lashes and the line of the mouth painted on
    quads: np.ndarray,  # [F, 4] skin quads
    mirror: np.ndarray,  # [V]
) -> SkinSource:
    """Take tone and deviation from one map: hair, painted eyes and mouth lines are filled from the skin around them."""
    log = np.log(np.clip(albedo, 0.004, 1))
    known = (regions["scalp"] < 0.01) & (regions["interior"] < 0.5) & ~painted
    log = membrane(log, known, quads)
    face = np.maximum(regions["cheeks"], regions["forehead"])
    tone = np.average(log, axis=0, weights=face)
    deviation = log - tone
    # Light baked into a photograph is rarely the same on both sides; skin mostly is.
    deviation = (deviation + deviation[mirror]) / 2
    # Under the hair of the maps nothing is known: the scalp takes the forehead's colour.
    scalp = regions["scalp"][:, None]
    deviation = deviation * (1 - scalp) + np.average(deviation, axis=0, weights=regions["forehead"]) * scalp
    return SkinSource(tone, deviation)


class Population:
    """Draws people."""

    def __init__(
        self,
        sources: list[SkinSource],
        model: SkinModel,
        vertices: np.ndarray,  # [V, 3] metres
        mirror: np.ndarray,  # [V]
        regions: dict[str, np.ndarray],
        interior: dict[str, np.ndarray],  # 'mouth_bag', 'socket', 'nostril' -> [V] 0/1
    ):
        self.sources, self.model, self.regions, self.interior = sources, model, regions, interior
        self.tones = np.stack([source.tone for source in sources])
        self.fields = _Fields(vertices, mirror)
        targets = np.array([[int(code[k : k + 2], 16) for k in (0, 2, 4)] for code in MONK_HEX]) / 255
        monk = lightness(((targets + 0.055) / 1.055) ** 2.4)
        low, high = LIGHTNESS_RANGE
        self.monk_lightness = low + (monk - monk.min()) / np.ptp(monk) * (high - low)
        self.melanin_axis = np.geomspace(0.008, 0.45, 200)

    def tone(self, generator: np.random.Generator) -> np.ndarray:
        """[3] log albedo of one person's skin: uniform over the Monk scale."""
        wanted = np.interp(generator.uniform(0, 9), np.arange(10), self.monk_lightness)
        blood = np.exp(generator.normal(np.log(MEAN_BLOOD), 0.25))
        family = self.model.reflectance(self.melanin_axis, np.full(200, blood))
        melanin = np.interp(-wanted, -lightness(family), self.melanin_axis)
        tone = np.log(self.model.reflectance(melanin, blood)[0])
        return tone + PIGMENT_OFFSET + generator.normal(0, 0.035, 3) * [0.5, 0.7, 1.4]

    def tone_curve(self, count: int = 33) -> np.ndarray:
        """[count, 3] log albedo of the average skin from dark to light: the line that tones scatter about."""
        family = self.model.reflectance(self.melanin_axis, np.full(len(self.melanin_axis), MEAN_BLOOD))
        wanted = np.linspace(LIGHTNESS_RANGE[0] - 2, LIGHTNESS_RANGE[1] + 2, count)
        melanin = np.interp(-wanted, -lightness(family), self.melanin_axis)
        return np.log(self.model.reflectance(melanin, np.full(count, MEAN_BLOOD))) + PIGMENT_OFFSET

    def person(self, generator: np.random.Generator) -> np.ndarray:
        """[V, 3] log albedo of one drawn person."""
        tone = self.tone(generator)
        # Deviations of skins of similar tone: contrast and hue of lips or brows depend on it.
        near = np.exp(-0.5 * (np.abs(self.tones - tone).mean(1) / 0.5) ** 2) + 1e-3
        first, second = generator.choice(len(self.sources), 2, p=near / near.sum())
        share = generator.beta(0.5, 0.5)
        deviation = share * self.sources[first].deviation + (1 - share) * self.sources[second].deviation
        log = tone + deviation * np.clip(generator.normal(0.9, 0.22), 0.3, 1.5)
        # What is not seen in a photo should take its tone from what is: no freedom of its own for scalp and neck.
        apart = 1 - 0.75 * np.clip(self.regions["scalp"] + self.regions["neck"], 0, 1)
        melanin, blood, plain = self.fields.draw(generator, 3) * apart
        log = log + 0.06 * melanin[:, None] * [0.7, 1.0, 1.35] + 0.06 * blood[:, None] * [0.25, 1.0, 0.75]
        log = log + 0.035 * plain[:, None]
        regions = self.regions
        lips = regions["lips"][:, None]
        log = log + lips * (generator.normal(0, 0.14) + generator.normal(0, 0.16) * np.array([0.1, 1.0, 0.8]))
        flush = (regions["nose"] + 0.7 * regions["cheeks"] + 0.6 * regions["ears"])[:, None]
        log = log + flush * generator.normal(0.03, 0.07) * np.array([-0.2, -1.0, -0.8])
        dark_hair = np.array([0.9, 1.0, 1.05])
        log = log - regions["brows"][:, None] * np.abs(generator.normal(0.32, 0.25)) * dark_hair
        if generator.random() < 0.45:
            log = log - regions["beard"][:, None] * np.abs(generator.normal(0, 0.22)) * [1.1, 1.0, 0.9]
        for name, offset in (("mouth_bag", MOUTH_OFFSET), ("socket", SOCKET_OFFSET), ("nostril", NOSTRIL_OFFSET)):
            # Mucous membrane has little melanin: it follows the skin's tone only in part.
            base = np.log([0.52, 0.42, 0.36]) * 0.55 + tone * 0.45 if name != "nostril" else tone
            inside = self.interior[name][:, None]
            log = log * (1 - inside) + (base + offset) * inside
        return np.clip(log, np.log(0.006), np.log(0.93)).astype(np.float32)


class _Fields:
    """Smooth random fields on the head, unit variance: mostly symmetric, about 35 mm across."""

    def __init__(self, vertices: np.ndarray, mirror: np.ndarray, spacing: float = 0.028, width: float = 0.03):
        points = np.asarray(vertices, np.float64)
        centres, free = [], np.ones(len(points), bool)
        for index in np.random.default_rng(0).permutation(len(points)):
            if free[index]:
                centres.append(index)
                free[np.linalg.norm(points - points[index], axis=1) < spacing] = False
        distance = np.linalg.norm(points[:, None] - points[centres][None], axis=-1)
        basis = np.exp(-0.5 * (distance / width) ** 2)
        self.basis = (basis / np.linalg.norm(basis, axis=1, keepdims=True)).astype(np.float32)  # [V, C]
        self.mirror = mirror

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """[count, V]."""
        field = generator.normal(size=(count, self.basis.shape[1])).astype(np.float32) @ self.basis.T
        mirrored = field[:, self.mirror]
        even, odd = (field + mirrored) / np.sqrt(2), (field - mirrored) / np.sqrt(2)
        return 0.95 * even + 0.31 * odd
