"""Packing known heads, training a few steps, stopping, going on."""

from pathlib import Path

import numpy as np
import torch

from neural_backend.lightstage.known_heads import read_known_heads
from neural_backend.training.surface_points import population as people
from neural_backend.training.surface_points.__main__ import Trainer
from neural_backend.training.surface_points.gather import gather, pack
from neural_backend.training.surface_points.renders import Renders

SAMPLE = Path(__file__).parents[2] / "data" / "known_heads"


def test_trains_and_goes_on(tmp_path):
    population = gather()
    people.save(population, tmp_path / "population.npz")
    heads = [*read_known_heads(SAMPLE, "calibration")] * 3
    from dataclasses import replace

    heads = [replace(head, subject=f"person_{k}") for k, head in enumerate(heads)]
    assert pack(heads, population, tmp_path / "renders.npz") == len(heads)
    renders = Renders.load(tmp_path / "renders.npz", population, torch.device("cpu"))
    assert renders.held_out.sum() == 1 and len(renders.picture) == len(heads)
    rows = torch.arange(2)
    plain, mirrored = (renders.crops(rows, 0.0, torch.full((2,), flip)) for flip in (False, True))
    assert torch.allclose(mirrored.picture, plain.picture.flip(-1))
    back = mirrored.places[:, renders.point_mirror] * torch.tensor([-1.0, 1.0]) + torch.tensor([256.0, 0.0])
    assert torch.allclose(back, plain.places, atol=1e-3)
    first = Trainer(tmp_path, tmp_path / "run", torch.device("cpu"), 5, 2, 0)
    before = [p.clone() for p in first.net.parameters()]
    first.run()
    assert any(not torch.equal(a, b) for a, b in zip(before, first.net.parameters(), strict=True))
    again = Trainer(tmp_path, tmp_path / "run", torch.device("cpu"), 5, 3, 0)
    assert again.step == 2
    assert all(torch.equal(a, b) for a, b in zip(first.net.parameters(), again.net.parameters(), strict=True))
    again.run()
    rows = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert len(rows) == 3 and np.isfinite([float(x) for x in rows[-1].split(",")]).all()
