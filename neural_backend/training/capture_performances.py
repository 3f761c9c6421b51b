"""Random heads that make random faces, rendered and looked at: what `calibrate_capture` learns from.

    python -m neural_backend.training.capture_performances OUT.npz [--heads 40] [--frames 30] [--seed 0]

Shapes from the template's statistics, skin from the reflectance prior, light and pose at random. Each head shows its
resting face several times, since a clip is judged against the rest of the person in it.
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path

import numpy as np

from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES

RESTING_FRAMES = 6  # of each head, before its faces
IRIS = np.array([[0.045, 0.020, 0.008], [0.10, 0.050, 0.018], [0.13, 0.095, 0.035], [0.10, 0.17, 0.26]])
SIDE = 320  # px
#: Moves of a face and how often one is seen in a frame. Names without a side move both.
MOVES: dict[tuple[str, ...], float] = {
    ("jawOpen",): 0.35, ("mouthSmile",): 0.25, ("mouthFrown",): 0.12, ("mouthFunnel",): 0.12, ("mouthPucker",): 0.12,
    ("mouthLeft",): 0.05, ("mouthRight",): 0.05, ("jawLeft",): 0.04, ("jawRight",): 0.04, ("jawForward",): 0.04,
    ("mouthUpperUp",): 0.12, ("mouthLowerDown",): 0.12, ("mouthStretch",): 0.1, ("mouthPress",): 0.1,
    ("mouthDimple",): 0.08, ("mouthRollUpper",): 0.06, ("mouthRollLower",): 0.06, ("mouthShrugUpper",): 0.06,
    ("mouthShrugLower",): 0.08, ("cheekPuff",): 0.06, ("cheekSquint",): 0.15, ("noseSneer",): 0.12,
    ("browDown",): 0.2, ("browInnerUp",): 0.2, ("browOuterUp",): 0.2, ("browInnerUp", "browOuterUp"): 0.1,
    ("eyeWide",): 0.12, ("eyeSquint",): 0.15, ("eyeBlink",): 0.3,
}  # fmt: skip
GLANCES = 0.45  # of the frames


def random_face(generator: np.random.Generator) -> np.ndarray:
    """[52] weights of a face that a person might make."""
    weights = np.zeros(len(ARKIT_NAMES))
    for names, chance in MOVES.items():
        if generator.random() > chance:
            continue
        height = generator.uniform(0.1, 1.0)
        for name in names:
            if name in ARKIT_INDEX:
                weights[ARKIT_INDEX[name]] += height
            else:
                uneven = np.clip(generator.normal(1.0, 0.12, 2), 0, None) if generator.random() < 0.8 else (1.0, 0.0)
                for side, share in zip(generator.permutation(["Left", "Right"]), uneven, strict=True):
                    weights[ARKIT_INDEX[f"{name}{side}"]] += height * share
    if generator.random() < GLANCES:
        across, up = generator.uniform(-0.8, 0.8), generator.uniform(-0.8, 0.8)
        left, right = ("In", "Out") if across < 0 else ("Out", "In")
        weights[ARKIT_INDEX[f"eyeLook{left}Left"]] = weights[ARKIT_INDEX[f"eyeLook{right}Right"]] = abs(across)
        for side in ("Left", "Right"):
            weights[ARKIT_INDEX[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"]] = abs(up)
    if generator.random() < 0.15:
        weights[ARKIT_INDEX["mouthClose"]] = generator.uniform(0, 1) * weights[ARKIT_INDEX["jawOpen"]]
    return np.clip(weights, 0, 1)


def perform_head(task: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """(head, frames, seed) -> truth [N, 52], scores [N, 52], landmarks [N, 478, 3], resting [N], identity [N, K]."""
    import torch

    from ..capture.footage import Frame
    from ..evaluation.known_clip import ClipRenderer, rotations
    from ..fitting.picture import photo_materials
    from ..fitting.unwrap import SkinAtlas
    from ..head.anatomy_maps import make_maps
    from ..head.personalise import personalise
    from ..head.template import HeadTemplate
    from ..models.reflectance_prior import ReflectancePrior
    from ..perception.face import FacePerception

    number, frames, seed = task
    torch.set_num_threads(1)
    generator = np.random.default_rng([seed, number])
    template, prior, perception = HeadTemplate.load(), ReflectancePrior.load(), FacePerception.load()
    identity = generator.normal(0, 0.9, len(template.identity))
    person = personalise(template, identity)
    atlas = SkinAtlas.make(template, 512)
    log = prior.log_albedo(generator.normal(0, 0.9, len(prior.vertex_log_albedo_modes)))
    texels = atlas.from_vertices(log) + atlas.resized(prior.feature_map(template))[:, None]
    diffuse = atlas.padded(np.clip(np.exp(texels), 0.003, 0.95).astype(np.float32))
    iris = IRIS[generator.integers(len(IRIS))] * np.exp(generator.normal(0, 0.15))
    anatomy = make_maps(iris, number, 1024)
    materials = photo_materials({"diffuse": diffuse}, anatomy["eye_diffuse"], anatomy["mouth_diffuse"])
    light = np.zeros((9, 3))
    light[0], light[1:4] = generator.uniform(2.5, 4.5), generator.normal([[0.4], [1.0], [0.0]], 0.7, (3, 1))
    light *= np.exp(generator.normal(0, 0.05, 3))
    focal = float(np.exp(generator.uniform(np.log(1.1), np.log(3.0))))
    renderer = ClipRenderer(
        person.vertices, person.arkit, person.joint_positions[3:5].mean(0), materials, SIDE, SIDE, focal, light
    )
    rows: dict[str, list] = {name: [] for name in ("truth", "scores", "landmarks", "resting", "view")}
    for index in range(frames + RESTING_FRAMES):
        resting = index < RESTING_FRAMES
        weights = np.zeros(len(ARKIT_NAMES)) if resting else random_face(generator)
        yaw, pitch, roll = generator.normal(0, [0.2, 0.12, 0.08])
        view = rotations(np.array([yaw]), np.array([pitch]), np.array([roll]))[0]
        picture = renderer.frame(weights, view)
        faces = perception.detect(Frame(picture, 0.0, "render"))
        if faces:
            values = weights, faces[0].blendshapes, faces[0].landmarks, resting, view
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    found = {name: np.array(values) for name, values in rows.items()}
    return found | {
        "identity": np.tile(identity, (len(found["truth"]), 1)),
        "head": np.full(len(found["truth"]), number),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--heads", type=int, default=40)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    tasks = [(number, arguments.frames, arguments.seed) for number in range(arguments.heads)]
    with multiprocessing.get_context("spawn").Pool(arguments.processes, maxtasksperchild=8) as pool:
        found = []
        for each in pool.imap_unordered(perform_head, tasks):
            found.append(each)
            print(f"{len(found)} of {len(tasks)} heads", flush=True)
    found.sort(key=lambda each: each["head"][0])
    np.savez_compressed(arguments.output, **{name: np.concatenate([each[name] for each in found]) for name in found[0]})


if __name__ == "__main__":
    main()
