"""Measures of volumes: equal, dark, missing hair; and inversion, which finds the codes of a known renderer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neural_backend.evaluation.vrmm.inversion import Observation, invert
from neural_backend.evaluation.vrmm.measures import displayed, exposure_of, mean_of, measure


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


@pytest.fixture
def head() -> tuple[np.ndarray, np.ndarray]:
    """([48, 48, 3] premultiplied, [48, 48]): a shaded disk."""
    y, x = np.mgrid[:48, :48] - 23.5
    alpha = np.clip(18 - np.hypot(x, y), 0, 1).astype(np.float32)
    shade = np.clip(0.6 + 0.02 * x, 0.02, 1)
    return (alpha * shade)[..., None].astype(np.float32) * np.array([0.8, 0.5, 0.4], np.float32), alpha


def test_the_truth_is_without_error(head):
    found = measure(*head, *head, distance)
    assert found.psnr_db == 100 and found.ssim == pytest.approx(1) and found.mae == 0 == found.features


def test_psnr_is_that_of_the_error_that_was_made(head):
    rgb, alpha = head
    exposure = exposure_of(rgb, alpha)
    shown = displayed(rgb, alpha, exposure)
    wanted = displayed(rgb * 0.9, alpha, exposure)
    error = (shown - wanted)[alpha > 0.5]
    found = measure(rgb * 0.9, alpha, rgb, alpha, distance)
    assert found.psnr_db == pytest.approx(-10 * np.log10((error**2).mean()), abs=1e-4)
    assert found.mae == pytest.approx(255 * np.abs(error).mean(), abs=1e-3)


def test_brightness_as_a_whole_does_not_matter_but_a_wrong_one_does(head):
    rgb, alpha = head
    same = measure(rgb * 5, alpha, rgb * 5, alpha, distance)
    assert same.psnr_db == 100
    assert measure(rgb * 0.5, alpha, rgb, alpha, distance).psnr_db < 20


def test_what_is_missing_counts(head):
    rgb, alpha = head
    bald = alpha * (np.mgrid[:48, :48][0] > 16)
    cut = measure(rgb * (bald > 0)[..., None], bald, rgb, alpha, distance)
    assert cut.psnr_db < 25 and cut.alpha_mae > 0.05


def test_means(head):
    rows = [measure(*head, *head, distance), measure(head[0] * 0.5, head[1], *head, distance)]
    assert mean_of(rows).mae == pytest.approx((rows[0].mae + rows[1].mae) / 2)
    with pytest.raises(ValueError):
        mean_of([])


def test_inversion_finds_the_codes_of_a_linear_renderer():
    """Pictures are linear in both codes: blend and expressions are known."""
    generator = torch.Generator().manual_seed(0)
    of_identity, of_expression = (torch.randn(n, 12 * 12 * 3, generator=generator) for n in (5, 3))
    codes = torch.randn(4, 5, generator=generator)
    blend = torch.tensor([0.6, -0.1, 0.4, 0.1])
    expressions = 0.3 * torch.randn(2, 3, generator=generator)

    def render(identity, expression, indices):
        rgb = (identity @ of_identity + expression @ of_expression).view(-1, 12, 12, 3) / 10
        return rgb, torch.ones(rgb.shape[:3])

    with torch.no_grad():
        rgb, alpha = render((blend @ codes).expand(2, -1), expressions, [0, 1])
    observed = [Observation(index, rgb[index], alpha[index]) for index in range(2)]
    found = invert(render, codes, torch.zeros(2, 3), observed, steps=400)
    assert found.losses[-1] < 0.15 * found.losses[0]
    torch.testing.assert_close(found.blend, blend, atol=0.05, rtol=0)
    torch.testing.assert_close(found.expressions, expressions, atol=0.05, rtol=0)


def test_nothing_to_invert():
    with pytest.raises(ValueError, match="No picture"):
        invert(lambda *_: None, torch.zeros(2, 3), torch.zeros(1, 2), [])
