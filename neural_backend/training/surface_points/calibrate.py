"""What the trained network is worth on people it has not seen: weights/surface_points.safetensors."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from ...head.template import HeadTemplate, metadata_entry
from ...lightstage.known_heads import KnownHead
from ...models.surface_points import SurfacePointConfig, SurfacePointNet
from ...perception.face import Face, FacePerception
from ...perception.surface_points import SurfacePointDetector, SurfacePoints
from ..calibrate_landmarks import calibration_heads, detections, samples_of
from ..landmark_statistics import Samples, distances, noise_by_yaw, true_points
from .losses import IdentityError
from .population import Population
from .population import load as load_population
from .renders import people_left_out

log = logging.getLogger(__name__)

RANK = 24
LEFT_OUT = "people_left_out"  # metadata: the subjects of known heads that the network has not learned from
INFLATION = 10.0  # as for the landmarks: the points' errors go together


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


def look(
    heads: Iterable[KnownHead], detector: SurfacePointDetector
) -> tuple[list[KnownHead], list[Face], list[SurfacePoints]]:
    """The heads whose face is found, the faces, and what the network sees in them."""
    seen = [(head, face, detector.find(photo, face)) for head, photo, face in detections(heads, FacePerception.load())]
    return [each[0] for each in seen], [each[1] for each in seen], [each[2] for each in seen]


def calibrate(run: Path, folders: list[Path], data: Path, output: Path) -> None:
    template, population = HeadTemplate.load(), load_population(data / "population.npz")
    net = load_net(run, len(population.points), len(template.identity))
    detector = SurfacePointDetector(net, population.point_mirror, mirrored_codes(template), "cpu")
    people = people_left_out(data / "renders.npz")
    heads, faces, found = look((head for head in calibration_heads(folders) if head.subject in people), detector)
    log.info("%d pictures of %d people that were not learned from", len(heads), len(people))
    samples = samples_of(heads, (each.places for each in found), (face.blendshapes for face in faces))
    neutral = np.array([head.neutral for head in heads])
    write(net, template, population, samples, neutral, np.array([each.code for each in found]), people, output)


def write(
    net: SurfacePointNet,
    template: HeadTemplate,
    population: Population,
    samples: Samples,  # whose landmarks are the places found
    neutral: np.ndarray,  # [N, S, 3]
    codes: np.ndarray,  # [N, K] guessed
    people: set[str],  # not learned from
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
    log.info("code: squared error %.3f of the mean head's", ((codes @ modes - wanted) ** 2).sum() / (wanted**2).sum())
    weights = {
        f"net.{key}": value.half().numpy() if value.is_floating_point() else value.numpy()
        for key, value in net.state_dict().items()
    }
    weights |= {
        "vertex_ids": ids.astype(np.int32),
        "mirror": population.point_mirror.astype(np.int32),
        "code_mirror": mirrored_codes(template),
        "yaw_nodes": nodes.astype(np.float32),
        "bias": bias.astype(np.float32),
        "variance": variance.astype(np.float32),
        "factors": factors.astype(np.float16),
        "inflation": np.array([INFLATION], np.float32),
    }
    save_file(
        weights,
        str(output),
        metadata={"pictures": metadata_entry(len(codes)), LEFT_OUT: metadata_entry(sorted(people))},
    )
