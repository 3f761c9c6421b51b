"""Geometry first: what a face does to the base mesh is learned without a picture; what transfers is E_e's own code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from neural_backend.lightstage.captures import CaptureSet
from neural_backend.models.vrmm.anchors import BaseMesh
from neural_backend.models.vrmm.vrmm import VRMM
from neural_backend.protocol.arkit import ARKIT_INDEX
from neural_backend.training.vrmm.dataset import Captures
from neural_backend.training.vrmm.geometry import draw_faces, neutral_heads, teach_geometry
from neural_backend.training.vrmm.objective import Objective


def test_rest_is_what_is_left_without_the_expression(little_stage, template):
    neutral = neutral_heads(CaptureSet.open(little_stage), template)
    mean = template.vertices[BaseMesh.of(template).vertex_ids]
    assert set(neutral) == {"anna", "ben", "cleo"}
    assert all(np.abs(rest - mean).max() < 1e-5 for rest in neutral.values())


def test_sliders_move_the_base_mesh_after_some_seconds(little_stage, template, recipe):
    config = replace(recipe.config, expression=24, mesh_hidden=64, adaptor_hidden=64)
    model = VRMM(config, template, ("anna", "ben", "cleo"), seed=1)
    codes = model.codes.detach().clone()
    neutral = neutral_heads(CaptureSet.open(little_stage), template)
    curve = teach_geometry(model, neutral, template, 150, with_codes=False)
    assert np.mean(curve[-20:]) < 0.65 * np.mean(curve[:5])
    torch.testing.assert_close(model.codes.detach(), codes)
    jaw = torch.zeros(2, 52)
    jaw[1, ARKIT_INDEX["jawOpen"]] = 1
    with torch.no_grad():
        mesh = model.mesh_decoder(codes[[0, 0]], model.arkit_adaptor(jaw, torch.zeros(2, 2)))
    moved = (mesh[1] - mesh[0]).numpy()
    true = template.arkit[ARKIT_INDEX["jawOpen"], BaseMesh.of(template).vertex_ids]
    assert 0.5 < (moved * true).sum() / (true**2).sum() < 1.5


def test_faces_that_look_aside_have_the_shapes_of_their_gaze():
    weights, gaze = draw_faces(200, np.random.default_rng(0))
    aside = np.abs(gaze[:, 0]) > 0.1
    turned = weights[:, ARKIT_INDEX["eyeLookOutLeft"]] - weights[:, ARKIT_INDEX["eyeLookInLeft"]]
    assert aside.sum() > 50 and (np.sign(turned[aside]) == np.sign(gaze[aside, 0])).all()
    single = (weights > 0).sum(1) == 1
    assert 40 < single.sum() < 140 and weights.min() >= 0 and weights.max() <= 1


def test_equation_12_is_given_what_the_encoder_said(little_stage, template, recipe, monkeypatch):
    """Not the adaptor's code, which guided pictures are decoded from."""
    recipe = replace(recipe, guided=1, consistency_from=0, consistency_every=1)
    model, objective = VRMM(recipe.config, template, ("anna", "ben", "cleo")), Objective(recipe, None)
    config = recipe.config
    captures = Captures(little_stage, config.encoder_size, config.encoder_views, 0, 50, 0)
    seen = []
    monkeypatch.setattr(
        Objective, "_consistency", lambda self, m, batch, z_id, z_e, *rest: seen.append((batch, z_e)) or []
    )
    objective(model, captures.batch(0, range(2)), 0)
    batch, z_e = seen[0]
    adapted = model.arkit_adaptor(batch.arkit, batch.gaze_rad)
    assert (z_e - adapted).abs().max() > 1e-3
