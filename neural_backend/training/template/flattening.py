"""Flattening a disc of triangles: the symmetric Dirichlet energy on a wanted metric, free boundaries, nothing flips.

Smith, Schaefer, "Bijective Parameterization with Free Boundaries", SIGGRAPH 2015.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    triangles: np.ndarray  # [T, 3] the last vertex is the scaffold's centre
    rest: np.ndarray  # [T, 2, 2] edge matrix of the wanted metric
    weight: np.ndarray  # [T]
    start: np.ndarray  # [n + 1, 2]
    on_axis: np.ndarray  # [n + 1] bool
    bounds: tuple[float, float, float]  # of the soft box: highest u, lowest and highest v; u is never below 0


def signed_areas(flat: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = flat[triangles]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


class _Energy:
    """Symmetric Dirichlet energy with a soft box; infinite where a triangle flips."""

    def __init__(self, problem: Problem, box: float) -> None:
        self.inverse = torch.tensor(np.linalg.inv(problem.rest))
        self.weight = torch.tensor(problem.weight)
        self.triangles = torch.tensor(problem.triangles.copy())
        self.on_axis = torch.tensor(problem.on_axis)
        self.box, self.bounds = box, problem.bounds

    def __call__(self, flat: torch.Tensor) -> tuple[float, torch.Tensor | None]:  # [n + 1, 2]
        flat = flat.clone().requires_grad_(True)
        u = torch.where(self.on_axis, torch.zeros_like(flat[:, 0]), flat[:, 0])
        v = flat[:, 1]
        corners = torch.stack([u, v], 1)[self.triangles]
        edges = torch.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], 2)
        jacobian = edges @ self.inverse
        determinant = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
        if (determinant <= 0).any():
            return float("inf"), None
        frobenius = (jacobian**2).sum((1, 2))
        energy = (self.weight * (frobenius + frobenius / determinant**2)).sum() / 4
        relu = torch.relu
        right, low, high = self.bounds
        outside = relu(u - right) ** 2 + relu(low - v) ** 2 + relu(v - high) ** 2
        outside = outside + relu(0.0005 - u) ** 2 * ~self.on_axis
        energy = energy + self.box * outside.sum()
        energy.backward()
        return energy.item(), flat.grad


def _preconditioner(problem: Problem):
    """Solves with the Dirichlet Laplacian of the target metric; u is free off the axis only."""
    inverse = np.linalg.inv(problem.rest)
    gradient = np.stack([-(inverse[:, 0] + inverse[:, 1]), inverse[:, 0], inverse[:, 1]], 1)  # [T, 3, 2]
    stiffness = np.einsum("tik,tjk,t->tij", gradient, gradient, problem.weight)
    rows, columns = np.repeat(problem.triangles, 3, axis=1).ravel(), np.tile(problem.triangles, (1, 3)).ravel()
    count = len(problem.start)
    matrix = sp.coo_matrix((stiffness.ravel(), (rows, columns)), shape=(count, count)).tocsc()
    matrix = (matrix + sp.eye(count) * 1e-6 * matrix.diagonal().mean()).tocsc()
    free = np.flatnonzero(~problem.on_axis)
    across, upward = splu(matrix[free][:, free].tocsc()), splu(matrix)

    def solve(gradient: torch.Tensor) -> torch.Tensor:
        g = gradient.numpy()
        step = np.zeros_like(g)
        step[free, 0] = across.solve(np.ascontiguousarray(g[free, 0]))
        step[:, 1] = upward.solve(np.ascontiguousarray(g[:, 1]))
        return torch.tensor(0.5 * step)

    return solve


def minimise(problem: Problem) -> np.ndarray:
    """[n, 2] L-BFGS with the Laplacian preconditioner and a line search that never flips a triangle."""
    solve = _preconditioner(problem)
    flat = torch.tensor(problem.start)
    for iterations, box in ((250, 3.0), (150, 300.0)):
        energy = _Energy(problem, box)
        value, gradient = energy(flat)
        if gradient is None:
            raise ValueError(
                "The UV's starting embedding has flipped triangles: the cut's boundary is not as expected."
            )
        memory: list[tuple[torch.Tensor, torch.Tensor, float]] = []
        for _ in range(iterations):
            direction, slope = _direction(gradient, memory, solve)
            step = 1.0
            while True:
                new_value, new_gradient = energy(flat + step * direction)
                if new_value <= value + 1e-4 * step * slope or step < 1e-12:
                    break
                step *= 0.5
            if step < 1e-12:
                break
            moved, change = step * direction, new_gradient - gradient
            curvature = float((moved * change).sum())
            if curvature > 1e-14:
                memory = [*memory, (moved, change, 1 / curvature)][-8:]
            flat, value, gradient = flat + moved, new_value, new_gradient
        log.info("UV energy %.4f with box %g", value, box)
    result = flat.numpy().copy()
    result[problem.on_axis, 0] = 0
    return result[:-1]


def _direction(gradient, memory, solve) -> tuple[torch.Tensor, float]:
    q = gradient.clone()
    alphas = []
    for moved, change, rho in reversed(memory):
        alpha = rho * (moved * q).sum()
        alphas.append(alpha)
        q = q - alpha * change
    q = solve(q)
    for (moved, change, rho), alpha in zip(memory, reversed(alphas), strict=True):
        q = q + moved * (alpha - rho * (change * q).sum())
    slope = float(-(gradient * q).sum())
    if slope >= 0:
        memory.clear()
        q = solve(gradient)
        slope = float(-(gradient * q).sum())
    return -q, slope
