"""Examples for the dense field network: what fitting landmarks gives on renders of known heads, and what is true.

    python -m neural_backend.training.dense_field.examples --known-heads FOLDER --output FOLDER

Resumable: one file per shard of known heads; a finished one is not made again.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...fitting.dense_view import Crop, SkinMesh, crop_axes, draw_model, true_fields
from ...fitting.fit import Models, load_models, observe
from ...fitting.map_initialisation import fit_landmarks
from ...fitting.parameters import HeadState
from ...head.template import HeadTemplate
from ...lightstage.known_heads import KnownHead, read_known_heads
from ...perception.image import load_photo
from ...perception.skin import skin_weight
from ...protocol.errors import MienError

log = logging.getLogger(__name__)

CODE_RIDGE = 1e-4  # square metres per squared code: the nearest code stays a plausible one
MOST_MISSED = 0.25  # of the face's size: a detection further off than this found something else


def example(head: KnownHead, models: Models, mesh: SkinMesh) -> dict[str, np.ndarray] | None:
    """One picture's example, or None where no face or another one is found."""
    photo = load_photo(head.picture)
    centre, _ = head.camera.project(head.eyes[:, :3].mean(0, keepdims=True))
    for face in models.perception.detect(photo):
        if np.linalg.norm(face.landmarks[[468, 473], :2].mean(0) - centre[0]) < MOST_MISSED * face.size:
            break
    else:
        return None
    matte = models.matte.matte(photo, face)
    observation, _ = observe(photo, face, matte, skin_weight(photo, face, matte))
    try:
        fitted = fit_landmarks(models.evidence, [observation])
    except MienError:
        return None
    crop = Crop.around(observation.landmarks, fitted.photos[0].camera())
    share = np.random.default_rng([head.details["seed"], 43]).uniform(0.2, 1.0)
    models_drawn, truths = [], []
    for state in (fitted, towards_truth(models.template, fitted, head, share)):
        camera = state.photos[0].camera()
        vertices = models.template.shape(state.identity, state.photos[0].expression)
        crop = replace(crop, axes=crop_axes(crop.roi, camera))
        models_drawn.append(draw_model(mesh, crop, camera, vertices)[0])
        truths.append(true_fields(mesh, crop, camera, vertices, head.camera, head.vertices))
    return {
        "name": np.array(head.name),
        "subject": np.array(head.subject),
        "picture": crop.picture(photo.srgb).transpose(2, 0, 1),
        "model": np.array(models_drawn, np.float16),  # [2, 7, 128, 128]: landmark fit, nearer the truth
        "truth": np.array(truths, np.float16),  # [2, 6, 64, 64]
    }


def towards_truth(template: HeadTemplate, fitted: HeadState, head: KnownHead, share: float) -> HeadState:
    """The fit moved by a share of the way to the truth in all unknowns: what a second look starts from."""
    photo, true = fitted.photos[0], head.camera
    count = len(head.neutral)
    design = template.identity[:, :count].reshape(len(template.identity), -1).astype(np.float64)
    wanted = (head.neutral - template.vertices[:count]).astype(np.float64).ravel()
    nearest = np.linalg.solve(design @ design.T + CODE_RIDGE * np.eye(len(design)), design @ wanted)
    turn = cv2.Rodrigues(true.rotation @ photo.rotation.T)[0][:, 0]
    # The place in the picture and the logarithms of depth and focal length go evenly: the face stays in its place.
    place, depth = photo.translation[:2] / photo.translation[2], np.log(photo.translation[2])
    place = place + share * (true.translation[:2] / true.translation[2] - place)
    depth = np.exp(depth + share * (np.log(true.translation[2]) - depth))
    between = replace(
        photo,
        rotation=cv2.Rodrigues(share * turn)[0] @ photo.rotation,
        translation=np.append(place, 1.0) * depth,
        focal_px=float(photo.focal_px * (true.focal_px / photo.focal_px) ** share),
        expression=photo.expression + share * (head.expression - photo.expression),
    )
    return HeadState(fitted.identity + share * (nearest - fitted.identity), [between])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, required=True)
    parser.add_argument("--split", default="training")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--watch", action="store_true", help="wait for shards that are still being rendered")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    models = load_models(dense_fields=False)
    mesh = SkinMesh.of(models.template)
    arguments.output.mkdir(parents=True, exist_ok=True)
    while True:
        shards = sorted((arguments.known_heads / arguments.split).glob("shard_*.npz"))
        for shard in shards:
            write_examples(shard, arguments.output / shard.name, models, mesh)
        if not arguments.watch:
            break
        time.sleep(10)


def write_examples(shard: Path, output: Path, models: Models, mesh: SkinMesh) -> None:
    """The examples of one shard's pictures, all at once or not at all."""
    if output.exists():
        return
    began = time.perf_counter()
    heads = list(read_known_heads(shard.parent, shard=shard.name))
    found = [one for one in (example(head, models, mesh) for head in heads) if one is not None]
    if not found:
        log.warning("%s: no face found in any picture", shard.name)
        return
    partial = output.with_name("partial_" + output.name)
    np.savez(partial, **{key: np.stack([one[key] for one in found]) for key in found[0]})
    partial.replace(output)
    log.info(
        "%s: %d of %d, %.2f s each", shard.name, len(found), len(heads), (time.perf_counter() - began) / len(heads)
    )


if __name__ == "__main__":
    main()
