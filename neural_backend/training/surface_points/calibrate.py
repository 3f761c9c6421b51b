"""What the trained network is worth on people it has not seen: weights/surface_points.safetensors."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from ...head.template import HeadTemplate, metadata_entry
from ...models.surface_points import SurfacePointConfig, SurfacePointNet
from ...perception.face import FacePerception
from ...perception.image import load_photo
from ...perception.surface_points import SurfacePointDetector, SurfacePoints
from ..calibrate_landmarks import calibration_heads, facing
from ..landmark_statistics import Samples, distances, noise_by_yaw, true_points
from .losses import IdentityError
from .population import Population
from .renders import HELD_OUT

log = logging.getLogger(__name__)

RANK = 24
INFLATION = 10.0  # as for the landmarks: the points' errors go together
CODE_RIDGE = 5e-6  # square metres per squared code: the nearest code stays a plausible one


def mirrored_codes(template: HeadTemplate) -> np.ndarray:
    """[K] 1 where a mode is mirror symmetric, -1 where it is not."""
    other = template.identity[:, template.mirror] * np.array([-1, 1, 1], np.float32)
    return np.sign(np.einsum("kvc,kvc->k", template.identity, other)).astype(np.int8)


def load_net(run: Path, points: int, identity: int) -> SurfacePointNet:
    """The averaged weights of a training run."""
    net = SurfacePointNet(SurfacePointConfig(points, identity), torch.zeros(points, 2))
    state = torch.load(run / "average.pt", map_location="cpu", weights_only=True)
    net.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    return net


def look(folders: list[Path], detector: SurfacePointDetector) -> tuple[Samples, np.ndarray, list[SurfacePoints]]:
    """(samples whose landmarks are the places found, [N, S, 3] neutral skins, answers) on held-out people."""
    perception = FacePerception.load()
    heads = list(calibration_heads(folders))
    left_out = set(np.unique([head.subject for head in heads])[::HELD_OUT])
    rows: dict[str, list] = {name: [] for name in Samples.__dataclass_fields__}
    neutral, answers = [], []
    for head in heads:
        if head.subject not in left_out:
            continue
        photo = load_photo(head.picture)
        face = facing(head, perception.detect(photo))
        if face is None:
            continue
        found = detector.find(photo, face)
        answers.append(found)
        neutral.append(head.neutral)
        for name, value in (
            ("intrinsics", head.camera.intrinsics), ("rotation", head.camera.rotation),
            ("translation", head.camera.translation), ("vertices", head.vertices), ("landmarks", found.places),
            ("scores", face.blendshapes), ("expression", head.expression),
        ):  # fmt: skip
            rows[name].append(value)
    log.info("%d pictures of %d people that were not learned from", len(answers), len(left_out))
    samples = Samples(**{name: np.array(values, np.float64) for name, values in rows.items()})
    return samples, np.array(neutral), answers


def calibrate(run: Path, folders: list[Path], population: Population, output: Path) -> None:
    template = HeadTemplate.load()
    net = load_net(run, len(population.points), len(template.identity))
    detector = SurfacePointDetector(net, population.point_mirror, mirrored_codes(template), "cpu")
    samples, neutral, answers = look(folders, detector)
    write(net, template, population, samples, neutral, np.array([found.code for found in answers]), output)


def write(
    net: SurfacePointNet,
    template: HeadTemplate,
    population: Population,
    samples: Samples,  # whose landmarks are the places found
    neutral: np.ndarray,  # [N, S, 3]
    codes: np.ndarray,  # [N, K] guessed
    output: Path,
) -> None:
    """The network with what is known of its errors, as it ships."""
    ids = population.points
    triangle = np.repeat(ids[:, None], 3, 1)
    barycentric = np.tile([1.0, 0.0, 0.0], (len(ids), 1))
    residual = distances(samples, true_points(samples, triangle, barycentric, np.zeros((len(ids), 3))))
    nodes, bias, variance, factors = noise_by_yaw(
        residual, samples.yaw(), samples.pitch(), population.point_mirror, RANK
    )
    for node, spread in zip(nodes, variance, strict=True):
        log.info("yaw %+3.0f: %.2f mm per axis", np.degrees(node), 1e3 * np.sqrt(spread.mean()))
    error = IdentityError(template, population.face, torch.device("cpu"))
    modes = error.modes.numpy().astype(np.float64)
    wanted = error.wanted(torch.from_numpy(neutral[:, population.face])).numpy()
    nearest = np.linalg.solve(modes @ modes.T + CODE_RIDGE * np.eye(len(modes)), modes @ wanted.T).T
    log.info("code: squared error %.3f of the mean head's", ((codes @ modes - wanted) ** 2).sum() / (wanted**2).sum())
    weights = {
        f"net.{key}": value.half().numpy() if value.is_floating_point() else value.numpy()
        for key, value in net.state_dict().items()
    }
    weights |= {
        "vertex_ids": ids.astype(np.int32),
        "mirror": population.point_mirror.astype(np.int32),
        "code_mirror": mirrored_codes(template),
        "code_variance": ((nearest - codes) ** 2).mean(0).astype(np.float32),
        "yaw_nodes": nodes.astype(np.float32),
        "bias": bias.astype(np.float32),
        "variance": variance.astype(np.float32),
        "factors": factors.astype(np.float16),
        "inflation": np.array([INFLATION], np.float32),
    }
    save_file(weights, str(output), metadata={"pictures": metadata_entry(len(codes))})
