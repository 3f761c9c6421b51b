import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from neural_backend.geometry.dilation import dilate, nearest_texel


def test_nearest_against_the_exact_distance():
    mask = np.random.default_rng(0).uniform(size=(90, 120)) > 0.995
    nearest, distance = nearest_texel(mask)
    assert mask.reshape(-1)[nearest].all()
    row, column = np.divmod(nearest, 120)
    grid_row, grid_column = np.mgrid[:90, :120]
    mine = np.hypot(row - grid_row, column - grid_column)
    exact = distance_transform_edt(~mask)
    assert np.abs(mine - exact).max() < 1.0  # opencv's 5 x 5 distance is close to exact
    assert np.abs(distance - exact).max() < 1.0


def test_dilation_keeps_what_is_covered_and_stops():
    image = np.zeros((16, 16, 3), np.float32)
    image[4:6, 4:6] = [1, 2, 3]
    mask = image[..., 0] > 0
    assert (dilate(image, mask) == [1, 2, 3]).all()
    near = dilate(image, mask, 2)
    assert (near[3, 3] == [1, 2, 3]).all() and not near[12, 12].any() and (near[mask] == image[mask]).all()
    with pytest.raises(ValueError, match="covered"):
        dilate(image, np.zeros((16, 16), bool))
