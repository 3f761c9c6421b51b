"""Locked texels: bit for bit, and no edge beside them."""

from __future__ import annotations

import numpy as np
import pytest

from neural_backend.fitting.locked_texels import LockedMap


@pytest.mark.parametrize(
    ("shape", "depth"), [((256, 256, 3), np.uint8), ((256, 256), np.uint8), ((256, 256, 3), np.uint16)]
)
def test_painted_texels_stay(shape, depth):
    rng = np.random.default_rng(3)
    top = np.iinfo(depth).max
    written, fresh = (rng.integers(0, top, shape).astype(depth) for _ in range(2))
    painted = written.copy()
    painted[100:140, 50:90] = top - painted[100:140, 50:90]
    kept = LockedMap.of(painted, written)
    result = kept.keep(fresh)
    changed = painted != written
    changed = changed if changed.ndim == 2 else changed.any(-1)
    np.testing.assert_array_equal(kept.locked, changed)
    np.testing.assert_array_equal(result[changed], painted[changed])
    np.testing.assert_array_equal(result[:90], fresh[:90])  # far away nothing happens


def test_no_edge_where_the_paint_ends():
    written = np.full((256, 256, 3), 90, np.uint8)
    fresh = np.full((256, 256, 3), 110, np.uint8)
    painted = written.copy()
    painted[100:140, 100:140] = 150
    result = LockedMap.of(painted, written).keep(fresh).astype(int)
    steps = np.abs(np.diff(result[120, :, 0]))
    assert steps.max() <= 40 and result[120, 99, 0] > 120  # spread over texels, not 40 at once on the seam's own step
    plain = np.where((painted != written), painted, fresh).astype(int)
    assert np.abs(np.diff(plain[120, :, 0])).max() == 40 > steps.max()


def test_rounding_of_sixteen_bits_is_no_paint():
    rng = np.random.default_rng(5)
    written = rng.integers(10, 60000, (64, 64, 3)).astype(np.uint16)
    painted = written + rng.integers(0, 2, written.shape).astype(np.uint16)
    painted[5, 6] += 900
    kept = LockedMap.of(painted, written)
    assert kept.locked.sum() == 1
    np.testing.assert_array_equal(kept.painted[7], written[7])


def test_once_locked_always_locked():
    written = np.zeros((64, 64), np.uint8)
    before = np.zeros((64, 64), bool)
    before[3, 4] = True
    assert LockedMap.of(written, written, before).locked.sum() == 1
    untouched = LockedMap.of(written, written)
    fresh = np.ones_like(written)
    assert untouched.keep(fresh) is fresh
