"""D_mesh and the ARKit adaptor taught by geometry alone, without pictures. Ours, beyond the paper.

Left to pictures, a small run learns people and light long before it learns what faces do. What a face does to the base
mesh is known, though: a subject's neutral head, from its captures, plus the template's ARKit shapes at any weights. So
expressions can be drawn without end, at some milliseconds each, and D_mesh moves primitives from the first picture on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...head.template import HeadTemplate
from ...lightstage.captures import CaptureSet
from ...lightstage.performances import draw_moment
from ...lightstage.subjects import with_gaze
from ...models.vrmm import losses
from ...models.vrmm.anchors import BaseMesh
from ...models.vrmm.vrmm import VRMM

log = logging.getLogger(__name__)

BATCH, RATE, CODE_RATE = 48, 2e-3, 1e-2
#: Of the squared code: keeps z_e within the prior that equation 10 draws E_e to.
CODE_WEIGHT = 2e-4
SINGLE = 0.4  # share of heads that wear a single shape, at any weight: each slider must work by itself
GAZE_RAD = 0.4


def neutral_heads(captures: CaptureSet, template: HeadTemplate) -> dict[str, np.ndarray]:
    """Subject -> [N0, 3] its head at rest, over its captures with known geometry; subjects without are left out."""
    shapes = template.arkit[:, BaseMesh.of(template).vertex_ids]  # [52, N0, 3]
    found: dict[str, list[np.ndarray]] = {}
    for name in captures.names:
        capture = captures.read(name)
        if capture.vertices is not None and capture.expression is not None:
            rest = capture.vertices - np.tensordot(capture.expression, shapes, 1)
            found.setdefault(capture.subject, []).append(rest)
    return {subject: np.mean(rests, axis=0).astype(np.float32) for subject, rests in found.items()}


def draw_faces(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """([count, 52] ARKit weights with the eyeLook shapes of the gaze, [count, 2] gaze in radians)."""
    weights, gazes = [], []
    for _ in range(count):
        face, gaze = np.zeros(52, np.float32), (0.0, 0.0)
        if generator.random() < SINGLE:
            face[generator.integers(len(face))] = generator.random()
        else:
            moment = draw_moment(generator)
            face, gaze = moment.weights, tuple(generator.uniform(-GAZE_RAD, GAZE_RAD, 2))
        weights.append(with_gaze(face, gaze) if any(gaze) else face)
        gazes.append(gaze)
    return np.stack(weights).astype(np.float32), np.array(gazes, np.float32)


def teach_geometry(
    model: VRMM,
    neutral: Mapping[str, np.ndarray],
    template: HeadTemplate,
    steps: int,
    seed: int = 0,
    with_codes: bool = True,
) -> list[float]:
    """Train D_mesh and the adaptor, and the subjects' codes unless they are to stay; the loss per step, centimetres.

    Args:
        neutral: [N0, 3] per subject, all of them known to the model.
    """
    generator = np.random.default_rng([seed, 5])
    device = model.codes.device
    shapes = torch.from_numpy(template.arkit[:, BaseMesh.of(template).vertex_ids]).to(device)
    names = sorted(neutral)
    rests = torch.from_numpy(np.stack([neutral[name] for name in names])).to(device)
    rows = [model.subjects.index(name) for name in names]
    groups = [{"params": [*model.mesh_decoder.parameters(), *model.arkit_adaptor.parameters()], "lr": RATE}]
    if with_codes:
        groups.append({"params": [model.codes], "lr": CODE_RATE})
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, RATE * 0.02)
    curve = []
    for step in range(steps):
        chosen = generator.integers(len(names), size=BATCH)
        weights, gaze = (torch.from_numpy(x).to(device) for x in draw_faces(BATCH, generator))
        truth = rests[torch.from_numpy(chosen)] + torch.tensordot(weights, shapes, 1)
        loss, code = _errors(model, [rows[index] for index in chosen], weights, gaze, truth)
        optimiser.zero_grad(set_to_none=True)
        (loss + CODE_WEIGHT * code).backward()
        optimiser.step()
        schedule.step()
        curve.append(float(loss.detach()))
        if (step + 1) % 250 == 0:
            log.info("geometry, step %d: base mesh off by %.3f cm", step + 1, float(np.mean(curve[-250:])))
    return curve


def _errors(model: VRMM, rows: list[int], weights: Tensor, gaze: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    z_e = model.arkit_adaptor(weights, gaze)
    mesh = model.mesh_decoder(model.codes[rows], z_e)
    return losses.vertex_distance(mesh, truth), z_e.square().sum(1).mean()
