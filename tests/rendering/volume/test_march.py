"""The raymarcher against its twin, against finite differences, and what equations 2 and 3 promise."""

from __future__ import annotations

import dataclasses
import math
import sys

import pytest
import torch

from neural_backend.geometry import kernels
from neural_backend.rendering.volume import DEFAULT_STEP_M, REFERENCE_M, Primitives, TensorCamera, march, march_twin
from neural_backend.rendering.volume.example import front_camera, shell_of_boxes

STEP = DEFAULT_STEP_M
INPUTS = ("positions", "rotations", "scales", "payload")


def one_box(density: float, half: float = 0.05, colour=(1.0, 0.5, 0.25), centre=(0.0, 0.0, 0.0)) -> Primitives:
    payload = torch.empty(1, 1, 4, 8, 8, 8)
    payload[0, 0] = torch.tensor([*colour, density])[:, None, None, None]
    return Primitives(torch.tensor([[centre]]), torch.eye(3)[None, None], torch.full((1, 1, 3), half), payload)


def joined(*several: Primitives) -> Primitives:
    return Primitives(*(torch.cat([getattr(p, name) for p in several], 1) for name in INPUTS))


def picture(rgb: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return torch.cat([rgb, alpha[..., None]], -1)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-20)))


def gradients(function, primitives: Primitives, camera: TensorCamera, seed: int | None) -> list[torch.Tensor]:
    inputs = [getattr(primitives, name).clone().requires_grad_() for name in INPUTS]
    pose = camera.camera_from_head.clone().requires_grad_()
    result = picture(*function(Primitives(*inputs), dataclasses.replace(camera, camera_from_head=pose), STEP, seed))
    weights = torch.rand(result.shape, generator=torch.Generator().manual_seed(5)).to(result)
    (result * weights).sum().backward()
    return [x.grad for x in (*inputs, pose)]


@pytest.mark.parametrize("density", [4.0, 80.0, 2000.0])
@pytest.mark.parametrize("seed", [None, 7])
def test_picture_is_the_twins(density, seed):
    primitives, camera = shell_of_boxes(10, density=density, batch=2), front_camera(64, 2)
    ours, twin = march(primitives, camera, STEP, seed), march_twin(primitives, camera, STEP, seed)
    assert psnr(picture(*ours), picture(*twin)) >= 60
    assert float((ours[1] > 0).float().mean()) > 0.2


@pytest.mark.parametrize("density", [1.0, 80.0])
def test_gradients_are_the_twins(density):
    primitives, camera = shell_of_boxes(8, density=density, batch=2, thickness_m=0.03), front_camera(48, 2)
    saturated = (march(primitives, camera, STEP)[1] >= 1).float().mean()
    assert saturated == 0 if density == 1 else saturated > 0.2
    for ours, twin in zip(*(gradients(f, primitives, camera, 3) for f in (march, march_twin)), strict=True):
        assert torch.nn.functional.cosine_similarity(ours.flatten(), twin.flatten(), 0) >= 0.999
        assert float((ours - twin).norm() / twin.norm()) < 1e-3


@pytest.mark.parametrize("density", [4.0, 40.0])
@pytest.mark.parametrize("name", INPUTS)
def test_gradients_are_the_finite_differences(density, name):
    primitives, camera = shell_of_boxes(8, density=density, thickness_m=0.03), front_camera(64)
    generator = torch.Generator().manual_seed(2)
    value = getattr(primitives, name)
    if name == "rotations":  # along the rotation group: turn every box by a random axis
        axis = torch.randn(value.shape[:2] + (3,), generator=generator) + 0.3
        direction = torch.linalg.cross(axis[:, :, None].expand_as(value), value.mT).mT
    elif name == "scales":
        direction = value * (torch.rand(value.shape, generator=generator) + 0.2)
    elif name == "positions":
        direction = 0.01 * (torch.randn(value.shape, generator=generator) + 0.5)
    else:
        direction = value * (torch.rand(value.shape, generator=generator) + 0.2)
    smooth = torch.sin(torch.arange(64 * 64 * 4).view(1, 64, 64, 4) / 900.0) + 1.2

    def loss(p: Primitives) -> torch.Tensor:
        return (picture(*march(p, camera, STEP / 2)).double() * smooth).sum()

    parameter = value.clone().requires_grad_()
    loss(dataclasses.replace(primitives, **{name: parameter})).backward()
    analytic = float((parameter.grad * direction).sum())
    small = 3e-4
    numeric = [
        float(loss(dataclasses.replace(primitives, **{name: value + sign * small * direction}))) for sign in (1, -1)
    ]
    numeric = (numeric[0] - numeric[1]) / (2 * small)
    assert abs(analytic - numeric) <= 0.02 * abs(numeric), (analytic, numeric)


def test_order_of_boxes_has_no_influence():
    primitives, camera = shell_of_boxes(8, thickness_m=0.04, overlap=2.0), front_camera(48)
    order = torch.randperm(primitives.count, generator=torch.Generator().manual_seed(1))
    shuffled = Primitives(*(getattr(primitives, name)[:, order] for name in INPUTS))
    a, b = picture(*march(primitives, camera, STEP)), picture(*march(shuffled, camera, STEP))
    assert float((a - b).abs().max()) < 1e-5


def test_overlapping_boxes_share_what_is_left():
    both = joined(one_box(1e5, colour=(1.0, 0.0, 0.0)), one_box(3e5, colour=(0.0, 1.0, 0.0)))
    rgb, alpha = march(both, front_camera(32), STEP)
    middle = rgb[0, 16, 16]
    assert float(alpha[0, 16, 16]) == 1
    assert torch.allclose(middle, torch.tensor([0.25, 0.75, 0.0]), atol=1e-5), middle


def test_opacity_is_the_faded_density_times_length():
    rgb, alpha = march(one_box(2.0), front_camera(33), STEP / 8)
    x = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    expected = 2.0 * 0.1 / REFERENCE_M * float(torch.exp(-8 * x**8).mean())
    assert float(alpha[0, 16, 16]) == pytest.approx(expected, rel=5e-3)
    assert torch.allclose(rgb[0, 16, 16], alpha[0, 16, 16] * torch.tensor([1.0, 0.5, 0.25]), rtol=1e-5)


def test_no_box_is_dropped_from_a_crowded_ray():
    crowd = joined(*(one_box(0.01, centre=(0.0, 0.0, -0.0001 * i)) for i in range(300)))
    _, alpha = march(crowd, front_camera(17), STEP)
    _, single = march(one_box(0.01), front_camera(17), STEP)
    assert float(alpha[0, 8, 8]) == pytest.approx(300 * float(single[0, 8, 8]), rel=0.02)
    assert float(alpha.max()) < 1


def test_boxes_behind_the_camera_are_not_seen_and_one_around_it_is():
    camera = front_camera(24)
    behind = march(one_box(50.0, centre=(0.0, 0.0, 0.9)), camera, STEP)
    assert float(behind[1].max()) == 0
    around = one_box(1.0, half=0.2, centre=(0.1, 0.0, 0.6))
    ours, twin = march(around, camera, STEP), march_twin(around, camera, STEP)
    assert psnr(picture(*ours), picture(*twin)) > 60
    assert float(ours[1].min()) > 0


def test_seed_shifts_samples_and_repeats():
    primitives, camera = shell_of_boxes(8, density=10.0), front_camera(32)
    first, again, other = (picture(*march(primitives, camera, STEP, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert psnr(first, other) > 30


def test_threads_give_the_same_numbers(monkeypatch):
    primitives, camera = shell_of_boxes(8), front_camera(48)
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(kernels, "CPU_BANDS", threads)
        results.append([march(primitives, camera, STEP)[0], *gradients(march, primitives, camera, None)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_channels_last_payload_is_the_same():
    primitives, camera = shell_of_boxes(8), front_camera(32)
    last = primitives.payload.permute(0, 1, 3, 4, 5, 2).contiguous().permute(0, 1, 5, 2, 3, 4)
    same = march(dataclasses.replace(primitives, payload=last), camera, STEP)[0]
    assert torch.equal(march(primitives, camera, STEP)[0], same)


@pytest.mark.parametrize("shift", [(0.05, 0.0), (-0.03, 0.04)])
def test_a_box_is_where_the_camera_projects_it(shift):
    camera = front_camera(64)
    _, alpha = march(one_box(500.0, half=0.01, centre=(*shift, 0.0)), camera, STEP)
    rows, columns = (alpha[0] > 0.5).nonzero().float().mean(0) + 0.5
    assert float(columns) == pytest.approx(32 + 128 * shift[0] / 0.59, abs=0.6)
    assert float(rows) == pytest.approx(32 - 128 * shift[1] / 0.59, abs=0.6)


def test_wrong_input_is_refused():
    primitives, camera = shell_of_boxes(4), front_camera(16)
    with pytest.raises(ValueError, match="one camera per head"):
        march(primitives, front_camera(16, 2), STEP)
    with pytest.raises(ValueError, match="step"):
        march(primitives, camera, 0.0)
    with pytest.raises(ValueError, match="finite"):
        march(dataclasses.replace(primitives, positions=primitives.positions * math.nan), camera, STEP)
    with pytest.raises(ValueError, match="payload"):
        dataclasses.replace(primitives, payload=primitives.payload[:, :, :3])


def test_batch_too_large_to_index_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules[march.__module__], "MAX_HITS", 100)
    with pytest.raises(ValueError, match="split the batch"):
        march(shell_of_boxes(4), front_camera(16), STEP)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_cpus_picture_and_gradients():
    primitives, camera = shell_of_boxes(10, batch=2), front_camera(64, 2)
    cpu, cuda = march(primitives, camera, STEP, 4), march(primitives.to("cuda"), camera.to("cuda"), STEP, 4)
    assert psnr(picture(*cpu), picture(*cuda).cpu()) > 60
    pairs = zip(
        gradients(march, primitives, camera, 4),
        gradients(march, primitives.to("cuda"), camera.to("cuda"), 4),
        strict=True,
    )
    for a, b in pairs:
        assert torch.nn.functional.cosine_similarity(a.flatten(), b.cpu().flatten(), 0) > 0.999
