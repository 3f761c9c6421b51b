"""The smoother: no lag, blinks kept, noise gone, gaps bridged, irregular times."""

from __future__ import annotations

import numpy as np
import pytest

from neural_backend.capture.smoothing import bridged, smooth_weights, smoothed
from neural_backend.protocol.arkit import ARKIT_INDEX

RNG = np.random.default_rng(3)
TIMES = np.arange(150) / 30.0


def test_a_line_stays_a_line_at_irregular_times():
    times = np.cumsum(RNG.uniform(0.01, 0.08, 80))
    line = np.stack([2 * times - 1, 0 * times + 0.3], 1)
    np.testing.assert_allclose(smoothed(times, line, RNG.uniform(0.2, 1, 80), 3.0), line, atol=1e-7)


def test_it_does_not_come_late():
    noisy = np.sin(2 * np.pi * 1.0 * TIMES)[:, None] + RNG.normal(0, 0.1, (150, 1))
    smooth = smoothed(TIMES, noisy, np.ones(150), 4.0)
    backwards = smoothed(TIMES, noisy[::-1], np.ones(150), 4.0)[::-1]
    np.testing.assert_allclose(smooth, backwards, atol=1e-9)  # time's direction does not matter: no lag
    truth = np.sin(2 * np.pi * TIMES)
    assert np.abs(smooth[:, 0] - truth).mean() < 0.6 * np.abs(noisy[:, 0] - truth).mean()


def test_the_cutoff_is_half():
    times = np.arange(2000) / 400.0  # fine enough that differences are derivatives
    for hertz in (2.0, 5.0):
        wave = np.sin(2 * np.pi * hertz * times)[:, None]
        inner = slice(400, 1600)
        share = np.std(smoothed(times, wave, np.ones(2000), hertz)[inner]) / np.std(wave[inner])
        assert share == pytest.approx(0.5, abs=0.02)


def test_a_blink_of_three_frames_is_kept_and_the_jitter_beside_it_is_not():
    weights = np.zeros((150, 52))
    lid, jaw = ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["jawOpen"]
    weights[:, lid] = 0.1 + RNG.normal(0, 0.015, 150)
    weights[:, jaw] = 0.2 + RNG.normal(0, 0.03, 150)
    blink = np.array([0.5, 1.0, 0.5])
    weights[60:63, lid] = blink
    smooth = smooth_weights(TIMES, weights, np.ones(150), 1.0)
    np.testing.assert_allclose(smooth[60:63, lid], blink, atol=0.06)
    calm = np.r_[5:55, 70:145]
    for column, share in ((lid, 0.5), (jaw, 0.65)):
        before, after = (np.diff(values[calm, column], 2).std() for values in (weights, smooth))
        assert after < share * before
    np.testing.assert_array_equal(smooth_weights(TIMES, weights, np.ones(150), 0.0), np.clip(weights, 0, 1))


def test_what_was_not_seen_does_not_pull():
    values = np.sin(TIMES)[:, None].copy()
    seen = np.ones(150, bool)
    seen[70:80] = False
    values[70:80] = 40.0
    over = bridged(TIMES, values, seen)
    assert np.abs(over - np.sin(TIMES)[:, None]).max() < 0.02
    smooth = smoothed(TIMES, over, seen.astype(float), 4.0)
    assert np.abs(smooth - np.sin(TIMES)[:, None]).max() < 0.02
    with pytest.raises(ValueError, match="no frame"):
        bridged(TIMES, values, np.zeros(150, bool))
