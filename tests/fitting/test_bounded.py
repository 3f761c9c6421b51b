"""The bounded Gauss-Newton step against a general solver."""

import numpy as np
import pytest
from scipy.optimize import minimize

from neural_backend.fitting.bounded import bounded_step
from neural_backend.protocol.errors import MienError


def problem(seed: int, size: int = 12):
    random = np.random.default_rng(seed)
    root = random.normal(size=(size, size))
    return root @ root.T + 0.1 * np.eye(size), 3 * random.normal(size=size)


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_a_general_solver(seed):
    hessian, gradient = problem(seed)
    low, high = np.full(12, -0.2), np.full(12, 0.3)
    step = bounded_step(hessian, gradient, low, high)
    expected = minimize(
        lambda x: 0.5 * x @ hessian @ x - gradient @ x, np.zeros(12), jac=lambda x: hessian @ x - gradient,
        bounds=list(zip(low, high, strict=True)), method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-10},
    )  # fmt: skip
    cost = 0.5 * step @ hessian @ step - gradient @ step
    assert (step >= low - 1e-12).all() and (step <= high + 1e-12).all()
    assert cost <= expected.fun + 1e-3 * abs(expected.fun)


def test_unbounded_is_the_plain_solution():
    hessian, gradient = problem(9)
    step = bounded_step(hessian, gradient, np.full(12, -np.inf), np.full(12, np.inf))
    assert np.allclose(hessian @ step, gradient)


def test_not_a_number_is_refused_in_a_sentence():
    hessian, gradient = problem(1)
    hessian[0, 0] = np.nan
    with pytest.raises(MienError, match="not finite") as caught:
        bounded_step(hessian, gradient, np.full(12, -1.0), np.full(12, 1.0))
    assert caught.value.code == "fit_failed"
