"""Random looks for a known head: skin, hair, brows, eyes, beard, glasses, clothing. Plain data, no Blender."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from .materials import SkinLook

#: Monk Skin Tone scale, sRGB (Monk 2019, skintone.google), lightest to darkest.
MONK = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
#: The swatches are brighter than diffuse albedo measured on skin: lightest cheeks are near 0.55 linear.
MONK_GAIN = 0.72
#: Linear hair colours: black, dark brown, brown, light brown, blond, red, grey, white.
HAIR = np.array([
    [0.008, 0.007, 0.007], [0.020, 0.013, 0.009], [0.045, 0.026, 0.015], [0.095, 0.058, 0.033],
    [0.26, 0.17, 0.085], [0.14, 0.045, 0.016], [0.17, 0.165, 0.16], [0.42, 0.41, 0.39],
])  # fmt: skip
IRIS = np.array([[0.045, 0.020, 0.008], [0.10, 0.050, 0.018], [0.13, 0.095, 0.035], [0.09, 0.12, 0.06],
                 [0.10, 0.17, 0.26], [0.19, 0.23, 0.26]])  # fmt: skip
MALE_HAIR = ("bald", "buzz", "short01", "short02", "short04", "short02", "short03", "afro")
FEMALE_HAIR = ("braid01", "short02", "short01", "braid01", "short04", "braid01", "bob02", "short03", "buzz", "afro")
#: Styles whose fringe hangs over an eye: variety for calibration, but no face to measure a fit on.
OVER_THE_EYE = ("bob02", "short03")
#: Held out of the calibration split, so that proof heads wear skins it has not seen.
PROOF_SKINS = (
    "young_lightskinned_female_diffuse3", "middleage_lightskinned_male_diffuse2", "young_darkskinned_male_diffuse",
    "young_lightskinned_male_diffuse3",
)  # fmt: skip


@dataclass(frozen=True)
class Glasses:
    width: float  # lens width, metres
    height: float
    roundness: float  # superellipse exponent: 2 round, 6 boxy
    thickness: float
    colour: tuple[float, float, float]
    metallic: float


@dataclass(frozen=True)
class Look:
    """Everything about a subject's appearance that is not shape."""

    skin: SkinLook
    hair: str  # a style's name, 'bald' or 'buzz'
    hair_colour: tuple[float, float, float]
    brow: str
    brow_colour: tuple[float, float, float]
    brow_opacity: float
    lashes: str
    lash_opacity: float
    iris: tuple[float, float, float]
    iris_picture: str
    pupil: float
    beard: str  # 'none', 'stubble', 'moustache', 'goatee', 'full'
    stubble: float
    lipstick: float
    glasses: Glasses | None
    cloth: tuple[float, float, float]
    cloth_pattern: float


class Wardrobe:
    """The CC0 assets on disk and random looks made of them.

    Args:
        folder: the makehuman_cc0 collection (skins/, hair/, eyebrows/, eyelashes/, eyes/, teeth/, tongue/).
        face_uv: [N, 2] MakeHuman UV of cheek and forehead vertices, where a skin map's own tone is read.
    """

    def __init__(self, folder: Path, face_uv: np.ndarray):
        self.folder = Path(folder)
        self.face_uv = face_uv
        if not (self.folder / "skins/textures").is_dir():
            raise FileNotFoundError(f"{folder} has no skins/textures: give the folder of MakeHuman's CC0 assets.")

    @cached_property
    def skins(self) -> dict[str, tuple[Path, np.ndarray]]:
        """Skin name -> (file, [3] its mean linear colour on the face)."""
        found = {}
        for path in sorted((self.folder / "skins/textures").glob("*_diffuse*.png")):
            picture = cv2.imread(str(path))[..., ::-1].astype(np.float32) / 255
            linear = srgb_to_linear(picture)
            height, width = linear.shape[:2]
            columns = np.clip((self.face_uv[:, 0] * width).astype(int), 0, width - 1)
            rows = np.clip(((1 - self.face_uv[:, 1]) * height).astype(int), 0, height - 1)
            found[path.stem] = (path, np.median(linear[rows, columns], axis=0))
        return found

    def draw(self, generator: np.random.Generator, female: float, age: float, proof: bool) -> Look:
        """A random look that suits a sex (0 man .. 1 woman) and an age (0 young .. 1 old)."""
        woman = generator.random() < female
        tone_place = generator.uniform(0.3, 8.6)
        dark = tone_place > 5.6
        names = [name for name in self.skins if (name in PROOF_SKINS) == proof]
        kind = [name for name in names if ("darkskinned" in name) == dark] or names
        sexed = [name for name in kind if ("female" in name) == woman] or kind
        texture, reference = self.skins[str(generator.choice(sexed))]
        tone = monk_tone(tone_place) * np.exp(generator.normal(0, 0.05, 3))
        grey = generator.random() < 0.75 * age
        if grey:
            hair = HAIR[6 + int(generator.random() < 0.4 * age)]
        else:
            hair = HAIR[generator.choice(6, p=[0.7, 0.3, 0, 0, 0, 0] if dark else [0.2, 0.26, 0.22, 0.14, 0.12, 0.06])]
        hair = hair * np.exp(generator.normal(0, 0.18))
        style = str(generator.choice(FEMALE_HAIR if woman else MALE_HAIR))
        if proof and style in OVER_THE_EYE:
            style = "braid01" if woman else "short02"
        if style == "afro" and not dark:
            style = "short01"
        if style == "bald" and generator.random() < 0.4:
            style = "short02"
        beard = "none" if woman else str(generator.choice(
            ["none", "stubble", "moustache", "goatee", "full"], p=[0.42, 0.28, 0.06, 0.08, 0.16]))  # fmt: skip
        brow_hair = hair * (0.55 if hair.mean() > 0.12 else 0.9)
        skin = SkinLook(
            texture=texture,
            reference=tuple(map(float, reference)),
            tone=tuple(map(float, np.clip(tone, 0.01, 0.75))),
            contrast=float(generator.uniform(0.85, 1.15)),
            roughness=float(generator.uniform(0.46, 0.68)),
            specular=float(generator.uniform(0.3, 0.5)),
            bump=float(generator.uniform(0.1, 0.35) + 0.15 * age),
            freckles=float(generator.uniform(0.1, 0.5)) if generator.random() < 0.15 and not dark else 0.0,
            redness=float(generator.uniform(0.0, 0.5)),
            hair=tuple(map(float, hair * 0.7 + tone * 0.12)),
            lipstick=tuple(map(float, tone * generator.uniform([0.7, 0.2, 0.2], [1.1, 0.5, 0.55]))),
        )
        iris = IRIS[generator.choice(6, p=[0.8, 0.2, 0, 0, 0, 0] if dark else [0.22, 0.25, 0.15, 0.12, 0.16, 0.10])]
        return Look(
            skin=skin,
            hair=style,
            hair_colour=tuple(map(float, hair)),
            brow=f"eyebrow{generator.choice([1, 2, 3, 4, 5, 8, 9, 10, 11, 12]):03d}",
            brow_colour=tuple(map(float, brow_hair)),
            brow_opacity=float(generator.uniform(0.7, 1.0)),
            lashes=f"eyelashes0{generator.choice([1, 2, 3])}",
            lash_opacity=float(generator.uniform(0.55, 1.0) if woman else generator.uniform(0.25, 0.6)),
            iris=tuple(map(float, iris * np.exp(generator.normal(0, 0.15)))),
            iris_picture=str(generator.choice(["blue", "brownlight", "green", "grey"])),
            pupil=float(generator.uniform(0.28, 0.48)),
            beard=beard,
            stubble=float(generator.uniform(0.12, 0.4)),
            lipstick=float(generator.uniform(0.2, 0.75)) if woman and generator.random() < 0.5 else 0.0,
            glasses=_draw_glasses(generator) if generator.random() < 0.13 else None,
            cloth=tuple(map(float, generator.uniform(0.01, 0.6) * np.exp(generator.normal(0, 0.5, 3)).clip(0.3, 1.6))),
            cloth_pattern=float(generator.uniform(0, 0.8)),
        )


def _draw_glasses(generator: np.random.Generator) -> Glasses:
    metallic = float(generator.random() < 0.4)
    grey = generator.uniform(0.3, 0.7) if metallic else generator.uniform(0.005, 0.12)
    return Glasses(
        width=float(generator.uniform(0.046, 0.054)),
        height=float(generator.uniform(0.032, 0.044)),
        roundness=float(generator.uniform(2.0, 5.0)),
        thickness=float(generator.uniform(0.0006, 0.0010) if metallic else generator.uniform(0.0010, 0.0020)),
        colour=tuple(map(float, np.clip(grey * np.exp(generator.normal(0, 0.25, 3)), 0, 0.9))),
        metallic=metallic,
    )


def monk_tone(place: float) -> np.ndarray:
    """[3] linear albedo at a place 0..9 on the Monk scale, between its swatches."""
    swatches = np.array([[int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)] for code in MONK])
    linear = srgb_to_linear(swatches) * MONK_GAIN
    # The swatches are nearly grey at both ends. Their lightness is kept; the hue follows measured skin, whose blue and
    # green fall behind red as melanin grows (data of Jablonski and Chaplin 2000 in chromaticity).
    green = np.interp(place, [0, 4, 9], [0.66, 0.60, 0.57])
    blue = np.interp(place, [0, 4, 9], [0.54, 0.43, 0.38])
    hue = np.array([1.0, green, blue])
    weights = np.array([0.2126, 0.7152, 0.0722])
    lightness = np.exp(np.interp(place, np.arange(10), np.log(linear @ weights)))
    return hue * max(float(lightness / (hue @ weights)), 0.05)


def srgb_to_linear(value: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding of 0..1 values."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(value: np.ndarray) -> np.ndarray:
    value = np.clip(value, 0, 1)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
