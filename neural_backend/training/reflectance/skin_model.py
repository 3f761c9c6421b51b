"""Two-layer skin: melanin in the epidermis over blood in the dermis, as linear Rec.709 reflectance.

Both layers follow Kubelka and Munk, so that the epidermis scatters as well as absorbs: a plain Beer-Lambert epidermis
turns dark skin orange-black. Layer formula: Kortuem, "Reflectance Spectroscopy", 1969, eq. 4.18-4.24. Constants: S. L.
Jacques, "Skin Optics", OMLC News, 1998 (melanosome and baseline absorption); S. Prahl's compilation of haemoglobin
extinction (OMLC); reduced scattering of Donner and Jensen 2006. Colour matching: the analytic fit of Wyman, Sloan and
Shirley, JCGT 2013; equal-energy light, normalised so that a white sheet is (1, 1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

WAVELENGTHS = np.arange(400.0, 701.0, 5.0)  # nm
EPIDERMIS_CM = 0.006
OXYGENATION = 0.75
#: Grams of haemoglobin per litre of whole blood, and its molar mass.
BLOOD_HAEMOGLOBIN, HAEMOGLOBIN_MOLAR_MASS = 150.0, 64500.0
RGB_FROM_XYZ = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)


@dataclass(frozen=True)
class SkinModel:
    """Reflectance as a function of melanosome fraction and blood fraction."""

    haemoglobin_cm: np.ndarray  # [W] absorption of whole blood, 1/cm

    @classmethod
    def load(cls, extinction_file: Path) -> SkinModel:
        """Read Prahl's table: columns nm, HbO2, Hb in 1/cm/M."""
        table = np.loadtxt(extinction_file)
        oxy, deoxy = (np.interp(WAVELENGTHS, table[:, 0], table[:, column]) for column in (1, 2))
        molar = BLOOD_HAEMOGLOBIN / HAEMOGLOBIN_MOLAR_MASS
        return cls(2.303 * molar * (OXYGENATION * oxy + (1 - OXYGENATION) * deoxy))

    def reflectance(self, melanin: np.ndarray, blood: np.ndarray) -> np.ndarray:
        """[N] melanosome fractions (0.01..0.45) and [N] blood fractions (0.005..0.1) -> [N, 3] linear Rec.709."""
        melanin, blood = (np.atleast_1d(np.asarray(value, np.float64))[:, None] for value in (melanin, blood))
        nm = WAVELENGTHS[None]
        baseline = 0.244 + 85.3 * np.exp(-(nm - 154) / 66.2)
        scattering = 10 * (14.74 * nm**-0.22 + 2.2e11 * nm**-4)  # 1/cm
        epidermis = melanin * 6.6e11 * nm**-3.33 + (1 - melanin) * baseline
        dermis = blood * self.haemoglobin_cm[None] + (1 - blood) * baseline
        upper, through = _kubelka_munk_layer(epidermis, scattering, EPIDERMIS_CM)
        ratio = 2 * dermis / (0.75 * scattering)
        lower = 1 + ratio - np.sqrt(ratio**2 + 2 * ratio)  # infinitely thick
        spectrum = upper + through**2 * lower / (1 - upper * lower)
        return spectrum @ _rgb_weights().T


def _kubelka_munk_layer(absorption: np.ndarray, scattering: np.ndarray, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse reflectance and transmittance of one layer."""
    s, k = 0.75 * scattering, 2 * absorption
    a = 1 + k / s
    b = np.sqrt(a**2 - 1)
    x = np.clip(b * s * depth, 1e-9, 60)
    denominator = a * np.sinh(x) + b * np.cosh(x)
    return np.sinh(x) / denominator, b / denominator


def _rgb_weights() -> np.ndarray:
    """[3, W] rows that turn a reflectance spectrum into linear Rec.709, white sheet = 1."""

    def lobe(mean: float, below: float, above: float) -> np.ndarray:
        t = (WAVELENGTHS - mean) * np.where(WAVELENGTHS < mean, below, above)
        return np.exp(-0.5 * t * t)

    x = 0.362 * lobe(442.0, 0.0624, 0.0374) + 1.056 * lobe(599.8, 0.0264, 0.0323) - 0.065 * lobe(501.1, 0.0490, 0.0382)
    y = 0.821 * lobe(568.8, 0.0213, 0.0247) + 0.286 * lobe(530.9, 0.0613, 0.0322)
    z = 1.217 * lobe(437.0, 0.0845, 0.0278) + 0.681 * lobe(459.0, 0.0385, 0.0725)
    weights = RGB_FROM_XYZ @ np.stack([x, y, z])
    return weights / weights.sum(1, keepdims=True)


def lightness(linear: np.ndarray) -> np.ndarray:
    """[..., 3] linear Rec.709 -> [...] CIE L*."""
    luminance = np.asarray(linear) @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)
